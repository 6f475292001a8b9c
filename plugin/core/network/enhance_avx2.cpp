// Row kernels for AVX2.
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
    static constexpr int lanes = 8;
    static constexpr int largest_block = 10;
    static constexpr int last_block(int count) { return count == 2 ? 5 : count == 4 ? 2 : 4; }

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
    static void store_activations(std::int16_t* to, Vector sum, Vector shift) {
        const Vector shifted = _mm256_srav_epi32(sum, shift);
        const __m128i words =
            _mm_packs_epi32(_mm256_castsi256_si128(shifted), _mm256_extracti128_si256(shifted, 1));
        const __m128i limit = _mm_set1_epi16(activation_limit);
        _mm_store_si128(reinterpret_cast<__m128i*>(to),
                        _mm_min_epi16(_mm_max_epi16(words, _mm_setzero_si128()), limit));
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
