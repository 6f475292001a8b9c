// The constant between a sender's clock and the stream's running time here, found by content:
// patches without a time stamp of the transport say only when their frame was at the sender, and
// the decoded frames show which offset makes them fit. All times are within longest_time_ns
// (media_time.h), so that no difference of them overflows. Pure: no GStreamer, no clock, no
// threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "gst/enhancer/alignment.h"

namespace livesr::gst {

// One patch and all decoded frames that it may be of.
struct Sighting {
    std::uint64_t sender_time_ns = 0;
    std::vector<FrameFit> fits;
};

class SenderClock {
  public:
    // interval_ns: the stream's frame duration.
    void add(Sighting sighting, std::uint64_t interval_ns);
    // What to add to a time at the sender to have the running time; absent until it is certain.
    std::optional<std::int64_t> offset_ns() const { return offset_ns_; }
    // How often it was found, or found to be another.
    std::uint64_t calibrations() const { return calibrations_; }
    // The sender or the stream began anew.
    void clear();

  private:
    std::optional<std::int64_t> decide(std::uint64_t interval_ns) const;

    std::deque<Sighting> sightings_;
    std::optional<std::int64_t> offset_ns_;
    std::uint64_t calibrations_ = 0;
};

}  // namespace livesr::gst
