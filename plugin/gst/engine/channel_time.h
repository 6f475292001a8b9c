// Times on the channel. JSON numbers are exact up to 2^53 only, which nanoseconds exceed after 104
// days, and a time that a stranger chose may be anything: what goes to the engine is the time
// within a period that is exact. Where a period ends media time begins again, as after a flush.
#pragma once

#include <cstdint>

namespace livesr::gst {

// 100 days: whole epochs of training, whole intervals between ticks, below 2^53.
constexpr std::uint64_t channel_period_ns = 100ULL * 24 * 3600 * 1'000'000'000;

constexpr std::uint64_t channel_time(std::uint64_t time_ns) { return time_ns % channel_period_ns; }

}  // namespace livesr::gst
