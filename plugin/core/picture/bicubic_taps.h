// The bicubic enlargement that the plain path, the network's base and training's base all share.
// This is its one definition: taps, order of the passes, and where it rounds.
//
//   1. Horizontal, on 8-bit samples:  h = (sum(sample * tap) + 128) >> 8       16 bits, 6
//   fractional
//   2. Vertical, on those:            v = sum(h * tap)                         32 bits, 20
//   fractional
//   3. Pixel:                         clamp((v + residual + (1 << 19)) >> 20, 0, 255)
//
// Shifts are arithmetic. The residual is the network's, in units of 2^-20 of a grey level, 0 on the
// plain path; nothing is rounded to 8 bits before the end. Samples outside the picture repeat its
// edge. h lies within [-1913, 18233] for 8-bit input, so that 16 bits hold it.
//
// A low-resolution pixel x becomes pixels scale * x + phase. Their taps lie on low-resolution
// pixels x - 2 ... x + 2, the same in both directions; of the five the first or the last is zero.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace livesr {

constexpr int tap_bits = 14;  // taps of any filter sum to 1 << tap_bits exactly
constexpr int row_bits = 6;   // fractional bits of a horizontally filtered sample
constexpr int horizontal_shift = tap_bits - row_bits;
constexpr int vertical_shift = tap_bits + row_bits;
constexpr std::int32_t horizontal_rounding = 1 << (horizontal_shift - 1);
constexpr std::int32_t vertical_rounding = 1 << (vertical_shift - 1);

using BicubicTaps = std::array<std::int16_t, 5>;  // for pixels x - 2, x - 1, x, x + 1, x + 2

// bicubic_taps[scale][phase]. a = -0.5, half-pixel centres. Scales 2 and 4 are exact in 14 bits;
// scale 3 is rounded by largest remainder.
constexpr std::array<std::array<BicubicTaps, 4>, 5> bicubic_taps = {{
    {},
    {{{0, 0, 16384, 0, 0}}},
    {{{-384, 3712, 14208, -1152, 0}, {0, -1152, 14208, 3712, -384}}},
    {{{-607, 5461, 12743, -1213, 0}, {0, 0, 16384, 0, 0}, {0, -1213, 12743, 5461, -607}}},
    {{{-720, 6384, 11920, -1200, 0},
      {-112, 1488, 15792, -784, 0},
      {0, -784, 15792, 1488, -112},
      {0, -1200, 11920, 6384, -720}}},
}};

}  // namespace livesr
