// CRC-32 (IEEE 802.3, reflected), as zip and PNG have it.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace livesr {

constexpr std::array<std::uint32_t, 256> make_crc_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t c = i;
        for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ ((c & 1U) != 0 ? 0xEDB88320U : 0U);
        table[i] = c;
    }
    return table;
}

inline constexpr auto crc_table = make_crc_table();

// Of `bytes` after those that gave `before`.
inline std::uint32_t crc32(std::span<const std::uint8_t> bytes, std::uint32_t before = 0) {
    std::uint32_t state = ~before;
    for (const std::uint8_t b : bytes) state = (state >> 8) ^ crc_table[(state ^ b) & 0xFFU];
    return ~state;
}

}  // namespace livesr
