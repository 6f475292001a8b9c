// Which decoded low-resolution frame a received patch belongs to. A residual names the pixels that
// it was made from by a checksum, which alone decides; the picture that carried it and the time
// stamp of the transport only say where to look first, since relays drop pictures, and drop, repeat
// or shift time stamps. A JPEG patch has no checksum: it goes by its carrier or by its time stamp,
// within two frames, and by content. Pure: no GStreamer, no clock, no threads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/network/enhance.h"
#include "core/patch/residual.h"
#include "core/picture/crop.h"
#include "core/picture/scale.h"
#include "gst/enhancer/carrier.h"

namespace livesr::gst {

// A patch as it came: JPEG decoded, a residual still coded, since it needs the frame that it was
// made from. Position and size in high-resolution pixels, multiples of the scale.
struct ReceivedPatch {
    // Running time of the frame by the transport. Absent: the transport does not say, or what it
    // says is of no use.
    std::optional<std::uint64_t> hint_ns;
    // The picture that it came inside of; absent: it came another way, or that has no time.
    std::optional<Carrier> carrier;
    // Media time up to which the patches pad had advanced before this patch came. The patch is
    // looked at from the first frame after it: so a run in lockstep does not depend on which thread
    // was first.
    std::uint64_t known_since_ns = 0;
    std::uint32_t sequence = 0;
    std::uint32_t stream_id = 0;
    // Running time of the frame at the sender; absent where the packet has none that is possible.
    std::optional<std::uint64_t> sender_time_ns;
    Scale scale = 2;  // that the frame was sent at
    int x = 0, y = 0, width = 0, height = 0;
    std::vector<std::uint8_t> high;  // width x height luma; empty: a residual
    std::vector<std::uint8_t> residual;
    int residual_step = 0;

    bool is_residual() const { return !residual.empty(); }
    std::size_t bytes() const { return high.size() + residual.size(); }
};

// A training pair. low: (width/scale + 2*margin) x (height/scale + 2*margin) luma of the decoded
// frame, edge-replicated beyond it.
struct AlignedPatch {
    std::uint32_t sequence = 0;
    std::uint64_t media_time_ns = 0;  // of the frame that it was matched with
    int x = 0, y = 0, width = 0, height = 0;
    std::vector<std::uint8_t> low;
    std::vector<std::uint8_t> high;
    // Frames between the one that carrier or transport name and the match; 0 where they name none.
    int frame_offset = 0;
    double mean_squared_error = 0.0;  // of the shrunk patch against the decoded crop
};

// Why a patch could not be used.
enum class Misfit {
    no_frame,     // no frame of its time is in the history, or ever came
    outside,      // it does not lie within the frame
    misaligned,   // no frame near its running time shows what it shows
    overflow,     // too many patches were waiting
    other_frame,  // a residual of pixels that no frame of the history shows
    undecodable,  // a residual whose bits are not an encoder's
};
constexpr std::size_t misfit_count = 6;
std::string_view name(Misfit misfit);

// How well a patch fits a decoded crop. `misaligned` stands on these two numbers.
struct Fit {
    double mean_squared_error = 0.0;  // of the shrunk patch against the crop
    double variance = 0.0;            // of the shrunk patch
};

// True when the crop cannot be the same picture as the patch.
bool is_other_picture(const Fit& fit);
// True when a patch is rather of the frame that it fits so than of the other: by more than coding
// noise explains.
bool beats(const Fit& fit, const Fit& other);

struct FrameFit {
    std::uint64_t running_time_ns = 0;  // of the frame
    Fit fit;
};

class PatchAligner {
  public:
    struct Options {
        int scale = 2;
        int margin = 4;  // low-resolution pixels around the crop that a pair carries
        int width = 0;   // of the low-resolution frame
        int height = 0;
        std::uint64_t history_ns = 3'000'000'000;
        std::size_t history_bytes = 96U << 20U;
        std::size_t waiting_limit = 128;
        std::size_t waiting_bytes = 8U << 20U;
        // What residuals are read with (decode_residual); null: nothing is expected.
        std::shared_ptr<const PackedNetwork> expectation;
    };

    explicit PatchAligner(const Options& options);

    // A decoded frame, in presentation order. interval_ns: the stream's frame duration, 0 when it
    // is not known (the gap to the frame before is taken). A frame that is older than the one
    // before begins a new history.
    void add_frame(std::uint64_t running_time_ns, std::uint64_t interval_ns,
                   const std::uint8_t* luma, std::ptrdiff_t stride);
    void add_patch(ReceivedPatch patch);
    // Pairs that have become certain: a JPEG patch waits for the two frames that follow its own.
    std::vector<AlignedPatch> take_aligned();

    // What to add to a time at the sender to get the running time here, by the latest residual or
    // carried patch that was paired; absent before the first.
    std::optional<std::int64_t> sender_offset_ns() const { return sender_offset_ns_; }
    // Patches that found no frame since the last one that did.
    std::size_t misses_in_row() const { return misses_in_row_; }

    // Whether a patch of this place and size can be of such a frame.
    bool lies_within(const ReceivedPatch& patch) const;
    // Luma of the patch at the size of the decoded frames.
    std::vector<std::uint8_t> shrink(const ReceivedPatch& patch) const;
    // How the patch fits each frame later than `after_ns`; all, where it is absent. The patch lies
    // within.
    std::vector<FrameFit> fits(const ReceivedPatch& patch, const std::vector<std::uint8_t>& shrunk,
                               std::optional<std::uint64_t> after_ns) const;
    // Absent: there is none.
    std::optional<std::uint64_t> newest_frame_ns() const;
    std::uint64_t interval_ns() const { return interval_ns_; }  // of the stream; 0: not known yet

    // Forgets frames and waiting patches (flush, discontinuity); counts stay.
    void clear();

    std::uint64_t misfits(Misfit misfit) const;
    std::size_t waiting() const { return waiting_.size(); }
    const Options& options() const { return options_; }

  private:
    // Frames that the content may move the match of a JPEG patch, either way, and where a residual
    // looks first: encoders and demultiplexers shift time stamps by a frame more often than by
    // more.
    static constexpr std::size_t search_frames = 2;

    struct Frame {
        std::uint64_t running_time_ns = 0;
        std::vector<std::uint8_t> luma;  // dense
    };
    struct Waiting {
        ReceivedPatch patch;
        std::optional<std::uint64_t> arrived_ns;  // newest frame when it came
        std::uint64_t unchecked = 0;              // number of the first frame not compared with it
        bool had_frame = false;                   // one of the time that it names was there
    };
    enum class Verdict { wait, done };

    Verdict place(Waiting& waiting, std::vector<AlignedPatch>& aligned);
    Verdict place_jpeg(Waiting& waiting, bool patient, std::vector<AlignedPatch>& aligned);
    Verdict place_residual(Waiting& waiting, bool patient, std::vector<AlignedPatch>& aligned);
    Verdict pair_residual(ReceivedPatch& patch, std::size_t frame, const LowCrop& low,
                          std::vector<AlignedPatch>& aligned);
    Verdict give_up(Misfit misfit);
    void learn_clock(const ReceivedPatch& patch, std::size_t frame);
    std::size_t nearest_frame(std::uint64_t running_time_ns) const;
    // The frame of this time, within half a frame.
    std::optional<std::size_t> frame_at(std::optional<std::uint64_t> running_time_ns) const;
    // Of the frame that the carrier names: by counting frames from it back, and by its time.
    std::optional<std::size_t> counted_frame(const Carrier& carrier) const;
    std::optional<std::uint64_t> time_by_carrier(const Carrier& carrier) const;
    // The frame that the carrier or the transport name.
    std::optional<std::size_t> named_frame(const ReceivedPatch& patch) const;
    // Whether a frame that they name, or the carrier itself, may be one of those to come.
    bool is_ahead(const ReceivedPatch& patch) const;
    std::optional<std::uint64_t> time_by_sender(const ReceivedPatch& patch) const;
    // The frames that a patch at `centre` may show: [first, last].
    std::pair<std::size_t, std::size_t> neighbourhood(std::size_t centre) const;
    // Frames to compare a residual with, the likely ones first.
    std::vector<std::size_t> candidates(const Waiting& waiting) const;
    std::vector<std::uint8_t> expected(const ReceivedPatch& patch, const Frame& frame);
    std::vector<std::uint8_t> crop_under(const ReceivedPatch& patch, std::size_t frame,
                                         int margin) const;
    PlaneView plane(const Frame& frame) const;
    AlignedPatch pair_of(ReceivedPatch& patch, std::size_t best) const;
    void make_room(std::size_t bytes);
    Fit fit(const Frame& frame, const ReceivedPatch& patch,
            const std::vector<std::uint8_t>& shrunk) const;
    void count(Misfit misfit) { ++misfits_[static_cast<std::size_t>(misfit)]; }

    Options options_;
    EnhanceScratch scratch_;
    std::uint64_t interval_ns_ = 0;
    bool interval_is_told_ = false;  // by the caps
    std::deque<Frame> frames_;
    std::uint64_t first_number_ = 1;  // of the oldest frame, counted since the start
    std::deque<Waiting> waiting_;
    std::size_t waiting_bytes_ = 0;
    std::optional<std::int64_t> sender_offset_ns_;
    std::size_t misses_in_row_ = 0;
    std::array<std::uint64_t, misfit_count> misfits_{};
};

}  // namespace livesr::gst
