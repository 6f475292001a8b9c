#include <immintrin.h>

#include <algorithm>

#include "core/picture/metrics_kernels.h"

namespace livesr {
namespace {

// A 32-bit lane takes two squares of at most 65025 every 16 samples: this many samples cannot
// overflow it.
constexpr int longest_run = 1 << 17;

__m256i squares(const std::uint8_t* a, const std::uint8_t* b) {
    const __m256i p = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a)));
    const __m256i q = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(b)));
    const __m256i d = _mm256_sub_epi16(p, q);
    return _mm256_madd_epi16(d, d);
}

std::uint64_t total(__m256i lanes) {
    const __m256i zero = _mm256_setzero_si256();
    const __m256i wide =
        _mm256_add_epi64(_mm256_unpacklo_epi32(lanes, zero), _mm256_unpackhi_epi32(lanes, zero));
    alignas(32) std::uint64_t sums[4];
    _mm256_store_si256(reinterpret_cast<__m256i*>(sums), wide);
    return sums[0] + sums[1] + sums[2] + sums[3];
}

}  // namespace

std::uint64_t squared_error_row_avx2(const std::uint8_t* a, const std::uint8_t* b, int width) {
    std::uint64_t sum = 0;
    int x = 0;
    while (width - x >= 32) {
        const int end = x + std::min(width - x, longest_run);
        __m256i even = _mm256_setzero_si256();
        __m256i odd = even;
        for (; end - x >= 32; x += 32) {
            even = _mm256_add_epi32(even, squares(a + x, b + x));
            odd = _mm256_add_epi32(odd, squares(a + x + 16, b + x + 16));
        }
        sum += total(even) + total(odd);
    }
    return sum + squared_error_row_reference(a + x, b + x, width - x);
}

}  // namespace livesr
