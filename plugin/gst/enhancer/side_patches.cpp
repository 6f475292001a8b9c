// See side_patches.h.
#include "gst/enhancer/side_patches.h"

#include <algorithm>
#include <utility>

namespace livesr::gst {
namespace {

// The video may come so much later than a patch of it: the encoder's, the network's and the
// receiver's queues. How much earlier is bounded by the frames that the aligner keeps.
constexpr std::uint64_t patience_ns = 3'000'000'000;

constexpr std::size_t most_waiting = 64;

// So many in a row that are of other frames than their times say: the constant is not what it was.
constexpr int strangers_until_lost = 8;

// Frames either side of the right one that must not fit better.
constexpr std::uint64_t neighbours = 2;

std::uint64_t distance(std::uint64_t a, std::uint64_t b) { return a > b ? a - b : b - a; }

}  // namespace

void SidePatches::add(ReceivedPatch patch, const PatchAligner& aligner) {
    ++counts_.received;
    if (stream_id_ != patch.stream_id) {
        clear();
        stream_id_ = patch.stream_id;
    }
    // Residuals are placed by their checksum, and without a time at the sender nothing can be
    // found.
    if (patch.high.empty() || !patch.sender_time_ns || !aligner.lies_within(patch)) {
        ++counts_.unplaced;
        return;
    }
    if (waiting_.size() == most_waiting) {
        ++counts_.unplaced;
        waiting_.pop_front();
    }
    Waiting waiting;
    waiting.shrunk = aligner.shrink(patch);
    waiting.patch = std::move(patch);
    waiting_.push_back(std::move(waiting));
}

void SidePatches::clear() {
    counts_.unplaced += waiting_.size();
    waiting_.clear();
    clock_.clear();
    newest_ns_.reset();
    strangers_ = 0;
}

std::vector<ReceivedPatch> SidePatches::take_placed(const PatchAligner& aligner) {
    std::vector<ReceivedPatch> placed;
    const auto newest = aligner.newest_frame_ns();
    if (!newest) return placed;
    // Times of before mean nothing any more.
    if (newest_ns_ && *newest <= *newest_ns_) clear();
    newest_ns_ = newest;
    const std::uint64_t interval_ns = aligner.interval_ns();
    if (interval_ns == 0) return placed;

    for (Waiting& waiting : waiting_) {
        const auto after = waiting.fits.empty()
                               ? std::nullopt
                               : std::optional(waiting.fits.back().running_time_ns);
        if (!after) waiting.arrived_ns = *newest;
        for (const FrameFit& fit : aligner.fits(waiting.patch, waiting.shrunk, after)) {
            waiting.fits.push_back(fit);
        }
        decide(waiting, interval_ns, placed);
    }
    while (!waiting_.empty() && *newest >= waiting_.front().arrived_ns + patience_ns) {
        Waiting waiting = std::move(waiting_.front());
        waiting_.pop_front();
        clock_.add({*waiting.patch.sender_time_ns, waiting.fits}, interval_ns);
        decide(waiting, interval_ns, placed);
        if (!waiting.decided) ++counts_.unplaced;
    }
    return placed;
}

void SidePatches::decide(Waiting& waiting, std::uint64_t interval_ns,
                         std::vector<ReceivedPatch>& placed) {
    if (waiting.decided) return;
    const auto frame = frame_of(waiting, interval_ns);
    if (!frame) return;
    waiting.decided = true;
    if (*frame != nullptr) {
        strangers_ = 0;
        ++counts_.placed;
        placed.push_back(waiting.patch);
        placed.back().hint_ns = (*frame)->running_time_ns;
        return;
    }
    ++counts_.elsewhere;
    if (++strangers_ < strangers_until_lost) return;
    strangers_ = 0;
    clock_.clear();
}

std::optional<const FrameFit*> SidePatches::frame_of(const Waiting& waiting,
                                                     std::uint64_t interval_ns) const {
    const auto offset = clock_.offset_ns();
    if (!offset) return std::nullopt;
    const std::int64_t sum = static_cast<std::int64_t>(*waiting.patch.sender_time_ns) + *offset;
    if (sum < 0) return nullptr;
    const auto wanted = static_cast<std::uint64_t>(sum);
    const auto& fits = waiting.fits;
    const std::uint64_t newest = fits.back().running_time_ns;
    if (newest < wanted + neighbours * interval_ns && wanted < newest + patience_ns) {
        return std::nullopt;
    }
    const auto own = std::find_if(fits.begin(), fits.end(), [&](const FrameFit& frame) {
        return distance(frame.running_time_ns, wanted) < interval_ns / 2;
    });
    if (own == fits.end() || is_other_picture(own->fit)) return nullptr;
    // An encoder that falls behind repeats a frame in another's place.
    const bool contested = std::any_of(fits.begin(), fits.end(), [&](const FrameFit& frame) {
        return distance(frame.running_time_ns, wanted) <=
                   neighbours * interval_ns + interval_ns / 2 &&
               beats(frame.fit, own->fit);
    });
    return contested ? nullptr : &*own;
}

}  // namespace livesr::gst
