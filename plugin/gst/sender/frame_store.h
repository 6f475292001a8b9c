// High-resolution frames on their way through patchpicker: kept from the sink until their decoded
// low-resolution picture comes, and from their offer until the engine has answered. Luma only,
// copied: a reference would hold a buffer of the source's pool. Bounded on both ways; not
// thread-safe.
#pragma once

#include <gst/gst.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "core/picture/scale.h"

namespace livesr::gst {

struct LumaFrame {
    GstClockTime running_time = 0;
    GstClockTime pts = 0;  // in the high-resolution stream's segment
    int width = 0;
    int height = 0;
    Scale scale = 2;                   // that it is sent at
    bool on_trial = false;             // a trial wants to know how the stream shows it
    std::vector<std::uint8_t> pixels;  // dense
    // Once it is there: the decoded picture, as a network is given it; dense.
    std::vector<std::uint8_t> low;
};

class FrameStore {
  public:
    // docs/protocol.md: a frame is offered every 100 ms of media time, and kept until ten newer
    // ones were offered.
    static constexpr GstClockTime offer_interval = 100 * GST_MSECOND;
    static constexpr std::size_t most_offered = 10;
    // What an encoder with look-ahead may hold back: 3.2 s.
    static constexpr std::size_t most_waiting = 32;

    // Whether the frame of this running time is to be offered: the first of each interval.
    bool wants(GstClockTime running_time) const;
    void add(LumaFrame frame);
    // The frame that belongs to a picture of this running time. Older ones are given up: their
    // picture will not come any more.
    std::optional<LumaFrame> take(GstClockTime running_time, GstClockTime tolerance);

    std::uint64_t offer(LumaFrame frame);  // returns the offer's number
    // The frame of an offer, once; nullopt when it is void.
    std::optional<LumaFrame> answered(std::uint64_t offer);

    void void_offers();
    void clear();  // both ways, and offering starts anew

    std::uint64_t unpaired() const { return unpaired_; }      // no picture came
    std::uint64_t unanswered() const { return unanswered_; }  // no answer came

  private:
    struct Offered {
        std::uint64_t number;
        LumaFrame frame;
    };

    std::deque<LumaFrame> waiting_;
    std::deque<Offered> offered_;
    std::optional<GstClockTime> last_interval_;
    std::uint64_t next_offer_ = 0;
    std::uint64_t unpaired_ = 0;
    std::uint64_t unanswered_ = 0;
};

}  // namespace livesr::gst
