// JPEG patches without a time stamp that can be trusted wait here until their content shows which
// frame they are of: those that came over the feedback channel (docs/protocol.md, Feedback), and
// those whose transport loses or repeats times. One that cannot be placed is dropped and counted.
// Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "gst/enhancer/alignment.h"
#include "gst/enhancer/sender_clock.h"

namespace livesr::gst {

class SidePatches {
  public:
    void add(ReceivedPatch patch, const PatchAligner& aligner);
    // After each frame: those whose frame is known now, with its running time.
    std::vector<ReceivedPatch> take_placed(const PatchAligner& aligner);
    // The frames are of another size, or begin anew.
    void clear();

    struct Counts {
        std::uint64_t received = 0;
        std::uint64_t placed = 0;
        std::uint64_t unplaced = 0;   // the sender's clock was not known in time
        std::uint64_t elsewhere = 0;  // the frame of its time shows something else, or never came
    };
    const Counts& counts() const { return counts_; }
    std::uint64_t calibrations() const { return clock_.calibrations(); }
    // What to add to a time at the sender to have the running time; absent until it is certain.
    std::optional<std::int64_t> clock_offset_ns() const { return clock_.offset_ns(); }

  private:
    struct Waiting {
        ReceivedPatch patch;
        std::vector<std::uint8_t> shrunk;
        std::vector<FrameFit> fits;
        std::uint64_t arrived_ns = 0;  // newest frame when it came
        bool decided = false;          // placed or dropped; its fits are still of use to the clock
    };
    // The frame that the patch is of, once that can be told; null: none is.
    std::optional<const FrameFit*> frame_of(const Waiting& waiting,
                                            std::uint64_t interval_ns) const;
    void decide(Waiting& waiting, std::uint64_t interval_ns, std::vector<ReceivedPatch>& placed);

    std::deque<Waiting> waiting_;
    SenderClock clock_;
    std::optional<std::uint32_t> stream_id_;
    std::optional<std::uint64_t> newest_ns_;
    int strangers_ = 0;  // in a row
    Counts counts_;
};

}  // namespace livesr::gst
