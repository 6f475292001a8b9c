// The bicubic enlargement before it is rounded to 8 bits: what the network adds its residual to.
#pragma once

#include <cstdint>
#include <vector>

#include "core/picture/plane.h"

namespace livesr {

// v of picture/bicubic_taps.h (2^-20 grey levels) for a region of source pixels:
// [(y1 - y0) * scale][(x1 - x0) * scale].
std::vector<std::int32_t> bicubic_base(const PlaneView& src, const Region& region, int scale);

}  // namespace livesr
