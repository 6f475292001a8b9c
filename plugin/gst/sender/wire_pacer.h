// When a packet may go to the network so that a burst (a key frame, what a busy machine had held
// up) does not fill the queue of a link: one after another, as fast as the link is thought to be.
// What waits here is not lost, and does not use up SRT's latency, which counts from when SRT gets
// it. No clock: times are handed in (ns, rising). Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>

namespace livesr::gst {

class WirePacer {
  public:
    // No time of its own.
    static constexpr std::uint64_t no_time = UINT64_MAX;

    // How fast packets are to follow one another (bit/s). 0: nothing is held back.
    void set_rate(std::uint32_t rate_bps) { rate_bps_ = rate_bps; }
    // A packet of so many bytes, of the media time `media_ns` (or no_time), is there: how long it
    // has to wait. It is taken to go then.
    std::uint64_t wait_ns(std::uint64_t now_ns, std::uint64_t media_ns, std::size_t bytes);

  private:
    double late_ns(double now, double media);

    std::uint32_t rate_bps_ = 0;
    double free_ns_ = 0;  // the packets before it have gone
    // How far the media time is behind the clock at best, and when that was last looked at.
    double offset_ns_ = 0;
    double seen_ns_ = -1;
};

}  // namespace livesr::gst
