#include "core/picture/bicubic_base.h"

#include <algorithm>
#include <cstddef>

#include "core/picture/bicubic_taps.h"

namespace livesr {

std::vector<std::int32_t> bicubic_base(const PlaneView& src, const Region& region, int scale) {
    const int columns = region.x1 - region.x0;
    const int rows = region.y1 - region.y0;
    const int width = columns * scale;
    const auto& taps = bicubic_taps[static_cast<std::size_t>(scale)];
    const auto row_size = static_cast<std::size_t>(width);

    std::vector<std::int32_t> horizontal(row_size * static_cast<std::size_t>(rows + 4));
    std::vector<std::int32_t> samples(static_cast<std::size_t>(columns + 4));
    for (int r = 0; r < rows + 4; ++r) {
        const int y = std::clamp(region.y0 + r - 2, 0, src.height - 1);
        for (int c = 0; c < columns + 4; ++c) {
            const int x = std::clamp(region.x0 + c - 2, 0, src.width - 1);
            samples[static_cast<std::size_t>(c)] = src.pixels[y * src.stride + x];
        }
        std::int32_t* out = horizontal.data() + static_cast<std::size_t>(r) * row_size;
        for (int c = 0; c < columns; ++c) {
            const std::int32_t* s = samples.data() + c;
            for (int phase = 0; phase < scale; ++phase) {
                const BicubicTaps& t = taps[static_cast<std::size_t>(phase)];
                const std::int32_t sum =
                    s[0] * t[0] + s[1] * t[1] + s[2] * t[2] + s[3] * t[3] + s[4] * t[4];
                out[c * scale + phase] = (sum + horizontal_rounding) >> horizontal_shift;
            }
        }
    }

    std::vector<std::int32_t> result(row_size * static_cast<std::size_t>(rows * scale));
    for (int r = 0; r < rows; ++r)
        for (int phase = 0; phase < scale; ++phase) {
            const BicubicTaps& t = taps[static_cast<std::size_t>(phase)];
            const std::int32_t* h = horizontal.data() + static_cast<std::size_t>(r) * row_size;
            std::int32_t* out =
                result.data() + static_cast<std::size_t>(r * scale + phase) * row_size;
            for (int x = 0; x < width; ++x)
                out[x] = h[x] * t[0] + h[x + width] * t[1] + h[x + 2 * width] * t[2] +
                         h[x + 3 * width] * t[3] + h[x + 4 * width] * t[4];
        }
    return result;
}

}  // namespace livesr
