// What an enlargement has of fine detail, block by block. The residual resembles it, in sign and in
// strength: so it says much of which bits are to come.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "core/patch/residual_transform.h"

namespace livesr::residual {

// Values of a block's 64 positions with zeros around them, so that neighbours need no look at the
// block's ends: (row, column) lies at (row + 1) * 10 + column + 1, and two rows below still exist.
constexpr std::size_t bordered_row = 10;
constexpr std::size_t bordered(std::size_t row, std::size_t column) {
    return (row + 1) * bordered_row + column + 1;
}
template <typename T>
using Bordered = std::array<T, 11 * bordered_row>;

struct Detail {
    Bordered<std::uint16_t> magnitude{};  // of the coefficients, times 8
    std::array<bool, 64> negative{};      // row by row
    std::uint32_t sum = 0;                // of the magnitudes but the mean's
};

// The blocks of a dense plane, one row of them at a time, so that little memory is in use. What
// lies beyond the plane counts as flat.
class DetailRows {
  public:
    DetailRows(std::span<const std::uint8_t> plane, int width, int height);

    // Valid until the next call.
    std::span<const Detail> row(int row);

  private:
    std::span<const std::uint8_t> plane_;
    int width_;
    int height_;
    std::vector<Detail> details_;
    // Eight lines; beyond the plane's width they stay flat.
    std::vector<std::int16_t> lines_;
    // A line with what it needs at both ends.
    std::vector<std::int16_t> blurred_;
};

}  // namespace livesr::residual
