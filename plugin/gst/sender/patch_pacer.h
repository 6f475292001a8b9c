// When a patch may go so that it does not hold up the video: two queues at the uplink's rate are
// kept in mind, one of video alone and one of video and patches; the difference between them when
// the next frame comes is what patches delay it by. No clock: times are handed in (ns, rising). Not
// thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>

namespace livesr::gst {

class PatchPacer {
  public:
    // A patch never delays the frame behind it by more than this at the uplink's present rate.
    static constexpr std::uint64_t most_delay_ns = 20'000'000;
    // A patch that could not go for so long is dropped for a fresher one.
    static constexpr std::uint64_t longest_wait_ns = 2'000'000'000;

    // What video and patches may take (bit/s). 0: not known, nothing is held back.
    void set_rate(std::uint32_t rate_bps) { rate_bps_ = rate_bps; }
    // Time begins anew, anywhere.
    void restart();
    // A frame has come out of the encoder.
    void video_sent(std::uint64_t now_ns, std::size_t bytes);
    void patch_sent(std::uint64_t now_ns, std::size_t bytes);
    // A buffer of more bytes than this has to wait for the video to leave a gap.
    std::size_t easy_bytes() const;
    bool may_send(std::uint64_t now_ns, std::size_t bytes) const;

  private:
    double drained(double bits, std::uint64_t ns) const;
    void advance(std::uint64_t now_ns);

    std::uint32_t rate_bps_ = 0;
    double video_bits_ = 0;  // waiting, were there no patches
    double all_bits_ = 0;    // waiting
    std::uint64_t time_ns_ = 0;
    std::uint64_t last_frame_ns_ = 0;
    std::uint64_t frame_interval_ns_ = 40'000'000;
};

}  // namespace livesr::gst
