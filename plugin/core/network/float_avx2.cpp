// Float kernels for AVX2 with FMA.
#include <immintrin.h>

#include <cstdint>

namespace livesr {
namespace {

struct Lanes {
    using Vector = __m256;
    static constexpr int lanes = 8;
    static constexpr int largest_block = 12;
    static constexpr int tiles_together = 6;
    static constexpr int channels_together = 4;

    static Vector load(const float* from) { return _mm256_load_ps(from); }
    static void store(float* to, Vector v) { _mm256_store_ps(to, v); }
    static Vector first_lanes(const float* from, int count) {
        const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        return _mm256_maskload_ps(from, _mm256_cmpgt_epi32(_mm256_set1_epi32(count), index));
    }
    static Vector broadcast(const float* from) {
        Vector result;
        asm volatile("vbroadcastss %1, %0" : "=x"(result) : "m"(*from));
        return result;
    }
    static void multiply_add(Vector& sum, Vector a, Vector b) {
        asm volatile("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
    }
    static Vector zero() { return _mm256_setzero_ps(); }
    static Vector set1(float value) { return _mm256_set1_ps(value); }
    static Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
    static Vector subtract(Vector a, Vector b) { return _mm256_sub_ps(a, b); }
    static Vector multiply(Vector a, Vector b) { return _mm256_mul_ps(a, b); }
    static Vector divide(Vector a, Vector b) { return _mm256_div_ps(a, b); }
    static Vector sqrt(Vector v) { return _mm256_sqrt_ps(v); }
    static Vector max(Vector a, Vector b) { return _mm256_max_ps(a, b); }
    static Vector subtract_product(Vector c, Vector a, Vector b) {
        return _mm256_fnmadd_ps(a, b, c);
    }
    static std::uint16_t positive(Vector v) {
        return static_cast<std::uint16_t>(_mm256_movemask_ps(_mm256_cmp_ps(v, zero(), _CMP_GT_OQ)));
    }
    static Vector keep(std::uint16_t bits, Vector v) {
        const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
        const __m256i set = _mm256_and_si256(_mm256_set1_epi32(bits), bit);
        return _mm256_and_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(set, bit)), v);
    }
    static double sum(Vector v) {
        __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
        s = _mm_add_ps(s, _mm_movehl_ps(s, s));
        s = _mm_add_ss(s, _mm_movehdup_ps(s));
        return static_cast<double>(_mm_cvtss_f32(s));
    }
};

}  // namespace
}  // namespace livesr

#include "core/network/tile_kernels_x86.h"

namespace livesr {

constexpr FloatKernels float_kernels_avx2 = {Lanes::lanes, convolve, first_weight_gradient,
                                             bias_gradient, loss};

constexpr TileKernels tile_kernels_avx2 = {Lanes::lanes,
                                           tile_transform_input,
                                           tile_transform_gradient,
                                           tile_convolve,
                                           tile_transform_sums,
                                           tile_weight_gradient,
                                           tile_relu,
                                           tile_mask};

}  // namespace livesr
