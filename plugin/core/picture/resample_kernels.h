// The two passes of resampling, one row at a time. Rounding is defined in bicubic_taps.h; every
// instruction set gives the same bytes.
#pragma once

#include <cstdint>

#include "core/network/isa.h"
#include "core/picture/filter_plan.h"

namespace livesr {

// Samples that kernels may read beyond the last one they need, and write beyond the last of a row
// of filtered samples.
constexpr int row_slack = 64;

struct ResampleKernels {
    // row: samples widened to 16 bits, row[0] the first sample of pixel 0, with replicated pixels
    // wherever the plan reaches outside. dst: plan.length() * channels filtered samples.
    void (*horizontal)(const FilterPlan& plan, const std::int16_t* row, int channels,
                       std::int16_t* dst);
    // rows: `count` filtered rows (even). Writes exactly `samples` bytes.
    void (*vertical)(const std::int16_t* const* rows, const std::int16_t* taps, int count,
                     int samples, std::uint8_t* dst);
};

// The horizontal pass in plain C++ from output `begin` on: the end of a row that vectors do not
// fill.
void resample_horizontal_reference(const FilterPlan& plan, const std::int16_t* row, int channels,
                                   int begin, std::int16_t* dst);

extern const ResampleKernels resample_reference;
#if defined(__x86_64__)
void resample_horizontal_avx2(const FilterPlan& plan, const std::int16_t* row, int channels,
                              std::int16_t* dst);
extern const ResampleKernels resample_avx2;
extern const ResampleKernels resample_avx512;
#endif

}  // namespace livesr
