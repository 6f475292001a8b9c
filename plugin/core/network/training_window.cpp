#include "core/network/training_window.h"

#include <cstddef>
#include <cstdint>

#include "core/network/bicubic_base.h"

namespace livesr {
namespace {

// A dense, turned copy of the rectangle at (x, y), width x height before turning.
std::vector<std::uint8_t> turned(const std::uint8_t* src, std::ptrdiff_t stride, int x, int y,
                                 int width, int height, const Turn& turn) {
    const int out_width = turn.transpose ? height : width;
    const int out_height = turn.transpose ? width : height;
    std::ptrdiff_t step_x = turn.transpose ? stride : 1;
    std::ptrdiff_t step_y = turn.transpose ? 1 : stride;
    const std::uint8_t* from = src + y * stride + x;
    if (turn.mirror_x) {
        from += (out_width - 1) * step_x;
        step_x = -step_x;
    }
    if (turn.mirror_y) {
        from += (out_height - 1) * step_y;
        step_y = -step_y;
    }
    std::vector<std::uint8_t> result(static_cast<std::size_t>(out_width) *
                                     static_cast<std::size_t>(out_height));
    std::uint8_t* to = result.data();
    for (int row = 0; row < out_height; ++row)
        for (int column = 0; column < out_width; ++column)
            *to++ = from[row * step_y + column * step_x];
    return result;
}

}  // namespace

void cut_window(const Architecture& a, const TrainingPair& pair, int x, int y, int width,
                int height, const Turn& turn, TrainingWindow& window) {
    const int m = margin(a);
    const int s = a.scale;
    const std::vector<std::uint8_t> low =
        turned(pair.low.data(), pair.width / s + 2 * m, x, y, width + 2 * m, height + 2 * m, turn);
    const std::vector<std::uint8_t> high =
        turned(pair.high.data(), pair.width, x * s, y * s, width * s, height * s, turn);
    window.width = turn.transpose ? height : width;
    window.height = turn.transpose ? width : height;

    const int low_width = window.width + 2 * m;
    const int low_height = window.height + 2 * m;
    window.low.resize(low.size());
    for (std::size_t i = 0; i < low.size(); ++i)
        window.low[i] = static_cast<float>(low[i]) * (1.0F / 255.0F);

    const std::vector<std::int32_t> base =
        bicubic_base({low.data(), low_width, low_width, low_height},
                     {m, m, m + window.width, m + window.height}, s);
    window.residual.resize(high.size());
    const int high_width = window.width * s;
    for (int oy = 0; oy < window.height * s; ++oy)
        for (int ox = 0; ox < high_width; ++ox) {
            const std::size_t from =
                static_cast<std::size_t>(oy) * static_cast<std::size_t>(high_width) +
                static_cast<std::size_t>(ox);
            const std::size_t to =
                (static_cast<std::size_t>(oy / s) * static_cast<std::size_t>(window.width) +
                 static_cast<std::size_t>(ox / s)) *
                    static_cast<std::size_t>(s * s) +
                static_cast<std::size_t>((oy % s) * s + ox % s);
            const auto difference = static_cast<float>((high[from] << vertical_shift) - base[from]);
            window.residual[to] = difference * (0x1p-20F / 255.0F);
        }
}

}  // namespace livesr
