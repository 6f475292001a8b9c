#include "core/patch/bit_mixer.h"

#include <cmath>

namespace livesr::residual {

// No entry of either table lies within 1e-5 of a half, so that every library rounds alike.
const std::array<std::int16_t, 1 << stretch_bits> stretch_table = [] {
    std::array<std::int16_t, 1 << stretch_bits> table{};
    for (int i = 0; i < 1 << stretch_bits; ++i) {
        const double odds = (2.0 * i + 1) / (2.0 * ((1 << stretch_bits) - i) - 1);
        const long value = std::lround(256 * std::log(odds));
        table[static_cast<std::size_t>(i)] =
            static_cast<std::int16_t>(std::clamp<long>(value, -largest_stretch, largest_stretch));
    }
    return table;
}();

const std::array<std::uint16_t, 2 * largest_stretch + 1> squash_table = [] {
    std::array<std::uint16_t, 2 * largest_stretch + 1> table{};
    for (int i = 0; i <= 2 * largest_stretch; ++i) {
        const double share = 1 / (1 + std::exp((largest_stretch - i) / 256.0));
        table[static_cast<std::size_t>(i)] = static_cast<std::uint16_t>(std::lround(65536 * share));
    }
    return table;
}();

}  // namespace livesr::residual
