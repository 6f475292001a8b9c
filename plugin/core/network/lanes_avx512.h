// What AVX-512 with and without VNNI share of the row kernels.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace livesr {
namespace {

struct Lanes512 {
    using Vector = __m512i;
    static constexpr int per16 = 1;
    static constexpr int vectors_together = 4;
    // Sums of a block: at least ten to hide the latency, at most what 32 registers hold.
    static constexpr int pixels(int vectors) {
        constexpr int table[] = {0, 12, 12, 8, 6};
        return table[vectors];
    }
    static constexpr int last3_pixels = 12;

    static Vector load(const void* from) { return _mm512_load_si512(from); }
    static Vector broadcast(const std::int16_t* from) {
        int pair = 0;
        __builtin_memcpy(&pair, from, 4);
        return _mm512_set1_epi32(pair);
    }
    static void store_activations(std::int16_t* to, const Vector* sums, const Vector* shift) {
        const Vector shifted =
            _mm512_max_epi32(_mm512_srav_epi32(*sums, *shift), _mm512_setzero_si512());
        _mm256_store_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtsepi32_epi16(shifted));
    }
    static void as256(const Vector* sums, __m256i half[2]) {
        half[0] = _mm512_castsi512_si256(*sums);
        half[1] = _mm512_extracti64x4_epi64(*sums, 1);
    }
};

}  // namespace
}  // namespace livesr
