// Notices an encoder that gives out nothing, or fewer pictures than it was given. No clock: media
// times are handed in (ns). Not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace livesr::gst {

class EncoderWatch {
  public:
    struct Trouble {
        std::string cause;
        std::string remedy;
    };

    // A frame goes into it. What is to be said of it, each thing once.
    std::optional<Trouble> frame_in(std::uint64_t now_ns);
    void frame_out();

  private:
    struct Count {
        std::uint64_t in = 0;
        std::uint64_t out = 0;
    };

    std::optional<Trouble> look(std::uint64_t now_ns);

    Count count_;
    Count window_;  // counts when the window began
    std::uint64_t window_ns_ = 0;
    std::uint64_t out_ns_ = 0;  // when a picture came last, by the frames that went in
    std::uint64_t now_ns_ = 0;
    unsigned poor_windows_ = 0;
    bool told_silent_ = false;
    bool told_poor_ = false;
};

}  // namespace livesr::gst
