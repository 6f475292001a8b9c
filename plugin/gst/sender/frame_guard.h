// Leaves out frames before an encoder that does not keep to its rate: the next one goes only when
// the uplink has room for what such a frame usually takes. For encoders whose frames nothing else
// limits. No clock: times are handed in (ns). Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace livesr::gst {

class FrameGuard {
  public:
    // After so long without a frame one goes, whatever it takes.
    static constexpr std::uint64_t max_pause_ns = 2'000'000'000;

    // Whether the frame of this time goes. room_bits: what it may take so that no 2 s get more than
    // the uplink carries.
    bool lets_through(std::uint64_t now_ns, double room_bits);
    // What the encoder made of one.
    void frame_came(std::size_t bytes, bool is_key);

    std::uint64_t frames() const { return frames_; }
    std::uint64_t left_out() const { return left_out_; }

  private:
    double usual_bits() const;

    double key_bits_ = 0;  // means
    double other_bits_ = 0;
    unsigned since_key_ = 0;     // frames
    unsigned between_keys_ = 0;  // at most, so far; 0: unknown
    std::optional<std::uint64_t> gone_ns_;
    std::uint64_t frames_ = 0;
    std::uint64_t left_out_ = 0;
};

}  // namespace livesr::gst
