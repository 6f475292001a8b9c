// Resampling rows with AVX-512. The vertical pass has most of the work; the horizontal one runs on
// few rows and gains nothing from wider vectors, so AVX2's serves.
#include <immintrin.h>

#include <cstring>

#include "core/picture/bicubic_taps.h"
#include "core/picture/resample_kernels.h"

namespace livesr {
namespace {

__m512i pair_of(const std::int16_t* taps) {
    std::int32_t pair;
    std::memcpy(&pair, taps, sizeof(pair));
    return _mm512_set1_epi32(pair);
}

// 32 samples, as 16-bit pixels not yet clamped. fixed: the number of rows, or 0 for `count` of
// them.
template <int fixed>
__m512i column32(const std::int16_t* const* rows, const std::int16_t* taps, int count, int x) {
    const __m512i rounding = _mm512_set1_epi32(vertical_rounding);
    __m512i lo = rounding;
    __m512i hi = rounding;
    const int n = fixed != 0 ? fixed : count;
    for (int k = 0; k < n; k += 2) {
        const __m512i a = _mm512_loadu_si512(rows[k] + x);
        const __m512i b = _mm512_loadu_si512(rows[k + 1] + x);
        const __m512i pair = pair_of(taps + k);
        lo = _mm512_add_epi32(lo, _mm512_madd_epi16(_mm512_unpacklo_epi16(a, b), pair));
        hi = _mm512_add_epi32(hi, _mm512_madd_epi16(_mm512_unpackhi_epi16(a, b), pair));
    }
    return _mm512_packs_epi32(_mm512_srai_epi32(lo, vertical_shift),
                              _mm512_srai_epi32(hi, vertical_shift));
}

template <int fixed>
void columns(const std::int16_t* const* rows, const std::int16_t* taps, int count, int samples,
             std::uint8_t* dst) {
    const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    for (int x = 0; x < samples; x += 64) {
        const __m512i a = column32<fixed>(rows, taps, count, x);
        const __m512i b = column32<fixed>(rows, taps, count, x + 32);
        const __m512i pixels = _mm512_permutexvar_epi64(order, _mm512_packus_epi16(a, b));
        const int left = samples - x;
        if (left >= 64) {
            _mm512_storeu_si512(dst + x, pixels);
        } else {
            _mm512_mask_storeu_epi8(dst + x, (__mmask64{1} << left) - 1, pixels);
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

const ResampleKernels resample_avx512 = {resample_horizontal_avx2, vertical};

}  // namespace livesr
