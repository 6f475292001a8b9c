// Which source samples an output sample reads along one axis, and with which weights.
#pragma once

#include <cstdint>
#include <vector>

#include "core/picture/resample.h"

namespace livesr {

// Output i is sum over k < taps of source[start[i] + k] * tap[i * stride + k], where source
// positions outside the axis repeat its ends. The taps of one output sum to 1 << tap_bits.
struct FilterPlan {
    int source_length = 0;
    int taps = 0;    // even: kernels work on pairs; the last may be zero
    int stride = 0;  // 8, or a multiple of 16; zero-filled beyond `taps`
    // Whole-number enlargement: output i has the taps of i % enlargement, and start[i] rises by one
    // every `enlargement` outputs. 0 for any other ratio.
    int enlargement = 0;
    std::vector<std::int32_t> start;
    std::vector<std::int16_t> tap;

    int length() const { return static_cast<int>(start.size()); }
    const std::int16_t* taps_of(int i) const { return tap.data() + std::size_t(i) * stride; }
};

// Throws std::invalid_argument unless both lengths are 1 to 65535.
FilterPlan make_filter_plan(Filter filter, int source_length, int length);

}  // namespace livesr
