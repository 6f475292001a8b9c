// Float kernels for AVX-512.
#include <immintrin.h>

#include <cstdint>

namespace livesr {
namespace {

struct Lanes {
    using Vector = __m512;
    static constexpr int lanes = 16;
    static constexpr int largest_block = 24;
    static constexpr int tiles_together = 12;
    static constexpr int channels_together = 9;

    static Vector load(const float* from) { return _mm512_load_ps(from); }
    static void store(float* to, Vector v) { _mm512_store_ps(to, v); }
    static Vector first_lanes(const float* from, int count) {
        return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1U << count) - 1), from);
    }
    static Vector broadcast(const float* from) {
        Vector result;
        asm volatile("vbroadcastss %1, %0" : "=v"(result) : "m"(*from));
        return result;
    }
    static void multiply_add(Vector& sum, Vector a, Vector b) {
        asm volatile("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    }
    static Vector zero() { return _mm512_setzero_ps(); }
    static Vector set1(float value) { return _mm512_set1_ps(value); }
    static Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
    static Vector subtract(Vector a, Vector b) { return _mm512_sub_ps(a, b); }
    static Vector multiply(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
    static Vector divide(Vector a, Vector b) { return _mm512_div_ps(a, b); }
    static Vector sqrt(Vector v) { return _mm512_sqrt_ps(v); }
    static Vector max(Vector a, Vector b) { return _mm512_max_ps(a, b); }
    static Vector subtract_product(Vector c, Vector a, Vector b) {
        return _mm512_fnmadd_ps(a, b, c);
    }
    static std::uint16_t positive(Vector v) { return _mm512_cmp_ps_mask(v, zero(), _CMP_GT_OQ); }
    static Vector keep(std::uint16_t bits, Vector v) { return _mm512_maskz_mov_ps(bits, v); }
    static double sum(Vector v) { return static_cast<double>(_mm512_reduce_add_ps(v)); }
};

}  // namespace
}  // namespace livesr

#include "core/network/tile_kernels_x86.h"

namespace livesr {

constexpr FloatKernels float_kernels_avx512 = {Lanes::lanes, convolve, first_weight_gradient,
                                               bias_gradient, loss};

constexpr TileKernels tile_kernels_avx512 = {Lanes::lanes,
                                             tile_transform_input,
                                             tile_transform_gradient,
                                             tile_convolve,
                                             tile_transform_sums,
                                             tile_weight_gradient,
                                             tile_relu,
                                             tile_mask};

}  // namespace livesr
