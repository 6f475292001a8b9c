// The row kernels, written once for the x86 instruction sets. A file that includes this has defined
// `Lanes` before, in namespace livesr and an anonymous namespace:
//   using Vector;  constexpr int lanes: of 32 bits, 8 or 16;
//   constexpr int largest_block: pixels whose sums, one vector each, fit into registers beside
//   three vectors of weights;  last_block(count): the same for `count` vectors a pixel and a set of
//   weights; load, broadcast (32 bits from memory), multiply_add (pairs of 16 bits into 32-bit
//   sums), multiply_add_all (one pair from memory with several vectors), store_activations (shift,
//   clamp to [0, activation_limit], 16 bits each), as256 (16 lanes as two 256-bit halves).
// Everything is in the anonymous namespace: the same names are compiled for several instruction
// sets.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "core/network/fixed_point.h"
#include "core/network/row_kernels.h"

namespace livesr {
namespace {

#define LIVESR_UNROLL _Pragma("GCC unroll 32")

// What the compiler makes of these loops otherwise, it reorders until it must spill; `Lanes` pins
// the order (asm volatile), so it is the order below that runs.

// Native vectors of 16 lanes.
constexpr int per16 = 16 / Lanes::lanes;

// Where vector v of a pair's weights lies, when a layer's 16-lane vectors are vector_size apart.
constexpr std::ptrdiff_t place_of(int v, std::ptrdiff_t vector_size) {
    return v / per16 * vector_size + v % per16 * Lanes::lanes * 2;
}

// Sums of `pixels` neighbouring output pixels times `count` vectors, all in registers. step:
// distance of two input pixels in 16-bit values; pairs: a row of the kernel.
template <int step, int pairs, int pixels, int count>
[[gnu::always_inline]] inline void sum_block(const std::int16_t* const rows[3],
                                             const std::int16_t* weights,
                                             Lanes::Vector sums[pixels][count]) {
    for (int k = 0; k < 3; ++k) {
        const std::int16_t* row = rows[k];
        for (int j = 0; j < pairs; ++j, row += 2, weights += 32) {
            Lanes::Vector w[count];
            LIVESR_UNROLL for (int v = 0; v < count; ++v) w[v] =
                Lanes::load(weights + place_of(v, 3 * pairs * 32));
            LIVESR_UNROLL for (int p = 0; p < pixels; ++p)
                Lanes::multiply_add_all<count>(sums[p], row + p * step, w);
        }
    }
}

// The same when the pairs are those of three neighbouring pixels, `pairs` of each: a pair of inputs
// is loaded once for the three output pixels that see it, which leaves the multipliers, not the
// loads, as the limit.
template <int step, int pairs, int pixels, int count>
[[gnu::always_inline]] inline void sum_block_by_columns(const std::int16_t* const rows[3],
                                                        const std::int16_t* weights,
                                                        Lanes::Vector sums[pixels][count]) {
    constexpr std::ptrdiff_t column_size = pairs * 32;
    for (int k = 0; k < 3; ++k) {
        const std::int16_t* row = rows[k];
        for (int j = 0; j < pairs; ++j, row += 2, weights += 32) {
            Lanes::Vector w[3][count];
            LIVESR_UNROLL for (int c = 0; c < 3; ++c) {
                LIVESR_UNROLL for (int v = 0; v < count; ++v) w[c][v] =
                    Lanes::load(weights + c * column_size + place_of(v, 9 * column_size));
            }
            LIVESR_UNROLL for (int q = 0; q < pixels + 2; ++q) {
                const Lanes::Vector b = Lanes::broadcast(row + q * step);
                LIVESR_UNROLL for (int c = 0; c < 3; ++c) {
                    if (q - c < 0 || q - c >= pixels) continue;
                    LIVESR_UNROLL for (int v = 0; v < count; ++v)
                        Lanes::multiply_add(sums[q - c][v], b, w[c][v]);
                }
            }
        }
        weights += 2 * column_size;
    }
}

// Distance of two pixels in a row of that many channels.
constexpr int step_of(int channels) { return channels == 8 ? 16 : channels; }

// Calls each(x, sums of pixel x) for x in [0, width), rounded up to whole blocks.
template <int in, int pairs, int pixels, int count, class Each>
[[gnu::always_inline]] inline void sum_row(const std::int16_t* const rows[3], int width,
                                           const std::int16_t* weights, const std::int32_t* bias,
                                           Each each) {
    static_assert(pixels <= row_slack);
    constexpr int step = step_of(in);
    const std::int16_t* r[3] = {rows[0], rows[1], rows[2]};
    for (int x = 0; x < width; x += pixels) {
        Lanes::Vector sums[pixels][count];
        LIVESR_UNROLL for (int p = 0; p < pixels; ++p) {
            LIVESR_UNROLL for (int v = 0; v < count; ++v) sums[p][v] =
                Lanes::load(bias + v * Lanes::lanes);
        }
        if constexpr (in > 1 && pairs == hidden_pairs(in))
            sum_block_by_columns<step, in / 2, pixels, count>(r, weights, sums);
        else
            sum_block<step, pairs, pixels, count>(r, weights, sums);
        LIVESR_UNROLL for (int p = 0; p < pixels; ++p) each(x + p, sums[p]);
        for (const std::int16_t*& row : r) row += pixels * step;
    }
}

template <int in, int pairs>
void activation_row(const std::int16_t* const rows[3], int width, const RowLayer& layer,
                    std::int16_t* out) {
    const std::ptrdiff_t out_step = step_of(layer.out);
    for (int first = 0; first < layer.out; first += Lanes::lanes) {
        const Lanes::Vector shift = Lanes::load(layer.shift + first);
        const std::int16_t* weights =
            layer.weights + place_of(first / Lanes::lanes, 3 * pairs * 32);
        std::int16_t* to = out + first;
        sum_row<in, pairs, Lanes::largest_block, 1>(rows, width, weights, layer.bias + first,
                                                    [&](int, const Lanes::Vector* sum) {
                                                        Lanes::store_activations(to, *sum, shift);
                                                        to += out_step;
                                                    });
    }
}

void first_row(const std::int16_t* const rows[3], int width, const RowLayer& layer,
               std::int16_t* out) {
    activation_row<1, first_pairs>(rows, width, layer, out);
}

void hidden_row(const std::int16_t* const rows[3], int width, const RowLayer& layer,
                std::int16_t* out) {
    switch (layer.in) {
        case 8:
            return activation_row<8, hidden_pairs(8)>(rows, width, layer, out);
        case 16:
            return activation_row<16, hidden_pairs(16)>(rows, width, layer, out);
        case 32:
            return activation_row<32, hidden_pairs(32)>(rows, width, layer, out);
        case 48:
            return activation_row<48, hidden_pairs(48)>(rows, width, layer, out);
        default:
            return activation_row<64, hidden_pairs(64)>(rows, width, layer, out);
    }
}

// 4 or 8 bytes; what lies beyond the pixel is overwritten by the next pixel.
inline void store4(std::int16_t* to, __m128i value) {
    const int bits = _mm_cvtsi128_si32(value);
    std::memcpy(to, &bits, 4);
}
inline void store8(std::int16_t* to, __m128i value) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to), value);
}

// Scale 2: lanes are (column, output). A pixel's output is complete when the column to its right
// is.
template <int in>
void last_row2(const std::int16_t* const rows[3], int width, const RowLayer& layer,
               std::int16_t* const residual[4]) {
    constexpr int pixels = Lanes::last_block(per16);
    const __m128i shift = _mm_loadu_si128(reinterpret_cast<const __m128i*>(layer.shift));
    std::int16_t* const top = residual[0] - 4;
    std::int16_t* const bottom = residual[1] - 4;
    __m128i left = _mm_setzero_si128();      // column 0 of the previous pixel
    __m128i left_mid = _mm_setzero_si128();  // columns 0 and 1 of the two before
    sum_row<in, last_pairs(2, in), pixels, per16>(
        rows, width + 2, layer.weights, layer.bias, [&](int x, const Lanes::Vector* sums) {
            __m256i half[2];
            Lanes::as256(sums, half);
            __m128i done = _mm_add_epi32(left_mid, _mm256_castsi256_si128(half[1]));
            left_mid = _mm_add_epi32(left, _mm256_extracti128_si256(half[0], 1));
            left = _mm256_castsi256_si128(half[0]);
            done = _mm_srav_epi32(done, shift);
            done = _mm_packs_epi32(done, done);
            store4(top + 2 * x, done);
            store4(bottom + 2 * x, _mm_srli_si128(done, 4));
        });
}

// Scale 3: the first eight outputs of the three columns fill three halves, the ninth outputs the
// first three lanes of the fourth.
template <int in>
void last_row3(const std::int16_t* const rows[3], int width, const RowLayer& layer,
               std::int16_t* const residual[4]) {
    constexpr int pixels = Lanes::last_block(2 * per16);
    const __m256i shift = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(layer.shift));
    const __m128i shift8 = _mm_set1_epi32(layer.shift[8]);
    std::int16_t* const to[3] = {residual[0] - 6, residual[1] - 6, residual[2] - 6};
    __m256i left = _mm256_setzero_si256();
    __m256i left_mid = _mm256_setzero_si256();
    __m128i left8 = _mm_setzero_si128();
    __m128i left_mid8 = _mm_setzero_si128();
    sum_row<in, last_pairs(3, in), pixels, 2 * per16>(
        rows, width + 2, layer.weights, layer.bias, [&](int x, const Lanes::Vector* sums) {
            __m256i part[4];
            Lanes::as256(sums, part);
            Lanes::as256(sums + per16, part + 2);
            __m256i done = _mm256_add_epi32(left_mid, part[2]);
            left_mid = _mm256_add_epi32(left, part[1]);
            left = part[0];
            // Lanes 0, 1, 2 of the fourth half are the columns: shift them to lane 0 as needed.
            const __m128i columns8 = _mm256_castsi256_si128(part[3]);
            __m128i done8 = _mm_add_epi32(left_mid8, _mm_unpackhi_epi32(columns8, columns8));
            left_mid8 = _mm_add_epi32(left8, _mm_srli_si128(columns8, 4));
            left8 = columns8;

            done = _mm256_srav_epi32(done, shift);
            done8 = _mm_srav_epi32(done8, shift8);
            done8 = _mm_packs_epi32(done8, done8);
            const __m128i eight =
                _mm_packs_epi32(_mm256_castsi256_si128(done), _mm256_extracti128_si256(done, 1));
            store8(to[0] + 3 * x, eight);
            store8(to[1] + 3 * x, _mm_srli_si128(eight, 6));
            store8(to[2] + 3 * x, _mm_unpacklo_epi32(_mm_srli_si128(eight, 12), done8));
        });
}

template <int in>
void last_row4(const std::int16_t* const rows[3], int width, const RowLayer& layer,
               std::int16_t* const residual[4]) {
    constexpr int pixels = Lanes::last_block(3 * per16);  // three columns' weights at once
    __m256i shift[2];
    for (int i = 0; i < 2; ++i)
        shift[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(layer.shift + 8 * i));
    sum_row<in, last_pairs(4, in), pixels, per16>(
        rows, width, layer.weights, layer.bias, [&](int x, const Lanes::Vector* sums) {
            __m256i half[2];
            Lanes::as256(sums, half);
            LIVESR_UNROLL for (int i = 0; i < 2; ++i) {
                const __m256i done = _mm256_srav_epi32(half[i], shift[i]);
                const __m128i eight = _mm_packs_epi32(_mm256_castsi256_si128(done),
                                                      _mm256_extracti128_si256(done, 1));
                store8(residual[2 * i] + 4 * x, eight);
                store8(residual[2 * i + 1] + 4 * x, _mm_unpackhi_epi64(eight, eight));
            }
        });
}

template <int in>
void last_row_of(const std::int16_t* const rows[3], int width, const RowLayer& layer, int scale,
                 std::int16_t* const residual[4]) {
    if (scale == 2) return last_row2<in>(rows, width, layer, residual);
    if (scale == 3) return last_row3<in>(rows, width, layer, residual);
    return last_row4<in>(rows, width, layer, residual);
}

void last_row(const std::int16_t* const rows[3], int width, const RowLayer& layer, int scale,
              std::int16_t* const residual[4]) {
    switch (layer.in) {
        case 8:
            return last_row_of<8>(rows, width, layer, scale, residual);
        case 16:
            return last_row_of<16>(rows, width, layer, scale, residual);
        case 32:
            return last_row_of<32>(rows, width, layer, scale, residual);
        case 48:
            return last_row_of<48>(rows, width, layer, scale, residual);
        default:
            return last_row_of<64>(rows, width, layer, scale, residual);
    }
}

// Two pixels at a time, one in each 128-bit half, a lane a phase.
void horizontal_row(const std::int16_t* samples, int width, int scale, const std::int16_t* taps,
                    std::int16_t* out) {
    alignas(32) std::int16_t pairs[3][16] = {};
    for (int phase = 0; phase < scale; ++phase)
        for (int half = 0; half < 2; ++half)
            for (int i = 0; i < 5; ++i)
                pairs[i / 2][half * 8 + phase * 2 + i % 2] = taps[phase * 5 + i];
    __m256i t[3];
    for (int i = 0; i < 3; ++i)
        t[i] = _mm256_load_si256(reinterpret_cast<const __m256i*>(pairs[i]));
    const __m256i rounding = _mm256_set1_epi32(horizontal_rounding);
    // Samples x ... x + 7 in both halves: pairs (x, x + 1), (x + 2, x + 3), (x + 4, x + 5) of the
    // first pixel, the same one further on for the second.
    __m256i pick[3];
    for (int i = 0; i < 3; ++i) {
        const auto pair = [&](int first) {
            return (2 * first) | (2 * first + 1) << 8 | (2 * first + 2) << 16 |
                   (2 * first + 3) << 24;
        };
        pick[i] = _mm256_setr_m128i(_mm_set1_epi32(pair(2 * i)), _mm_set1_epi32(pair(2 * i + 1)));
    }
    for (int x = 0; x < width; x += 2) {
        const __m256i s = _mm256_broadcastsi128_si256(
            _mm_loadu_si128(reinterpret_cast<const __m128i*>(samples + x)));
        __m256i sum = rounding;
        LIVESR_UNROLL for (int i = 0; i < 3; ++i) sum =
            _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_shuffle_epi8(s, pick[i]), t[i]));
        sum = _mm256_srai_epi32(sum, horizontal_shift);
        sum = _mm256_packs_epi32(sum, sum);
        store8(out + x * scale, _mm256_castsi256_si128(sum));
        store8(out + (x + 1) * scale, _mm256_extracti128_si256(sum, 1));
    }
}

// Vertical sums of 16 pixels, each lane in the place where unpacking puts it: sum[0] has pixels 0-3
// and 8-11, sum[1] the others.
inline void vertical16(const std::int16_t* const rows[5], std::ptrdiff_t x, const __m256i taps[3],
                       __m256i sum[2]) {
    const auto load = [x](const std::int16_t* row) {
        return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + x));
    };
    const __m256i pair[3][2] = {{load(rows[0]), load(rows[1])},
                                {load(rows[2]), load(rows[3])},
                                {load(rows[4]), _mm256_setzero_si256()}};
    sum[0] = _mm256_setzero_si256();
    sum[1] = _mm256_setzero_si256();
    LIVESR_UNROLL for (int i = 0; i < 3; ++i) {
        const __m256i low = _mm256_unpacklo_epi16(pair[i][0], pair[i][1]);
        const __m256i high = _mm256_unpackhi_epi16(pair[i][0], pair[i][1]);
        sum[0] = _mm256_add_epi32(sum[0], _mm256_madd_epi16(low, taps[i]));
        sum[1] = _mm256_add_epi32(sum[1], _mm256_madd_epi16(high, taps[i]));
    }
}

// Five taps as the three pairs that vertical16 multiplies with.
inline void pair_taps(const std::int16_t* taps, __m256i pairs[3]) {
    for (int i = 0; i < 3; ++i) {
        const auto low = static_cast<std::uint16_t>(taps[2 * i]);
        const auto high = static_cast<std::uint16_t>(i < 2 ? taps[2 * i + 1] : 0);
        pairs[i] =
            _mm256_set1_epi32(static_cast<int>(low | static_cast<std::uint32_t>(high) << 16U));
    }
}

inline __m128i finish16(const std::int16_t* const rows[5], const std::int16_t* residual,
                        std::ptrdiff_t x, const __m256i taps[3]) {
    // Residual and rounding are one more pair of the sum: (residual + 32) * 2^14.
    const __m256i r = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(residual + x));
    const __m256i half = _mm256_set1_epi16(vertical_rounding >> residual_shift);
    const __m256i unit = _mm256_set1_epi16(1 << residual_shift);
    __m256i sum[2];
    vertical16(rows, x, taps, sum);
    sum[0] = _mm256_add_epi32(sum[0], _mm256_madd_epi16(_mm256_unpacklo_epi16(r, half), unit));
    sum[1] = _mm256_add_epi32(sum[1], _mm256_madd_epi16(_mm256_unpackhi_epi16(r, half), unit));
    const __m256i words = _mm256_packs_epi32(_mm256_srai_epi32(sum[0], vertical_shift),
                                             _mm256_srai_epi32(sum[1], vertical_shift));
    return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

void finish_row(const std::int16_t* const rows[5], const std::int16_t* taps,
                const std::int16_t* residual, int count, std::uint8_t* dst) {
    __m256i t[3];
    pair_taps(taps, t);
    int x = 0;
    for (; x + 16 <= count; x += 16)
        _mm_storeu_si128(reinterpret_cast<__m128i*>(dst + x), finish16(rows, residual, x, t));
    if (x < count) {
        alignas(16) std::uint8_t rest[16];
        _mm_store_si128(reinterpret_cast<__m128i*>(rest), finish16(rows, residual, x, t));
        std::memcpy(dst + x, rest, static_cast<std::size_t>(count - x));
    }
}

void missing_row(const std::int16_t* const rows[5], const std::int16_t* taps,
                 const std::uint8_t* truth, int count, float* out) {
    __m256i t[3];
    pair_taps(taps, t);
    const __m256 unit = _mm256_set1_ps(base_unit);
    for (int x = 0; x < count; x += 16) {
        __m256i sum[2];
        vertical16(rows, x, t, sum);
        const __m256i base[2] = {_mm256_permute2x128_si256(sum[0], sum[1], 0x20),
                                 _mm256_permute2x128_si256(sum[0], sum[1], 0x31)};
        LIVESR_UNROLL for (int i = 0; i < 2; ++i) {
            const __m256i exact = _mm256_slli_epi32(
                _mm256_cvtepu8_epi32(
                    _mm_loadl_epi64(reinterpret_cast<const __m128i*>(truth + x + 8 * i))),
                vertical_shift);
            _mm256_storeu_ps(
                out + x + 8 * i,
                _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(exact, base[i])), unit));
        }
    }
}

#undef LIVESR_UNROLL

}  // namespace
}  // namespace livesr
