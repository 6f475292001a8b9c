// What went out in the last 2 s, frame by frame, and what the uplink carried: how large the next
// frame may be so that no 2 s get more. No clock: times are handed in (ns, rising; one that goes
// back begins anew). Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

namespace livesr::gst {

class SpanLedger {
  public:
    static constexpr std::uint64_t span_ns = 2'000'000'000;

    void restart();
    // The uplink carries this (bit/s) from now on.
    void carries(std::uint64_t now_ns, double rate_bps);
    void sent(std::uint64_t now_ns, std::size_t bytes);
    // What may go now, of the 2 s that end when the frame of this time has been shown for frame_ns;
    // below 0 when too much went already.
    double room_bits(std::uint64_t now_ns, std::uint64_t frame_ns) const;
    // What patches may take beside the frame of this time, which went already: a usual frame more
    // still fits at the next one's.
    double patch_room_bits(std::uint64_t now_ns, std::uint64_t frame_ns) const;

  private:
    struct Change {
        std::uint64_t since_ns;
        double rate_bps;
    };
    struct Sent {
        std::uint64_t at_ns;
        double bits;
    };

    void forget(std::uint64_t now_ns);

    std::deque<Change> rates_;
    std::deque<Sent> sent_;
};

}  // namespace livesr::gst
