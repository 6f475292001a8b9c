// The kernels of tile_kernels.h for the x86 instruction sets: what float_kernels_x86.h asks of
// `Lanes`, and besides tiles_together (tiles whose sums for two rows fit into registers), positive
// and keep (a bit a lane), subtract_product.
#pragma once

#include "core/network/float_kernels_x86.h"
#include "core/network/tile_kernels.h"

namespace livesr {
namespace {

#define LIVESR_UNROLL _Pragma("GCC unroll 32")

void tile_transform_input(const float* row, int tiles, float* out, std::ptrdiff_t point) {
    const Vector two = Lanes::set1(2);
    const Vector four = Lanes::set1(4);
    const Vector five = Lanes::set1(5);
    for (int t = 0; t < tiles; ++t, row += tile_outputs * Lanes::lanes, out += Lanes::lanes) {
        Vector x[tile_inputs];
        LIVESR_UNROLL for (int i = 0; i < tile_inputs; ++i) x[i] =
            Lanes::load(row + i * Lanes::lanes);
        const Vector a = Lanes::subtract_product(x[4], four, x[2]);
        const Vector b = Lanes::subtract_product(x[3], four, x[1]);
        const Vector c = Lanes::subtract(x[4], x[2]);
        const Vector d = Lanes::multiply(two, Lanes::subtract(x[3], x[1]));
        const Vector points[tile_points] = {
            Lanes::subtract_product(Lanes::add(Lanes::multiply(four, x[0]), x[4]), five, x[2]),
            Lanes::add(a, b),
            Lanes::subtract(a, b),
            Lanes::add(c, d),
            Lanes::subtract(c, d),
            Lanes::subtract_product(Lanes::add(Lanes::multiply(four, x[1]), x[5]), five, x[3])};
        LIVESR_UNROLL for (int i = 0; i < tile_points; ++i)
            Lanes::store(out + i * point, points[i]);
    }
}

void tile_transform_gradient(const float* row, int tiles, float* out, std::ptrdiff_t point) {
    const Vector two = Lanes::set1(2);
    const Vector four = Lanes::set1(4);
    for (int t = 0; t < tiles; ++t, row += tile_outputs * Lanes::lanes, out += Lanes::lanes) {
        Vector g[tile_outputs];
        LIVESR_UNROLL for (int i = 0; i < tile_outputs; ++i) g[i] =
            Lanes::load(row + i * Lanes::lanes);
        const Vector even = Lanes::add(g[0], g[2]);
        const Vector odd = Lanes::add(g[1], g[3]);
        const Vector even2 = Lanes::add(g[0], Lanes::multiply(four, g[2]));
        const Vector odd2 = Lanes::multiply(two, Lanes::add(g[1], Lanes::multiply(four, g[3])));
        const Vector points[tile_points] = {g[0],
                                            Lanes::add(even, odd),
                                            Lanes::subtract(even, odd),
                                            Lanes::add(even2, odd2),
                                            Lanes::subtract(even2, odd2),
                                            g[3]};
        LIVESR_UNROLL for (int i = 0; i < tile_points; ++i)
            Lanes::store(out + i * point, points[i]);
    }
}

void tile_transform_sums(const float* sums, int tiles, const float* bias, float* row) {
    const Vector two = Lanes::set1(2);
    const Vector four = Lanes::set1(4);
    const Vector eight = Lanes::set1(8);
    const Vector start = Lanes::load(bias);
    const std::ptrdiff_t point = static_cast<std::ptrdiff_t>(tiles) * Lanes::lanes;
    for (int t = 0; t < tiles; ++t, sums += Lanes::lanes, row += tile_outputs * Lanes::lanes) {
        Vector m[tile_points];
        LIVESR_UNROLL for (int i = 0; i < tile_points; ++i) m[i] = Lanes::load(sums + i * point);
        const Vector a = Lanes::add(m[1], m[2]);
        const Vector b = Lanes::subtract(m[1], m[2]);
        const Vector c = Lanes::add(m[3], m[4]);
        const Vector d = Lanes::subtract(m[3], m[4]);
        const Vector y[tile_outputs] = {Lanes::add(Lanes::add(m[0], a), c),
                                        Lanes::add(b, Lanes::multiply(two, d)),
                                        Lanes::add(a, Lanes::multiply(four, c)),
                                        Lanes::add(Lanes::add(b, Lanes::multiply(eight, d)), m[5])};
        LIVESR_UNROLL for (int i = 0; i < tile_outputs; ++i)
            Lanes::store(row + i * Lanes::lanes, Lanes::add(y[i], start));
    }
}

// One point, `tiles` tiles of `rows` rows in registers. An input row is loaded once for both.
template <int rows, int tiles>
void tile_sums(const TiledPlanes& in, const float* weights, float* sums, std::ptrdiff_t sums_row) {
    Vector s[rows][tiles];
    LIVESR_UNROLL for (int r = 0; r < rows; ++r) {
        LIVESR_UNROLL for (int t = 0; t < tiles; ++t) s[r][t] = Lanes::zero();
    }
    for (int c = 0; c < in.channels; c += Lanes::lanes) {
        const float* pixel = in.values + c / Lanes::lanes * in.plane;
        const int count = in.channels - c < Lanes::lanes ? in.channels - c : Lanes::lanes;
        for (int i = 0; i < count; ++i, ++pixel, weights += 3 * Lanes::lanes) {
            Vector w[3];
            LIVESR_UNROLL for (int k = 0; k < 3; ++k) w[k] =
                Lanes::load(weights + k * Lanes::lanes);
            const float* const from[4] = {pixel, pixel + in.row, pixel + 2 * in.row,
                                          pixel + (rows + 1) * in.row};
            LIVESR_UNROLL for (int t = 0; t < tiles; ++t) {
                LIVESR_UNROLL for (int y = 0; y < rows + 2; ++y) {
                    const Vector b = Lanes::broadcast(from[y] + t * Lanes::lanes);
                    LIVESR_UNROLL for (int r = 0; r < rows; ++r) if (y - r >= 0 && y - r < 3)
                        Lanes::multiply_add(s[r][t], b, w[y - r]);
                }
            }
        }
    }
    LIVESR_UNROLL for (int r = 0; r < rows; ++r) {
        LIVESR_UNROLL for (int t = 0; t < tiles; ++t)
            Lanes::store(sums + r * sums_row + t * Lanes::lanes, s[r][t]);
    }
}

using TileSums = void (*)(const TiledPlanes&, const float*, float*, std::ptrdiff_t);
struct TileSumsTable {
    TileSums of_size[Lanes::tiles_together];
};
template <int rows, int... index>
constexpr TileSumsTable tile_sums_table(Indices<index...>) {
    return {{tile_sums<rows, index + 1>...}};
}

void tile_convolve(const TiledPlanes& in, int tiles, int rows, const float* weights, float* sums) {
    static constexpr TileSumsTable one =
        tile_sums_table<1>(MakeIndices<Lanes::tiles_together>::Type{});
    static constexpr TileSumsTable two =
        tile_sums_table<2>(MakeIndices<Lanes::tiles_together>::Type{});
    const std::ptrdiff_t point_sums = static_cast<std::ptrdiff_t>(tiles) * Lanes::lanes;
    const std::ptrdiff_t point_weights =
        static_cast<std::ptrdiff_t>(in.channels) * 3 * Lanes::lanes;
    const int blocks = (tiles + Lanes::tiles_together - 1) / Lanes::tiles_together;
    for (int p = 0; p < tile_points; ++p)
        for (int i = 0; i < blocks; ++i) {
            const int begin = tiles * i / blocks;
            const int size = tiles * (i + 1) / blocks - begin;
            TiledPlanes from = in;
            from.values += p * in.point + begin * Lanes::lanes;
            (rows == 2 ? two : one)
                .of_size[size - 1](from, weights + p * point_weights,
                                   sums + p * point_sums + begin * Lanes::lanes,
                                   tile_points * point_sums);
        }
}

// Three rows of the kernel for `count` channels of the gradient, one point: the sums stay in
// registers while the whole picture passes.
template <int count>
void tile_weight_gradient_block(const float* input, std::ptrdiff_t input_row, const float* gradient,
                                std::ptrdiff_t gradient_row, int tiles, int height, float* sums,
                                std::ptrdiff_t kernel_row) {
    Vector s[count][3];
    LIVESR_UNROLL for (int i = 0; i < count; ++i) {
        LIVESR_UNROLL for (int k = 0; k < 3; ++k) s[i][k] =
            Lanes::load(sums + k * kernel_row + i * Lanes::lanes);
    }
    for (int y = 0; y < height; ++y) {
        const float* in = input + y * input_row;
        const float* g = gradient + y * gradient_row;
        for (int t = 0; t < tiles; ++t, in += Lanes::lanes, g += Lanes::lanes) {
            Vector v[3];
            LIVESR_UNROLL for (int k = 0; k < 3; ++k) v[k] = Lanes::load(in + k * input_row);
            LIVESR_UNROLL for (int i = 0; i < count; ++i) {
                const Vector b = Lanes::broadcast(g + i);
                LIVESR_UNROLL for (int k = 0; k < 3; ++k) Lanes::multiply_add(s[i][k], b, v[k]);
            }
        }
    }
    LIVESR_UNROLL for (int i = 0; i < count; ++i) {
        LIVESR_UNROLL for (int k = 0; k < 3; ++k)
            Lanes::store(sums + k * kernel_row + i * Lanes::lanes, s[i][k]);
    }
}

using TileWeightGradient = void (*)(const float*, std::ptrdiff_t, const float*, std::ptrdiff_t, int,
                                    int, float*, std::ptrdiff_t);
struct TileWeightGradientTable {
    TileWeightGradient of_size[Lanes::channels_together];
};
template <int... index>
constexpr TileWeightGradientTable tile_weight_gradient_table(Indices<index...>) {
    return {{tile_weight_gradient_block<index + 1>...}};
}

void tile_weight_gradient(const TiledPlanes& input, const TiledPlanes& gradient, int tiles,
                          int height, float* sums) {
    static constexpr TileWeightGradientTable table =
        tile_weight_gradient_table(MakeIndices<Lanes::channels_together>::Type{});
    const std::ptrdiff_t kernel_row = static_cast<std::ptrdiff_t>(gradient.channels) * Lanes::lanes;
    for (int p = 0; p < tile_points; ++p)
        for (int first = 0; first < gradient.channels; first += Lanes::lanes) {
            const int rest = gradient.channels - first;
            const int in_plane = rest < Lanes::lanes ? rest : Lanes::lanes;
            const int blocks = (in_plane + Lanes::channels_together - 1) / Lanes::channels_together;
            for (int i = 0; i < blocks; ++i) {
                const int begin = in_plane * i / blocks;
                const int size = in_plane * (i + 1) / blocks - begin;
                table.of_size[size - 1](input.values + p * input.point, input.row,
                                        gradient.values + p * gradient.point +
                                            first / Lanes::lanes * gradient.plane + begin,
                                        gradient.row, tiles, height,
                                        sums + 3 * p * kernel_row + (first + begin) * Lanes::lanes,
                                        kernel_row);
            }
        }
}

void tile_relu(float* row, int width, std::uint16_t* positive) {
    for (int x = 0; x < width; ++x, row += Lanes::lanes) {
        const Vector v = Lanes::load(row);
        positive[x] = Lanes::positive(v);
        Lanes::store(row, Lanes::max(v, Lanes::zero()));
    }
}

void tile_mask(float* row, int width, const std::uint16_t* positive) {
    for (int x = 0; x < width; ++x, row += Lanes::lanes)
        Lanes::store(row, Lanes::keep(positive[x], Lanes::load(row)));
}

#undef LIVESR_UNROLL

}  // namespace
}  // namespace livesr
