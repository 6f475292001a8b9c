// 8-bit samples in rows, and pieces of them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace livesr {

struct PlaneView {
    const std::uint8_t* pixels = nullptr;
    std::ptrdiff_t stride = 0;
    int width = 0;
    int height = 0;
};

// Pixels [x0, x1) x [y0, y1).
struct Region {
    int x0 = 0;
    int y0 = 0;
    int x1 = 0;
    int y1 = 0;
};

}  // namespace livesr
