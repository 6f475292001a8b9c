#include "core/network/training_window.h"

#include <algorithm>
#include <cstddef>

#include "core/network/enhance_kernels.h"
#include "core/picture/bicubic_base.h"
#include "core/picture/bicubic_taps.h"

namespace livesr {
namespace {

// What row kernels may read and write beyond a row.
constexpr std::size_t slack = 64;

// A dense, turned copy of the rectangle at (x, y), width x height before turning.
void copy_turned(const std::uint8_t* src, std::ptrdiff_t stride, int x, int y, int width,
                 int height, const Turn& turn, std::vector<std::uint8_t>& dst) {
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
    dst.resize(static_cast<std::size_t>(out_width) * static_cast<std::size_t>(out_height) + slack);
    std::uint8_t* to = dst.data();
    for (int row = 0; row < out_height; ++row)
        for (int column = 0; column < out_width; ++column)
            *to++ = from[row * step_y + column * step_x];
}

}  // namespace

WindowCutter::WindowCutter(const Architecture& architecture, Isa isa)
    : architecture_(architecture), kernels_(row_kernels(isa)) {}

const TrainingWindow& WindowCutter::cut(const TrainingPair& pair, int x, int y, int width,
                                        int height, const Turn& turn) {
    if (cell_side(architecture_) > 1) return cut_cells(pair, x, y, width, height, turn);
    const int m = margin(architecture_);
    const int s = architecture_.scale;
    copy_turned(pair.low.data(), pair.width / s + 2 * m, x, y, width + 2 * m, height + 2 * m, turn,
                low_);
    copy_turned(pair.high.data(), pair.width, x * s, y * s, width * s, height * s, turn, high_);
    window_.width = turn.transpose ? height : width;
    window_.height = turn.transpose ? width : height;

    const std::size_t low_size =
        static_cast<std::size_t>(width + 2 * m) * static_cast<std::size_t>(height + 2 * m);
    window_.low.resize(low_size);
    for (std::size_t i = 0; i < low_size; ++i)
        window_.low[i] = static_cast<float>(low_[i]) * (1.0F / 255.0F);

    window_.residual.resize(static_cast<std::size_t>(width * s) *
                            static_cast<std::size_t>(height * s));
    if (kernels_ != nullptr)
        missing_by_rows();
    else
        missing_plain();
    return window_;
}

const TrainingWindow& WindowCutter::cut_cells(const TrainingPair& pair, int x, int y, int width,
                                              int height, const Turn& turn) {
    const int m = margin(architecture_);
    copy_turned(pair.low.data(), pair.width + 2 * m, 2 * x, 2 * y, 2 * (width + m),
                2 * (height + m), turn, low_);
    copy_turned(pair.high.data(), pair.width, 2 * x, 2 * y, 2 * width, 2 * height, turn, high_);
    window_.width = turn.transpose ? height : width;
    window_.height = turn.transpose ? width : height;
    const int in_width = window_.width + m;  // cells
    const int in_height = window_.height + m;
    window_.low.resize(static_cast<std::size_t>(in_width) * static_cast<std::size_t>(in_height) *
                       4);
    float* to = window_.low.data();
    for (int row = 0; row < in_height; ++row)
        for (int column = 0; column < in_width; ++column)
            for (int i = 0; i < 4; ++i)
                *to++ = static_cast<float>(low_[static_cast<std::size_t>(
                            (2 * row + i / 2) * 2 * in_width + 2 * column + i % 2)]) *
                        (1.0F / 255.0F);
    window_.residual.resize(static_cast<std::size_t>(width * height) * 4);
    float* missing = window_.residual.data();
    for (int row = 0; row < window_.height; ++row)
        for (int column = 0; column < window_.width; ++column)
            for (int i = 0; i < 4; ++i) {
                const int at_y = 2 * row + i / 2;
                const int at_x = 2 * column + i % 2;
                const int truth = high_[static_cast<std::size_t>(at_y * 2 * window_.width + at_x)];
                const int given =
                    low_[static_cast<std::size_t>((at_y + m) * 2 * in_width + at_x + m)];
                *missing++ = static_cast<float>(truth - given) * (1.0F / 255.0F);
            }
    return window_;
}

// A row of the enlargement into [height][width][scale * scale].
void WindowCutter::store_missing(int row, const float* values) {
    const int s = architecture_.scale;
    float* to = window_.residual.data() +
                static_cast<std::ptrdiff_t>(row / s) * window_.width * s * s + row % s * s;
    for (int x = 0; x < window_.width; ++x)
        for (int phase = 0; phase < s; ++phase) to[x * s * s + phase] = values[x * s + phase];
}

void WindowCutter::missing_by_rows() {
    const int m = margin(architecture_);
    const int s = architecture_.scale;
    const int out_width = window_.width * s;
    const auto row_size = static_cast<std::size_t>(out_width) + slack;
    const auto& taps = bicubic_taps[static_cast<std::size_t>(s)];
    samples_.resize(static_cast<std::size_t>(window_.width + 2 * m) + slack);
    horizontal_.resize(row_size * 5);
    missing_.resize(row_size);

    const auto horizontal = [&](int y) {
        return horizontal_.data() + static_cast<std::size_t>((y + 5) % 5) * row_size;
    };
    for (int y = -2; y < window_.height + 2; ++y) {
        const std::uint8_t* from =
            low_.data() + static_cast<std::ptrdiff_t>(y + m) * (window_.width + 2 * m) + m - 2;
        std::copy_n(from, window_.width + 4, samples_.begin());
        kernels_->horizontal(samples_.data(), window_.width, s, taps[0].data(), horizontal(y));
        const int centre = y - 2;
        if (centre < 0) continue;
        const std::int16_t* rows[5];
        for (int i = 0; i < 5; ++i) rows[i] = horizontal(centre - 2 + i);
        for (int phase = 0; phase < s; ++phase) {
            const int row = centre * s + phase;
            kernels_->missing(rows, taps[static_cast<std::size_t>(phase)].data(),
                              high_.data() + static_cast<std::ptrdiff_t>(row) * out_width,
                              out_width, missing_.data());
            store_missing(row, missing_.data());
        }
    }
}

void WindowCutter::missing_plain() {
    const int m = margin(architecture_);
    const int low_width = window_.width + 2 * m;
    const std::vector<std::int32_t> base =
        bicubic_base({low_.data(), low_width, low_width, window_.height + 2 * m},
                     {m, m, m + window_.width, m + window_.height}, architecture_.scale);
    const int out_width = window_.width * architecture_.scale;
    missing_.resize(static_cast<std::size_t>(out_width));
    for (int row = 0; row < window_.height * architecture_.scale; ++row) {
        const std::size_t first =
            static_cast<std::size_t>(row) * static_cast<std::size_t>(out_width);
        for (std::size_t x = 0; x < missing_.size(); ++x)
            missing_[x] =
                static_cast<float>((high_[first + x] << vertical_shift) - base[first + x]) *
                base_unit;
        store_missing(row, missing_.data());
    }
}

}  // namespace livesr
