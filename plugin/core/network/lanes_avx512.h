// What AVX-512 with and without VNNI share of the row kernels.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "core/network/fixed_point.h"

namespace livesr {
namespace {

// Two 16-bit values as they lie in memory.
struct [[gnu::packed, gnu::may_alias]] Pair {
    std::int16_t values[2];
};

struct Lanes512 {
    using Vector = __m512i;
    static constexpr int lanes = 16;
    static constexpr int largest_block = 24;
    static constexpr int last_block(int count) { return count == 2 ? 12 : 24; }

    static Vector load(const void* from) { return _mm512_load_si512(from); }
    static Vector broadcast(const std::int16_t* from) {
        Vector result;
        asm volatile("vpbroadcastd %1, %0"
                     : "=v"(result)
                     : "m"(*reinterpret_cast<const Pair*>(from)));
        return result;
    }
    static void store_activations(std::int16_t* to, Vector sum, Vector shift) {
        const Vector shifted = _mm512_srav_epi32(sum, shift);
        const Vector clamped = _mm512_min_epi32(_mm512_max_epi32(shifted, _mm512_setzero_si512()),
                                                _mm512_set1_epi32(activation_limit));
        _mm256_store_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(clamped));
    }
    static void as256(const Vector* sums, __m256i half[2]) {
        half[0] = _mm512_castsi512_si256(*sums);
        half[1] = _mm512_extracti64x4_epi64(*sums, 1);
    }
};

}  // namespace
}  // namespace livesr
