// What srenhancer lets in. Two faults of the field end here, in front of everything that could fail
// by them: pictures larger than max-width x max-height, which are refused before they are decoded
// where the decoder is found, and time that steps back after an outage. Counts, and reports each
// once.
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

namespace livesr::gst {

// The output's time never steps back. A frame that is a little behind the latest one is stale: the
// stream has been resumed from before where it broke off. One that is far behind, or further ahead
// than an outage lasts, begins another timeline, which is shifted to follow the one before: a
// sender that jumps to and fro gets nowhere, least of all beyond the range of times.
class SteadyTime {
  public:
    static constexpr std::uint64_t stale_ns = 5'000'000'000;
    static constexpr std::uint64_t longest_gap_ns = 3'600'000'000'000;
    // Between two timelines, whatever frame rate the caps claim.
    static constexpr std::uint64_t longest_step_ns = 1'000'000'000;

    // The running time that the frame is to have; absent: it is stale, and dropped.
    std::optional<std::uint64_t> next(std::uint64_t running_time_ns, std::uint64_t interval_ns);
    std::uint64_t stale() const { return stale_; }
    std::uint64_t shifts() const { return shifts_; }
    // A flush.
    void restart() {
        latest_ns_.reset();
        shift_ns_ = 0;
    }

  private:
    std::optional<std::uint64_t> latest_ns_;  // of the output
    std::uint64_t shift_ns_ = 0;
    std::uint64_t stale_ = 0;
    std::uint64_t shifts_ = 0;
};

// Watches a pad for pictures that are too large: their caps, and all that follows until others
// come, are dropped.
class SizeGate {
  public:
    // allows: whether a picture of this size may pass. Called on the streaming thread of the pad.
    using Allows = std::function<bool(int width, int height)>;
    using OnRefused = std::function<void(int width, int height)>;
    SizeGate(Allows allows, OnRefused on_refused)
        : allows_(std::move(allows)), on_refused_(std::move(on_refused)) {}
    ~SizeGate() { release(); }
    SizeGate(const SizeGate&) = delete;
    SizeGate& operator=(const SizeGate&) = delete;

    // Guards this pad from now on, and none before it; what it carries at the moment is looked at
    // first.
    void guard(GstPad* pad);
    void release();
    // Frames, or buffers of encoded video, that were dropped.
    std::uint64_t refused() const { return refused_; }

  private:
    static GstPadProbeReturn on_item(GstPad* pad, GstPadProbeInfo* info, gpointer gate);
    void look_at(GstCaps* caps);
    void remove();

    const Allows allows_;
    const OnRefused on_refused_;
    std::mutex mutex_;  // guards pad_ and probe_
    GstPad* pad_ = nullptr;
    gulong probe_ = 0;
    std::atomic<bool> refuses_ = false;
    std::atomic<std::uint64_t> refused_ = 0;
};

}  // namespace livesr::gst
