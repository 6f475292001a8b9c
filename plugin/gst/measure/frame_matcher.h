// Which frames of several streams show the same moment: those of equal running time. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace livesr::gst {

// Luma of one frame, dense.
struct MeteredFrame {
    std::int64_t moment = 0;  // what is compared: running time and offset in ns, or a count
    std::int64_t running_time_ns = 0;  // what is reported
    int width = 0;
    int height = 0;
    std::vector<std::uint8_t> luma;
};

class FrameMatcher {
  public:
    enum Stream { test, reference, lowres };

    explicit FrameMatcher(bool with_lowres) { streams_[lowres].ended = !with_lowres; }

    // Frames further apart than this do not match.
    void set_tolerance(std::int64_t tolerance) { tolerance_ = tolerance; }

    // Frames of a stream come in rising time.
    void push(Stream stream, MeteredFrame frame) {
        streams_[stream].frames.push_back(std::move(frame));
    }
    void end(Stream stream) { streams_[stream].ended = true; }
    // A flush: what waits is void, more may come.
    void restart(Stream stream) { streams_[stream] = {}; }

    struct Match {
        std::uint64_t number = 0;  // of the test frame, from 0, unmatched ones counted
        MeteredFrame test;
        MeteredFrame reference;
        std::optional<MeteredFrame> lowres;
    };
    // The next match; nullopt when nothing more can be decided yet. Test frames without a reference
    // are passed over and counted.
    std::optional<Match> next();

    std::size_t waiting(Stream stream) const { return streams_[stream].frames.size(); }
    bool ended(Stream stream) const { return streams_[stream].ended; }
    std::uint64_t test_frames() const { return decided_; }
    std::uint64_t unmatched() const { return unmatched_; }

  private:
    struct Queue {
        std::deque<MeteredFrame> frames;
        bool ended = false;
    };
    enum class Search { found, absent, unknown };

    Search look_for(std::int64_t moment, Queue& queue) const;

    Queue streams_[3];
    std::int64_t tolerance_ = 0;
    std::uint64_t decided_ = 0;
    std::uint64_t unmatched_ = 0;
};

}  // namespace livesr::gst
