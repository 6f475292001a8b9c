// Row kernels for AVX2: 16 lanes are two vectors, and a block of pixels holds one such pair.
#include <immintrin.h>

#include <cstdint>

#include "core/network/fixed_point.h"

namespace livesr {
namespace {

// Two 16-bit values as they lie in memory.
struct [[gnu::packed, gnu::may_alias]] Pair {
    std::int16_t values[2];
};

struct Lanes {
    using Vector = __m256i;
    static constexpr int per16 = 2;
    static constexpr int vectors_together = 1;
    static constexpr int pixels(int) { return 4; }
    static constexpr int last3_pixels = 2;

    static Vector load(const void* from) {
        return _mm256_load_si256(static_cast<const __m256i*>(from));
    }
    static Vector broadcast(const std::int16_t* from) {
        Vector result;
        asm volatile("vpbroadcastd %1, %0"
                     : "=x"(result)
                     : "m"(*reinterpret_cast<const Pair*>(from)));
        return result;
    }
    static void multiply_add(Vector& sum, Vector a, Vector b) {
        Vector product;
        asm volatile("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0"
                     : "+x"(sum), "=&x"(product)
                     : "x"(a), "x"(b));
    }
    template <int count>
    static void multiply_add_all(Vector* sums, const std::int16_t* a, const Vector* b) {
        const Vector pair = broadcast(a);
        for (int v = 0; v < count; ++v) multiply_add(sums[v], pair, b[v]);
    }
    static void store_activations(std::int16_t* to, const Vector* sums, const Vector* shift) {
        const Vector words = _mm256_packs_epi32(_mm256_srav_epi32(sums[0], shift[0]),
                                                _mm256_srav_epi32(sums[1], shift[1]));
        const Vector ordered = _mm256_permute4x64_epi64(words, 0xD8);
        const Vector limit = _mm256_set1_epi16(activation_limit);
        _mm256_store_si256(
            reinterpret_cast<__m256i*>(to),
            _mm256_min_epi16(_mm256_max_epi16(ordered, _mm256_setzero_si256()), limit));
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

constexpr RowKernels row_kernels_avx2 = {first_row,      hidden_row, last_row,
                                         horizontal_row, finish_row, missing_row};

}  // namespace livesr
