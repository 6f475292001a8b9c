// Resampling rows with AVX2. Products are formed by vpmaddwd on pairs of samples: taps come in
// pairs.
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include "core/picture/bicubic_taps.h"
#include "core/picture/resample_kernels.h"

namespace livesr {
namespace {

__m256i load256(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
__m128i load128(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
void store256(void* p, __m256i v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }
void store128(void* p, __m128i v) { _mm_storeu_si128(static_cast<__m128i*>(p), v); }

__m256i pair_of(const std::int16_t* taps) {
    std::int32_t pair;
    std::memcpy(&pair, taps, sizeof(pair));
    return _mm256_set1_epi32(pair);
}

// 32-bit sums to filtered samples, in the order that unpacking lo and hi left them in.
__m256i filtered(__m256i lo, __m256i hi) {
    const __m256i rounding = _mm256_set1_epi32(horizontal_rounding);
    return _mm256_packs_epi32(_mm256_srai_epi32(_mm256_add_epi32(lo, rounding), horizontal_shift),
                              _mm256_srai_epi32(_mm256_add_epi32(hi, rounding), horizontal_shift));
}

// ---- Whole-number enlargement: the taps repeat with every source pixel, so a vector holds one
// phase of many pixels, and the phases are interleaved at the end.

__m256i phase_of(const std::int16_t* from, const std::int16_t* taps, int count, int channels) {
    __m256i lo = _mm256_setzero_si256();
    __m256i hi = lo;
    for (int k = 0; k < count; k += 2) {
        const __m256i a = load256(from + k * channels);
        const __m256i b = load256(from + (k + 1) * channels);
        const __m256i pair = pair_of(taps + k);
        lo = _mm256_add_epi32(lo, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), pair));
        hi = _mm256_add_epi32(hi, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), pair));
    }
    return filtered(lo, hi);
}

template <int channels>
void interleave(const __m256i (&v)[2], std::int16_t* dst) {
    const __m256i lo =
        channels == 1 ? _mm256_unpacklo_epi16(v[0], v[1]) : _mm256_unpacklo_epi32(v[0], v[1]);
    const __m256i hi =
        channels == 1 ? _mm256_unpackhi_epi16(v[0], v[1]) : _mm256_unpackhi_epi32(v[0], v[1]);
    store256(dst, _mm256_permute2x128_si256(lo, hi, 0x20));
    store256(dst + 16, _mm256_permute2x128_si256(lo, hi, 0x31));
}

// Which bytes of phase `phase` go to output vector `vector` of three, in a 128-bit lane.
template <int channels>
constexpr std::array<std::uint8_t, 32> third(int vector, int phase) {
    std::array<std::uint8_t, 32> mask{};
    constexpr int size = 2 * channels;
    for (int i = 0; i < 16; ++i) {
        const int element = (16 * vector + i) / size;
        const int byte = element % 3 == phase ? element / 3 * size + i % size : 0x80;
        mask[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(byte);
        mask[static_cast<std::size_t>(i + 16)] = static_cast<std::uint8_t>(byte);
    }
    return mask;
}

template <int channels>
void interleave(const __m256i (&v)[3], std::int16_t* dst) {
    static constexpr std::array<std::array<std::uint8_t, 32>, 9> masks = {
        third<channels>(0, 0), third<channels>(0, 1), third<channels>(0, 2),
        third<channels>(1, 0), third<channels>(1, 1), third<channels>(1, 2),
        third<channels>(2, 0), third<channels>(2, 1), third<channels>(2, 2)};
    for (std::size_t i = 0; i < 3; ++i) {
        const __m256i a = _mm256_shuffle_epi8(v[0], load256(masks[3 * i].data()));
        const __m256i b = _mm256_shuffle_epi8(v[1], load256(masks[3 * i + 1].data()));
        const __m256i c = _mm256_shuffle_epi8(v[2], load256(masks[3 * i + 2].data()));
        const __m256i all = _mm256_or_si256(_mm256_or_si256(a, b), c);
        store128(dst + 8 * i, _mm256_castsi256_si128(all));
        store128(dst + 24 + 8 * i, _mm256_extracti128_si256(all, 1));
    }
}

template <int channels>
void interleave(const __m256i (&v)[4], std::int16_t* dst) {
    const auto lo = [](__m256i a, __m256i b) {
        return channels == 1 ? _mm256_unpacklo_epi16(a, b) : _mm256_unpacklo_epi32(a, b);
    };
    const auto hi = [](__m256i a, __m256i b) {
        return channels == 1 ? _mm256_unpackhi_epi16(a, b) : _mm256_unpackhi_epi32(a, b);
    };
    const auto lo2 = [](__m256i a, __m256i b) {
        return channels == 1 ? _mm256_unpacklo_epi32(a, b) : _mm256_unpacklo_epi64(a, b);
    };
    const auto hi2 = [](__m256i a, __m256i b) {
        return channels == 1 ? _mm256_unpackhi_epi32(a, b) : _mm256_unpackhi_epi64(a, b);
    };
    const __m256i lo01 = lo(v[0], v[1]), hi01 = hi(v[0], v[1]);
    const __m256i lo23 = lo(v[2], v[3]), hi23 = hi(v[2], v[3]);
    const __m256i q0 = lo2(lo01, lo23), q1 = hi2(lo01, lo23);
    const __m256i q2 = lo2(hi01, hi23), q3 = hi2(hi01, hi23);
    store256(dst, _mm256_permute2x128_si256(q0, q1, 0x20));
    store256(dst + 16, _mm256_permute2x128_si256(q2, q3, 0x20));
    store256(dst + 32, _mm256_permute2x128_si256(q0, q1, 0x31));
    store256(dst + 48, _mm256_permute2x128_si256(q2, q3, 0x31));
}

template <int scale, int channels>
void enlarge(const FilterPlan& plan, const std::int16_t* row, std::int16_t* dst) {
    constexpr int step = 16 / channels;
    for (int x = 0; x < plan.source_length; x += step) {
        __m256i phases[scale];
        for (int p = 0; p < scale; ++p) {
            const auto i = static_cast<std::size_t>(p);
            phases[p] = phase_of(row + (x + plan.start[i]) * channels, plan.taps_of(p), plan.taps,
                                 channels);
        }
        interleave<channels>(phases, dst + static_cast<std::ptrdiff_t>(x) * scale * channels);
    }
}

// ---- Any ratio: a dot product for each output, several added up across at once.

// Outputs i ... i + 7, at most 8 taps.
__m128i dot8_short(const FilterPlan& plan, const std::int16_t* row, int i) {
    const std::int32_t* start = plan.start.data() + i;
    const auto two = [&](int j) {
        const __m256i samples =
            _mm256_set_m128i(load128(row + start[j + 1]), load128(row + start[j]));
        return _mm256_madd_epi16(samples, load256(plan.taps_of(i + j)));
    };
    const __m256i a = _mm256_hadd_epi32(two(0), two(2));
    const __m256i b = _mm256_hadd_epi32(two(4), two(6));
    const __m256i even_odd = _mm256_hadd_epi32(a, b);  // 0 2 4 6 | 1 3 5 7
    const __m128i even = _mm256_castsi256_si128(even_odd);
    const __m128i odd = _mm256_extracti128_si256(even_odd, 1);
    const __m256i sums =
        _mm256_set_m128i(_mm_unpackhi_epi32(even, odd), _mm_unpacklo_epi32(even, odd));
    const __m256i packed = filtered(sums, sums);
    return _mm_unpacklo_epi64(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1));
}

__m128i dot8_long(const FilterPlan& plan, const std::int16_t* row, int i) {
    const auto one = [&](int j) {
        const std::int16_t* from = row + plan.start[static_cast<std::size_t>(i + j)];
        const std::int16_t* taps = plan.taps_of(i + j);
        __m256i sum = _mm256_madd_epi16(load256(from), load256(taps));
        for (int k = 16; k < plan.stride; k += 16) {
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(load256(from + k), load256(taps + k)));
        }
        return sum;
    };
    const auto four = [&](int j) {
        return _mm256_hadd_epi32(_mm256_hadd_epi32(one(j), one(j + 1)),
                                 _mm256_hadd_epi32(one(j + 2), one(j + 3)));
    };
    const __m256i a = four(0);
    const __m256i b = four(4);
    const __m256i sums = _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20),
                                          _mm256_permute2x128_si256(a, b, 0x31));
    const __m256i packed = filtered(sums, sums);
    return _mm_unpacklo_epi64(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1));
}

// Outputs i ... i + 3 of two interleaved channels.
__m128i dot4_two_channels(const FilterPlan& plan, const std::int16_t* row, int i) {
    const __m256i by_channel =
        _mm256_setr_epi8(0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15, 0, 1, 4, 5, 2, 3, 6,
                         7, 8, 9, 12, 13, 10, 11, 14, 15);
    const __m256i twice = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    const auto one = [&](int j) {
        const std::int16_t* from =
            row + static_cast<std::ptrdiff_t>(plan.start[static_cast<std::size_t>(i + j)]) * 2;
        const std::int16_t* taps = plan.taps_of(i + j);
        __m256i sum = _mm256_setzero_si256();
        for (int k = 0; k < plan.stride; k += 8) {
            const __m256i samples = _mm256_shuffle_epi8(load256(from + 2 * k), by_channel);
            const __m256i pairs =
                _mm256_permutevar8x32_epi32(_mm256_castsi128_si256(load128(taps + k)), twice);
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(samples, pairs));
        }
        return sum;  // u v u v | u v u v
    };
    const auto two = [&](int j) {
        const __m256i a = one(j);
        const __m256i b = one(j + 1);
        return _mm256_add_epi32(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
    };
    const __m256i a = two(0);
    const __m256i b = two(2);
    const __m256i sums = _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20),
                                          _mm256_permute2x128_si256(a, b, 0x31));
    const __m256i packed = filtered(sums, sums);
    return _mm_unpacklo_epi64(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1));
}

void any_ratio(const FilterPlan& plan, const std::int16_t* row, int channels, std::int16_t* dst) {
    const int step = 8 / channels;
    int i = 0;
    for (; i + step <= plan.length(); i += step) {
        const __m128i out = channels == 2      ? dot4_two_channels(plan, row, i)
                            : plan.stride == 8 ? dot8_short(plan, row, i)
                                               : dot8_long(plan, row, i);
        store128(dst + static_cast<std::ptrdiff_t>(i) * channels, out);
    }
    resample_horizontal_reference(plan, row, channels, i, dst);
}

}  // namespace

void resample_horizontal_avx2(const FilterPlan& plan, const std::int16_t* row, int channels,
                              std::int16_t* dst) {
    const bool one = channels == 1;
    switch (plan.enlargement) {
        case 2:
            return one ? enlarge<2, 1>(plan, row, dst) : enlarge<2, 2>(plan, row, dst);
        case 3:
            return one ? enlarge<3, 1>(plan, row, dst) : enlarge<3, 2>(plan, row, dst);
        case 4:
            return one ? enlarge<4, 1>(plan, row, dst) : enlarge<4, 2>(plan, row, dst);
        default:
            return any_ratio(plan, row, channels, dst);
    }
}

// ---- Vertical

namespace {

// 16 samples, as 16-bit pixels not yet clamped. fixed: the number of rows, or 0 for `count` of
// them.
template <int fixed>
__m256i column16(const std::int16_t* const* rows, const std::int16_t* taps, int count, int x) {
    const __m256i rounding = _mm256_set1_epi32(vertical_rounding);
    __m256i lo = rounding;
    __m256i hi = rounding;
    const int n = fixed != 0 ? fixed : count;
    for (int k = 0; k < n; k += 2) {
        const __m256i a = load256(rows[k] + x);
        const __m256i b = load256(rows[k + 1] + x);
        const __m256i pair = pair_of(taps + k);
        lo = _mm256_add_epi32(lo, _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), pair));
        hi = _mm256_add_epi32(hi, _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), pair));
    }
    return _mm256_packs_epi32(_mm256_srai_epi32(lo, vertical_shift),
                              _mm256_srai_epi32(hi, vertical_shift));
}

template <int fixed>
void columns(const std::int16_t* const* rows, const std::int16_t* taps, int count, int samples,
             std::uint8_t* dst) {
    for (int x = 0; x < samples; x += 32) {
        const __m256i a = column16<fixed>(rows, taps, count, x);
        const __m256i b = column16<fixed>(rows, taps, count, x + 16);
        const __m256i pixels = _mm256_permute4x64_epi64(_mm256_packus_epi16(a, b), 0xD8);
        if (samples - x >= 32) {
            store256(dst + x, pixels);
        } else {
            std::array<std::uint8_t, 32> last;
            store256(last.data(), pixels);
            std::copy_n(last.data(), samples - x, dst + x);
        }
    }
}

void vertical(const std::int16_t* const* rows, const std::int16_t* taps, int count, int samples,
              std::uint8_t* dst) {
    switch (count) {
        case 2:
            return columns<2>(rows, taps, count, samples, dst);
        case 4:
            return columns<4>(rows, taps, count, samples, dst);
        case 6:
            return columns<6>(rows, taps, count, samples, dst);
        default:
            return columns<0>(rows, taps, count, samples, dst);
    }
}

}  // namespace

const ResampleKernels resample_avx2 = {resample_horizontal_avx2, vertical};

}  // namespace livesr
