// Levels of coefficients, and coefficients of levels.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>

#include "core/patch/residual_transform.h"

namespace livesr::residual {

using Levels = std::array<std::int16_t, block_size>;  // quantised, row by row

// Levels at and above one minus this share of a step round up: small levels cost more bits than
// they are worth.
constexpr std::int64_t rounding_percent = 38;

// Rounding towards 0 takes strength out of the detail, and a network trained on it learns to show
// less of it than there is. So levels are taken for a little more than they say: 5/32 of a step. It
// costs no bit; training loses 0.03 dB less, although the patch itself is 0.2 dB further off.
inline int coefficient_of(int level, int step) {
    const int outward = step * 5 >> 5;
    return level * step + (level > 0 ? outward : level < 0 ? -outward : 0);
}

// The same where something is known of the coefficient: the mean of all coefficients with this
// level and this expectation, as patches of six clips have it. Of what is expected of a coefficient
// without a level three tenths are there, and no more than a quarter of a step; of how much further
// out than its level a coefficient is expected, a tenth.
inline int coefficient_of(int level, int step, int expected) {
    if (level == 0) {
        const int share = (std::abs(expected) * 5 + 8) >> 4;
        const int bounded = std::min(share, step >> 2);
        return expected < 0 ? -bounded : bounded;
    }
    const int sign = level < 0 ? -1 : 1;
    const int said = std::abs(level) * step;
    const int beyond = std::clamp(sign * expected - said, -step, step);
    return sign * (said + ((step + beyond) * 3 >> 5));
}

// Of coefficients times 2^15.
inline Levels quantise(const Block& coefficients, int step) {
    Levels levels;
    // Coefficients are below 2^11 * 2^15 and the rounding below 2^8 * 2^15: their sum fits. A
    // step's reciprocal, rounded up, divides whole numbers below 2^12 exactly, and eight at once.
    const std::int32_t unit = step << transform_bits;
    const auto rounding = static_cast<std::int32_t>(unit * rounding_percent / 100);
    const std::uint32_t reciprocal =
        ((1U << 20U) + static_cast<unsigned>(step) - 1) / static_cast<unsigned>(step);
    for (std::size_t i = 0; i < block_size; ++i) {
        const auto whole =
            static_cast<std::uint32_t>(std::abs(coefficients[i]) + rounding) >> transform_bits;
        const auto magnitude = static_cast<std::int32_t>(whole * reciprocal >> 20U);
        levels[i] = static_cast<std::int16_t>(coefficients[i] < 0 ? -magnitude : magnitude);
    }
    return levels;
}

}  // namespace livesr::residual
