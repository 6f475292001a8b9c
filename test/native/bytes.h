// Bytes for tests: from hex, from files, at random.
#pragma once

#include <cstdint>
#include <fstream>
#include <iterator>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace livesr::test {

using Bytes = std::vector<std::uint8_t>;

inline Bytes from_hex(const std::string& hex) {
    Bytes bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        bytes.push_back(static_cast<std::uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    }
    return bytes;
}

inline Bytes read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file.good()) throw std::runtime_error("cannot read " + path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// What kernels are tested on: extremes find overflow, flat pictures find rounding.
enum class Fill { random, near_zero, near_max, extremes };
constexpr Fill all_fills[] = {Fill::random, Fill::near_zero, Fill::near_max, Fill::extremes};

inline Bytes random_bytes(std::size_t size, std::mt19937& random, Fill fill = Fill::random) {
    Bytes bytes(size);
    for (std::uint8_t& b : bytes) {
        const unsigned r = random();
        switch (fill) {
            case Fill::random:
                b = static_cast<std::uint8_t>(r);
                break;
            case Fill::near_zero:
                b = static_cast<std::uint8_t>(r % 3);
                break;
            case Fill::near_max:
                b = static_cast<std::uint8_t>(255 - r % 3);
                break;
            case Fill::extremes:
                b = (r & 1) != 0 ? 255 : 0;
                break;
        }
    }
    return bytes;
}

}  // namespace livesr::test
