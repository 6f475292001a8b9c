// The float kernels, written once for the x86 instruction sets. A file that includes this has
// defined `Lanes` before, in namespace livesr and an anonymous namespace:
//   using Vector;  constexpr int lanes;  constexpr int largest_block: sums that fit into registers;
//   constexpr int channels_together: broadcasts that a weight gradient multiplies with three
//   vectors; load, store, zero, broadcast, multiply_add, add, subtract, multiply, divide, sqrt,
//   max, set1, first_lanes (a load of the first lanes, zero in the others), sum.
// As in row_kernels_x86.h, broadcast and multiply_add pin the order of instructions.
#pragma once

#include <immintrin.h>

#include "core/network/float_kernels.h"

namespace livesr {
namespace {

#define LIVESR_UNROLL _Pragma("GCC unroll 32")

using Vector = Lanes::Vector;

// `pixels` neighbouring outputs in registers. Each input is loaded once for the three outputs of a
// row that see it. step: distance of two input pixels.
template <int step, int pixels>
[[gnu::always_inline]] inline void convolve_block(const FloatPlanes& in, std::ptrdiff_t x,
                                                  const float* weights, Vector sums[pixels]) {
    for (int k = 0; k < 3; ++k)
        for (int c = 0; c < in.channels; c += Lanes::lanes) {
            const float* pixel = in.values + c / Lanes::lanes * in.plane + k * in.row + x * step;
            const int count = in.channels - c < Lanes::lanes ? in.channels - c : Lanes::lanes;
            for (int i = 0; i < count; ++i, ++pixel, weights += 3 * Lanes::lanes) {
                Vector w[3];
                LIVESR_UNROLL for (int t = 0; t < 3; ++t) w[t] =
                    Lanes::load(weights + t * Lanes::lanes);
                LIVESR_UNROLL for (int q = 0; q < pixels + 2; ++q) {
                    const Vector b = Lanes::broadcast(pixel + q * step);
                    LIVESR_UNROLL for (int t = 0; t < 3; ++t) if (q - t >= 0 && q - t < pixels)
                        Lanes::multiply_add(sums[q - t], b, w[t]);
                }
            }
        }
}

template <int step, int pixels>
void convolve_pixels(const FloatPlanes& in, std::ptrdiff_t x, const float* weights,
                     const float* bias, FloatRow out) {
    Vector sums[pixels];
    LIVESR_UNROLL for (int p = 0; p < pixels; ++p) sums[p] = Lanes::load(bias);
    convolve_block<step, pixels>(in, x, weights, sums);
    float* to = out.values + x * Lanes::lanes;
    if (out.relu) {
        LIVESR_UNROLL for (int p = 0; p < pixels; ++p)
            Lanes::store(to + p * Lanes::lanes, Lanes::max(sums[p], Lanes::zero()));
    } else {
        LIVESR_UNROLL for (int p = 0; p < pixels; ++p) Lanes::store(to + p * Lanes::lanes, sums[p]);
    }
}

using ConvolvePixels = void (*)(const FloatPlanes&, std::ptrdiff_t, const float*, const float*,
                                FloatRow);

template <int... index>
struct Indices {};
template <int count, int... index>
struct MakeIndices : MakeIndices<count - 1, count - 1, index...> {};
template <int... index>
struct MakeIndices<0, index...> {
    using Type = Indices<index...>;
};

struct BlockTable {
    ConvolvePixels of_size[Lanes::largest_block];
};
template <int step, int... index>
constexpr BlockTable block_table(Indices<index...>) {
    return {{convolve_pixels<step, index + 1>...}};
}

template <int step>
void convolve_row(const FloatPlanes& in, int width, const float* weights, const float* bias,
                  FloatRow out) {
    static constexpr BlockTable blocks =
        block_table<step>(typename MakeIndices<Lanes::largest_block>::Type{});
    // Blocks of nearly equal size: a row is seldom a multiple of the largest.
    const int count = (width + Lanes::largest_block - 1) / Lanes::largest_block;
    for (int i = 0; i < count; ++i) {
        const int begin = width * i / count;
        const int end = width * (i + 1) / count;
        blocks.of_size[end - begin - 1](in, begin, weights, bias, out);
    }
}

void convolve(const FloatPlanes& in, int width, const float* weights, const float* bias,
              FloatRow out) {
    if (in.channels == 1)
        convolve_row<1>(in, width, weights, bias, out);
    else
        convolve_row<Lanes::lanes>(in, width, weights, bias, out);
}

void first_weight_gradient(const float* input, std::ptrdiff_t input_row, const float* gradient,
                           std::ptrdiff_t gradient_row, int width, int height, float* sums) {
    Vector s[9];
    LIVESR_UNROLL for (int t = 0; t < 9; ++t) s[t] = Lanes::load(sums + t * Lanes::lanes);
    for (int y = 0; y < height; ++y) {
        const float* in = input + y * input_row;
        const float* g = gradient + y * gradient_row;
        for (int x = 0; x < width; ++x, ++in, g += Lanes::lanes) {
            const Vector v = Lanes::load(g);
            LIVESR_UNROLL for (int t = 0; t < 9; ++t)
                Lanes::multiply_add(s[t], Lanes::broadcast(in + t / 3 * input_row + t % 3), v);
        }
    }
    LIVESR_UNROLL for (int t = 0; t < 9; ++t) Lanes::store(sums + t * Lanes::lanes, s[t]);
}

void bias_gradient(const float* gradient, std::ptrdiff_t gradient_row, int width, int height,
                   float* sums) {
    Vector s = Lanes::load(sums);
    for (int y = 0; y < height; ++y) {
        Vector row = Lanes::zero();
        for (int x = 0; x < width; ++x)
            row = Lanes::add(row, Lanes::load(gradient + y * gradient_row + x * Lanes::lanes));
        s = Lanes::add(s, row);
    }
    Lanes::store(sums, s);
}

double loss(float* values, const float* target, std::ptrdiff_t target_stride, int valid, int width,
            float charbonnier, float share) {
    const Vector c = Lanes::set1(charbonnier);
    const Vector c2 = Lanes::multiply(c, c);
    const Vector factor = Lanes::set1(share);
    Vector sum = Lanes::zero();
    for (int x = 0; x < width; ++x, values += Lanes::lanes, target += target_stride) {
        // Lanes beyond `valid` are zero in both: their root is c, their share of the loss nothing.
        const Vector error =
            Lanes::subtract(Lanes::load(values), Lanes::first_lanes(target, valid));
        const Vector root = Lanes::sqrt(Lanes::add(Lanes::multiply(error, error), c2));
        sum = Lanes::add(sum, Lanes::subtract(root, c));
        Lanes::store(values, Lanes::multiply(Lanes::divide(error, root), factor));
    }
    return Lanes::sum(sum);
}

#undef LIVESR_UNROLL

}  // namespace
}  // namespace livesr
