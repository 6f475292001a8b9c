#include "core/patch/residual_transform.h"

#include <algorithm>

namespace livesr::residual {
namespace {

// One pass over eight values that lie `stride` apart, by even and odd halves: the even rows of the
// matrix are symmetric, the odd ones antisymmetric.
void forward_pass(const std::int32_t* in, std::size_t in_stride, std::int32_t* out,
                  std::size_t out_stride) {
    std::array<std::int32_t, 4> even;
    std::array<std::int32_t, 4> odd;
    for (std::size_t i = 0; i < 4; ++i) {
        even[i] = in[i * in_stride] + in[(7 - i) * in_stride];
        odd[i] = in[i * in_stride] - in[(7 - i) * in_stride];
    }
    // The even half has halves of its own.
    const std::int32_t outer = even[0] + even[3];
    const std::int32_t inner = even[1] + even[2];
    const std::int32_t outer_odd = even[0] - even[3];
    const std::int32_t inner_odd = even[1] - even[2];
    out[0] = cosines[0][0] * (outer + inner);
    out[4 * out_stride] = cosines[4][0] * (outer - inner);
    out[2 * out_stride] = cosines[2][0] * outer_odd + cosines[2][1] * inner_odd;
    out[6 * out_stride] = cosines[6][0] * outer_odd + cosines[6][1] * inner_odd;
    for (std::size_t k = 1; k < 8; k += 2) {
        std::int32_t sum = 0;
        for (std::size_t i = 0; i < 4; ++i) sum += cosines[k][i] * odd[i];
        out[k * out_stride] = sum;
    }
}

void inverse_pass(const std::int32_t* in, std::size_t in_stride, std::int32_t* out,
                  std::size_t out_stride) {
    for (std::size_t i = 0; i < 4; ++i) {
        std::int32_t even = 0;
        std::int32_t odd = 0;
        for (std::size_t k = 0; k < 8; k += 2) {
            even += cosines[k][i] * in[k * in_stride];
            odd += cosines[k + 1][i] * in[(k + 1) * in_stride];
        }
        out[i * out_stride] = even + odd;
        out[(7 - i) * out_stride] = even - odd;
    }
}

}  // namespace

// The sums stay below 2^30.
Block forward(const Block& samples) {
    Block rows;
    Block result;
    for (std::size_t y = 0; y < 8; ++y) forward_pass(&samples[y * 8], 1, &rows[y * 8], 1);
    for (std::size_t x = 0; x < 8; ++x) forward_pass(&rows[x], 8, &result[x], 8);
    return result;
}

// So do these.
Block inverse(const Block& coefficients) {
    Block columns;
    Block result;
    for (std::size_t x = 0; x < 8; ++x) inverse_pass(&coefficients[x], 8, &columns[x], 8);
    for (std::size_t y = 0; y < 8; ++y) inverse_pass(&columns[y * 8], 1, &result[y * 8], 1);
    std::ranges::transform(result, result.begin(), rounded);
    return result;
}

}  // namespace livesr::residual
