// A piece of a picture as the network shows it, from the piece alone.
#pragma once

#include <cstdint>
#include <vector>

#include "core/network/enhance.h"
#include "core/picture/crop.h"

namespace livesr {

// low: (width + 2 * around) x (height + 2 * around) dense pixels, from a whole cell of the picture
// on. Returns the inner width x height
// enlarged. With `around` at least the network's margin these are exactly the whole picture's
// pixels.
inline std::vector<std::uint8_t> enhance_patch(const PackedNetwork& network,
                                               EnhanceScratch& scratch,
                                               const std::vector<std::uint8_t>& low, int width,
                                               int height, int around) {
    const int scale = network.architecture().scale;
    const int low_width = width + 2 * around;
    const int low_height = height + 2 * around;
    const int full_width = low_width * scale;
    std::vector<std::uint8_t> shown(static_cast<std::size_t>(full_width) * low_height * scale);
    enhance(network, scratch, low.data(), low_width, low_width, low_height, shown.data(),
            full_width, around, low_height - around);
    return crop({shown.data(), full_width, full_width, low_height * scale}, around * scale,
                around * scale, width * scale, height * scale, 0);
}

}  // namespace livesr
