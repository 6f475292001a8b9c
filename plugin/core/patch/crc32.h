// CRC-32 (IEEE 802.3, reflected), as zip and PNG have it.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace livesr {

// [n][b]: what a byte b does to the state when n bytes follow it.
constexpr auto crc_tables = [] {
    std::array<std::array<std::uint32_t, 256>, 8> tables{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t c = i;
        for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ ((c & 1U) != 0 ? 0xEDB88320U : 0U);
        tables[0][i] = c;
    }
    for (std::size_t n = 1; n < tables.size(); ++n) {
        for (std::size_t i = 0; i < 256; ++i) {
            const std::uint32_t c = tables[n - 1][i];
            tables[n][i] = (c >> 8) ^ tables[0][c & 0xFFU];
        }
    }
    return tables;
}();

// Of `bytes` after those that gave `before`. Eight bytes at a time, whose table entries do not wait
// for each other.
inline std::uint32_t crc32(std::span<const std::uint8_t> bytes, std::uint32_t before = 0) {
    std::uint32_t state = ~before;
    while (bytes.size() >= crc_tables.size()) {
        std::uint32_t next = 0;
        for (std::size_t i = 0; i < crc_tables.size(); ++i) {
            const std::uint32_t mixed_in = i < 4 ? state >> 8 * i : 0;
            next ^= crc_tables[crc_tables.size() - 1 - i][(bytes[i] ^ mixed_in) & 0xFFU];
        }
        state = next;
        bytes = bytes.subspan(crc_tables.size());
    }
    for (const std::uint8_t b : bytes) state = (state >> 8) ^ crc_tables[0][(state ^ b) & 0xFFU];
    return ~state;
}

}  // namespace livesr
