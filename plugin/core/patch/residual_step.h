// How fine a patch is quantised when nobody says: for the sender only, no part of the format.
#pragma once

#include <cstddef>
#include <vector>

#include "core/patch/residual_transform.h"

namespace livesr::residual {

// Step for a patch of so many pixels with these coefficients (times 2^15) that takes `jpeg_bytes`
// as luma JPEG of quality 95.
int fitting_step(const std::vector<Block>& coefficients, int pixels, std::size_t jpeg_bytes);

}  // namespace livesr::residual
