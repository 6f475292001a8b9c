#include <immintrin.h>

#include <algorithm>

#include "core/picture/metrics_kernels.h"

namespace livesr {
namespace {

// A 32-bit lane takes two squares of at most 65025 every 32 samples: this many samples cannot
// overflow it.
constexpr int longest_run = 1 << 18;

__m512i squares(const std::uint8_t* a, const std::uint8_t* b) {
    const __m512i p = _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(a)));
    const __m512i q = _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(b)));
    const __m512i d = _mm512_sub_epi16(p, q);
    return _mm512_madd_epi16(d, d);
}

std::uint64_t total(__m512i lanes) {
    const __m512i wide =
        _mm512_add_epi64(_mm512_cvtepu32_epi64(_mm512_castsi512_si256(lanes)),
                         _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64(lanes, 1)));
    return static_cast<std::uint64_t>(_mm512_reduce_add_epi64(wide));
}

}  // namespace

std::uint64_t squared_error_row_avx512(const std::uint8_t* a, const std::uint8_t* b, int width) {
    std::uint64_t sum = 0;
    int x = 0;
    while (width - x >= 64) {
        const int end = x + std::min(width - x, longest_run);
        __m512i even = _mm512_setzero_si512();
        __m512i odd = even;
        for (; end - x >= 64; x += 64) {
            even = _mm512_add_epi32(even, squares(a + x, b + x));
            odd = _mm512_add_epi32(odd, squares(a + x + 32, b + x + 32));
        }
        sum += total(even) + total(odd);
    }
    return sum + squared_error_row_reference(a + x, b + x, width - x);
}

}  // namespace livesr
