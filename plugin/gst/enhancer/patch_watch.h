// Notices that patches are missing: none come, inside the pictures or beside them, those that came
// have stopped, or none finds its frame. Each is reported once, and again after it was over. Pure:
// times are handed in, no clock, no threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace livesr::gst {

class PatchWatch {
  public:
    // So long without a packet while pictures go on.
    static constexpr std::uint64_t patience_ns = 10'000'000'000;
    // So many patches in a row that find no frame.
    static constexpr std::size_t max_misses_in_row = 16;

    struct Seen {
        std::uint64_t running_time_ns = 0;  // of the picture
        std::uint64_t packets = 0;          // that came since the start
        std::size_t misses_in_row = 0;
    };
    struct Warning {
        std::string cause;
        std::string remedy;
    };
    // Once a picture, or less often.
    std::optional<Warning> look(const Seen& seen);
    // What has not come for patience_ns, or was never there.
    bool is_silent() const { return silent_; }
    // Media time begins again.
    void restart() { since_ns_.reset(); }

  private:
    std::optional<Warning> look_for_packets(const Seen& seen);
    std::optional<Warning> look_for_frames(const Seen& seen);

    std::optional<std::uint64_t> since_ns_;  // the latest packet, or the first picture
    std::uint64_t packets_ = 0;
    bool silent_ = false;
    bool lost_ = false;
};

}  // namespace livesr::gst
