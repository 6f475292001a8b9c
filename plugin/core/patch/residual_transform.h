// The 8 x 8 integer cosine transform of the residual codec. Specified in docs/protocol.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace livesr::residual {

constexpr int block_side = 8;
constexpr std::size_t block_size = 64;
// No orthonormal coefficient of samples within +-255 is larger.
constexpr int largest_coefficient = 2048;

// HEVC's matrix: row k is a cosine of frequency k, and a row's squares sum to nearly 2^15, so that
// two passes scale by 2^15.
constexpr int transform_bits = 15;
constexpr std::array<std::array<int, 8>, 8> cosines = {{
    {64, 64, 64, 64, 64, 64, 64, 64},
    {89, 75, 50, 18, -18, -50, -75, -89},
    {83, 36, -36, -83, -83, -36, 36, 83},
    {75, -18, -89, -50, 50, 89, 18, -75},
    {64, -64, -64, 64, 64, -64, -64, 64},
    {50, -89, 18, 75, -75, -18, 89, -50},
    {36, -83, 83, -36, -36, 83, -83, 36},
    {18, -50, 75, -89, 89, -75, 50, -18},
}};

using Block = std::array<std::int32_t, block_size>;  // row by row

// Coefficients, times 2^15, of samples within +-1020.
Block forward(const Block& samples);

// Samples of coefficients within +-2 * largest_coefficient.
Block inverse(const Block& coefficients);

// From 2^-15 to whole numbers.
constexpr std::int32_t rounded(std::int32_t scaled) {
    return (scaled + (1 << (transform_bits - 1))) >> transform_bits;
}

}  // namespace livesr::residual
