// Row kernels for AVX2: 16 lanes are two vectors, and a block of pixels holds one such pair.
#include <immintrin.h>

#include <cstdint>

namespace livesr {
namespace {

struct Lanes {
    using Vector = __m256i;
    static constexpr int per16 = 2;
    static constexpr int vectors_together = 1;
    static constexpr int pixels(int) { return 5; }
    static constexpr int last3_pixels = 2;

    static Vector load(const void* from) {
        return _mm256_load_si256(static_cast<const __m256i*>(from));
    }
    static Vector broadcast(const std::int16_t* from) {
        int pair = 0;
        __builtin_memcpy(&pair, from, 4);
        return _mm256_set1_epi32(pair);
    }
    static Vector multiply_add(Vector sum, Vector a, Vector b) {
        return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
    }
    static void store_activations(std::int16_t* to, const Vector* sums, const Vector* shift) {
        const Vector words = _mm256_packs_epi32(_mm256_srav_epi32(sums[0], shift[0]),
                                                _mm256_srav_epi32(sums[1], shift[1]));
        const Vector ordered = _mm256_permute4x64_epi64(words, 0xD8);
        _mm256_store_si256(reinterpret_cast<__m256i*>(to),
                           _mm256_max_epi16(ordered, _mm256_setzero_si256()));
    }
    static void as256(const Vector* sums, __m256i half[2]) {
        half[0] = sums[0];
        half[1] = sums[1];
    }
};

}  // namespace
}  // namespace livesr

#include "core/network/row_kernels_x86.h"

namespace livesr {

constexpr RowKernels row_kernels_avx2 = {first_row, hidden_row, last_row, horizontal_row,
                                         finish_row};

}  // namespace livesr
