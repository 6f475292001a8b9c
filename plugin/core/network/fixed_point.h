// The arithmetic that every path of inference follows to the bit:
//
//   input        luma 0..255 as it is
//   hidden layer sum = bias + sum over taps and channels of weight * input     (32 bits, exact)
//                output = clamp(sum >> shift, 0, 16383)                        (arithmetic shift)
//   last layer   residual = clamp(sum >> shift, -32768, 32767)                (2^-6 grey levels)
//                pixel = clamp((v + (residual << 14) + (1 << 19)) >> 20, 0, 255)
//                with v the bicubic enlargement of picture/bicubic_taps.h
//
// bias carries the rounding of the shift. Weights are scaled by channel, so that shifting is all
// the rescaling there is, and so that no subset of a channel's terms, whatever the inputs, leaves
// 32 bits: no order of adding can overflow. Fewer bits for the activations would leave more for the
// weights; 14 is where the two rounding errors are about equal.
#pragma once

#include <cstdint>

#include "core/picture/bicubic_taps.h"

namespace livesr {

constexpr std::int32_t activation_limit = 16383;
constexpr int residual_bits = 6;  // a residual of 512 grey levels fills 16 bits
constexpr std::int32_t residual_limit = 32767;
constexpr int residual_shift = vertical_shift - residual_bits;

}  // namespace livesr
