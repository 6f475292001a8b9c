// Sum of squared differences of one row, for one instruction set each.
#pragma once

#include <cstdint>

namespace livesr {

std::uint64_t squared_error_row_reference(const std::uint8_t* a, const std::uint8_t* b, int width);
std::uint64_t squared_error_row_avx2(const std::uint8_t* a, const std::uint8_t* b, int width);
std::uint64_t squared_error_row_avx512(const std::uint8_t* a, const std::uint8_t* b, int width);

}  // namespace livesr
