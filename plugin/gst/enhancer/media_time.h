// The range of media times. Times are checked where they enter; inside it sums and differences of
// two of them fit into 64 bits with a sign.
#pragma once

#include <cstdint>
#include <optional>

namespace livesr::gst {

// 73 years.
constexpr std::uint64_t longest_time_ns = std::uint64_t{1} << 61;

// Absent where no stream can have come to this time.
constexpr std::optional<std::uint64_t> possible_time(std::uint64_t time_ns) {
    if (time_ns > longest_time_ns) return std::nullopt;
    return time_ns;
}

}  // namespace livesr::gst
