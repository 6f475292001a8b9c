#include "core/picture/bicubic_base.h"

#include <algorithm>
#include <cstddef>

#include "core/picture/bicubic_taps.h"

namespace livesr {
namespace {

std::int32_t dot(const std::int16_t* values, std::ptrdiff_t stride, const BicubicTaps& taps) {
    return values[0] * taps[0] + values[stride] * taps[1] + values[2 * stride] * taps[2] +
           values[3 * stride] * taps[3] + values[4 * stride] * taps[4];
}

}  // namespace

std::vector<std::int32_t> bicubic_base(const PlaneView& src, const Region& region, int scale) {
    const int columns = region.x1 - region.x0;
    const int rows = region.y1 - region.y0;
    const int width = columns * scale;
    const auto& taps = bicubic_taps[static_cast<std::size_t>(scale)];
    const auto row_size = static_cast<std::size_t>(width);

    // 16 bits hold both, and compilers make products of eight at once of them.
    std::vector<std::int16_t> horizontal(row_size * static_cast<std::size_t>(rows + 4));
    std::vector<std::int16_t> samples(static_cast<std::size_t>(columns + 4));
    std::vector<std::int16_t> filtered(static_cast<std::size_t>(columns));
    for (int r = 0; r < rows + 4; ++r) {
        const int y = std::clamp(region.y0 + r - 2, 0, src.height - 1);
        const std::uint8_t* row = src.pixels + y * src.stride;
        for (int c = 0; c < columns + 4; ++c) {
            samples[static_cast<std::size_t>(c)] =
                row[std::clamp(region.x0 + c - 2, 0, src.width - 1)];
        }
        std::int16_t* out = horizontal.data() + static_cast<std::size_t>(r) * row_size;
        for (int phase = 0; phase < scale; ++phase) {
            const BicubicTaps& t = taps[static_cast<std::size_t>(phase)];
            const std::int16_t* s = samples.data();
            for (int c = 0; c < columns; ++c) {
                filtered[static_cast<std::size_t>(c)] = static_cast<std::int16_t>(
                    (dot(s + c, 1, t) + horizontal_rounding) >> horizontal_shift);
            }
            for (int c = 0; c < columns; ++c) {
                out[c * scale + phase] = filtered[static_cast<std::size_t>(c)];
            }
        }
    }

    std::vector<std::int32_t> result(row_size * static_cast<std::size_t>(rows * scale));
    for (int r = 0; r < rows; ++r)
        for (int phase = 0; phase < scale; ++phase) {
            const BicubicTaps& t = taps[static_cast<std::size_t>(phase)];
            const std::int16_t* h = horizontal.data() + static_cast<std::size_t>(r) * row_size;
            std::int32_t* out =
                result.data() + static_cast<std::size_t>(r * scale + phase) * row_size;
            for (int x = 0; x < width; ++x) out[x] = dot(h + x, width, t);
        }
    return result;
}

}  // namespace livesr
