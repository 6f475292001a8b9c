// Matches patches with frames on a thread of its own, so that no amount of patches holds up a
// picture: the streaming thread only hands over a copy of each frame's luma. In lockstep there is
// no thread, and everything is done by the time add_frame() returns.
#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "gst/enhancer/alignment.h"
#include "gst/enhancer/side_patches.h"

namespace livesr::gst {

class PatchMatcher {
  public:
    // Queues, by bytes: what a slow machine leaves behind of frames and patches, and pairs that
    // wait for take().
    static constexpr std::size_t max_queued_frame_bytes = 32U << 20U;
    static constexpr std::size_t max_queued_patch_bytes = 8U << 20U;
    static constexpr std::size_t max_ready_bytes = 8U << 20U;

    // on_pair: called for each pair, on the matcher's thread (in lockstep: the caller's of
    // add_frame).
    using OnPair = std::function<void(const AlignedPatch& pair)>;
    PatchMatcher(bool lockstep, OnPair on_pair);
    ~PatchMatcher();
    PatchMatcher(const PatchMatcher&) = delete;
    PatchMatcher& operator=(const PatchMatcher&) = delete;

    // Frames are others from now on; absent: of a kind for which nothing is trained. Once it has
    // returned no pair of a frame of before is handed out any more.
    void begin(const std::optional<PatchAligner::Options>& options);
    // keep: whether take() wants the pairs.
    void add_frame(std::uint64_t running_time_ns, std::uint64_t interval_ns,
                   const std::uint8_t* luma, std::ptrdiff_t stride, bool keep);
    void add_patch(ReceivedPatch patch);
    // Pairs that have become certain, oldest first; no more than max_pixels of them, but one.
    std::vector<AlignedPatch> take(std::size_t max_pixels);
    // A flush, or another timeline.
    void clear();

    struct State {
        std::uint64_t aligned = 0;
        std::uint64_t refined = 0;  // paired with another frame than the transport's time names
        std::uint64_t other_rung =
            0;  // were waiting, or paired too late, when frames became others
        std::uint64_t frames_skipped = 0;
        std::uint64_t pairs_not_kept = 0;
        std::array<std::uint64_t, misfit_count> misfits{};
        SidePatches::Counts side;
        std::uint64_t calibrations = 0;
        std::size_t waiting = 0;
        std::size_t misses_in_row = 0;
        // What to add to a time at the sender to get the running time here; absent: not known.
        std::optional<std::int64_t> sender_offset_ns;
    };
    State state() const;

  private:
    struct Frame {
        std::uint64_t running_time_ns = 0;
        std::uint64_t interval_ns = 0;
        bool keep = false;
        std::vector<std::uint8_t> luma;  // dense
    };
    struct Begin {
        std::optional<PatchAligner::Options> options;
        std::uint64_t generation = 0;
    };
    struct Clear {};
    using Job = std::variant<Frame, ReceivedPatch, Begin, Clear>;

    void enqueue(Job job);
    void run();
    void run_queued();
    void perform(Job job);
    void perform_frame(const Frame& frame);
    void begin_frames(const Begin& begin);
    void publish(std::vector<AlignedPatch> pairs, bool keep);
    template <class Kind>
    bool drop_oldest();

    const bool lockstep_;
    const OnPair on_pair_;

    // The thread's (in lockstep: the streaming thread's).
    std::optional<PatchAligner> aligner_;
    std::uint64_t aligned_generation_ = 0;  // of the frames that the aligner holds
    SidePatches side_;

    // Held while pairs are handed out, so that none of a generation that has gone follows begin().
    // Taken before mutex_.
    std::mutex handing_out_mutex_;
    std::uint64_t generation_ = 0;

    mutable std::mutex mutex_;  // guards what follows; not held while patches are matched
    std::condition_variable queued_;
    std::deque<Job> jobs_;
    std::size_t frame_bytes_ = 0;
    std::size_t patch_bytes_ = 0;
    std::vector<std::vector<std::uint8_t>> spare_;  // storage of frames that were matched
    std::size_t width_ = 0, height_ = 0;            // of the frames; 0: nothing is trained
    std::deque<AlignedPatch> ready_;
    std::size_t ready_bytes_ = 0;
    State state_;
    std::array<std::uint64_t, misfit_count> earlier_misfits_{};  // of aligners before this one
    bool leaving_ = false;

    std::thread thread_;  // last: it uses all of the above
};

}  // namespace livesr::gst
