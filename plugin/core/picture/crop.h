// A piece of a plane with a margin around it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/picture/plane.h"

namespace livesr {

// (width + 2 * margin) x (height + 2 * margin) dense pixels around those at (x, y), the plane's
// edge replicated beyond it: what the network and the bicubic filter see there.
inline std::vector<std::uint8_t> crop(const PlaneView& plane, int x, int y, int width, int height,
                                      int margin) {
    const int crop_width = width + 2 * margin;
    const int crop_height = height + 2 * margin;
    std::vector<std::uint8_t> pixels(static_cast<std::size_t>(crop_width) *
                                     static_cast<std::size_t>(crop_height));
    auto* out = pixels.data();
    for (int row = 0; row < crop_height; ++row) {
        const int from_y = std::clamp(y - margin + row, 0, plane.height - 1);
        const auto* from = plane.pixels + from_y * plane.stride;
        for (int column = 0; column < crop_width; ++column) {
            *out++ = from[std::clamp(x - margin + column, 0, plane.width - 1)];
        }
    }
    return pixels;
}

}  // namespace livesr
