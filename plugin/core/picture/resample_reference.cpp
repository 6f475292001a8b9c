// Resampling in plain C++: what the fast paths are tested against.
#include <algorithm>
#include <cstddef>

#include "core/picture/bicubic_taps.h"
#include "core/picture/resample_kernels.h"

namespace livesr {

void resample_horizontal_reference(const FilterPlan& plan, const std::int16_t* row, int channels,
                                   int begin, std::int16_t* dst) {
    for (int i = begin; i < plan.length(); ++i) {
        const std::int16_t* taps = plan.taps_of(i);
        const std::int16_t* from =
            row + static_cast<std::ptrdiff_t>(plan.start[static_cast<std::size_t>(i)]) * channels;
        for (int c = 0; c < channels; ++c) {
            std::int32_t sum = horizontal_rounding;
            for (int k = 0; k < plan.taps; ++k) sum += taps[k] * from[k * channels + c];
            dst[static_cast<std::ptrdiff_t>(i) * channels + c] =
                static_cast<std::int16_t>(sum >> horizontal_shift);
        }
    }
}

namespace {

void horizontal(const FilterPlan& plan, const std::int16_t* row, int channels, std::int16_t* dst) {
    resample_horizontal_reference(plan, row, channels, 0, dst);
}

void vertical(const std::int16_t* const* rows, const std::int16_t* taps, int count, int samples,
              std::uint8_t* dst) {
    for (int x = 0; x < samples; ++x) {
        std::int32_t sum = vertical_rounding;
        for (int k = 0; k < count; ++k) sum += taps[k] * rows[k][x];
        dst[x] = static_cast<std::uint8_t>(std::clamp(sum >> vertical_shift, 0, 255));
    }
}

}  // namespace

const ResampleKernels resample_reference = {horizontal, vertical};

}  // namespace livesr
