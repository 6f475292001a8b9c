#include "core/patch/residual_detail.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>

namespace livesr::residual {
namespace {

// Taps 1, 2, 1 so many pixels apart, in both directions.
constexpr int reach = 2;

// Four times what a row of the plane has beyond its blur, the plane's edge replicated. `blurred`
// has room for the row and `reach` on both sides.
void detail_row(std::span<const std::uint8_t> plane, int width, int height, int y,
                std::vector<std::int16_t>& blurred, std::int16_t* out) {
    const auto row = [&](int at) {
        return plane.data() + std::ptrdiff_t{std::clamp(at, 0, height - 1)} * width;
    };
    const std::uint8_t* above = row(y - reach);
    const std::uint8_t* middle = row(y);
    const std::uint8_t* below = row(y + reach);
    std::int16_t* sums = blurred.data() + reach;
    for (int x = 0; x < width; ++x) {
        sums[x] = static_cast<std::int16_t>(above[x] + 2 * middle[x] + below[x]);
    }
    std::fill_n(blurred.data(), reach, sums[0]);
    std::fill_n(sums + width, reach, sums[width - 1]);
    for (int x = 0; x < width; ++x) {
        const int blur = sums[x - reach] + 2 * sums[x] + sums[x + reach];
        out[x] = static_cast<std::int16_t>(4 * middle[x] - (blur >> 2));
    }
}

void set_detail(const Block& coefficients, Detail& detail) {
    std::uint32_t sum = 0;
    for (std::size_t row = 0; row < 8; ++row) {
        std::array<std::int32_t, 8> sizes;
        for (std::size_t i = 0; i < 8; ++i) sizes[i] = std::abs(coefficients[row * 8 + i]) >> 14;
        for (const std::int32_t size : sizes) sum += static_cast<std::uint32_t>(size);
        std::uint16_t* magnitudes = &detail.magnitude[bordered(row, 0)];
        for (std::size_t i = 0; i < 8; ++i) magnitudes[i] = static_cast<std::uint16_t>(sizes[i]);
    }
    detail.sum = sum - detail.magnitude[bordered(0, 0)];
    for (std::size_t i = 0; i < block_size; ++i) detail.negative[i] = coefficients[i] < 0;
}

}  // namespace

DetailRows::DetailRows(std::span<const std::uint8_t> plane, int width, int height)
    : plane_(plane),
      width_(width),
      height_(height),
      details_(static_cast<std::size_t>((width + block_side - 1) / block_side)),
      lines_(details_.size() * block_size),
      blurred_(static_cast<std::size_t>(width + 2 * reach)) {}

std::span<const Detail> DetailRows::row(int row) {
    const auto stride = static_cast<std::ptrdiff_t>(details_.size()) * block_side;
    const int inside = std::min(block_side, height_ - row * block_side);
    for (int y = 0; y < inside; ++y) {
        detail_row(plane_, width_, height_, row * block_side + y, blurred_,
                   lines_.data() + y * stride);
    }
    std::fill(lines_.begin() + inside * stride, lines_.end(), std::int16_t{0});
    const std::int16_t* column = lines_.data();
    for (Detail& detail : details_) {
        Block samples;
        for (int y = 0; y < block_side; ++y) {
            std::copy_n(column + y * stride, block_side, samples.data() + y * block_side);
        }
        set_detail(forward(samples), detail);
        column += block_side;
    }
    return details_;
}

}  // namespace livesr::residual
