// Where a patch's frame is looked for: what its carrier, the transport and the sender's clock name.
#include <algorithm>
#include <cstdlib>

#include "gst/enhancer/alignment.h"
#include "gst/enhancer/media_time.h"

namespace livesr::gst {
namespace {

std::uint64_t distance(std::uint64_t a, std::uint64_t b) { return a > b ? a - b : b - a; }

}  // namespace

std::optional<std::size_t> PatchAligner::counted_frame(const Carrier& carrier) const {
    const auto own = frame_at(carrier.running_time_ns);
    if (!own) return std::nullopt;
    const auto counted = static_cast<std::int64_t>(*own) - carrier.back;
    if (counted < 0 || counted >= static_cast<std::int64_t>(frames_.size())) return std::nullopt;
    return static_cast<std::size_t>(counted);
}

std::optional<std::uint64_t> PatchAligner::time_by_carrier(const Carrier& carrier) const {
    // Frame durations are what caps claim: a product that no history holds is none.
    const auto away = static_cast<std::uint64_t>(std::abs(static_cast<std::int64_t>(carrier.back)));
    if (away != 0 && interval_ns_ > longest_time_ns / away) return std::nullopt;
    const std::uint64_t away_ns = away * interval_ns_;
    if (carrier.back < 0) return carrier.running_time_ns + away_ns;
    if (away_ns > carrier.running_time_ns) return std::nullopt;
    return carrier.running_time_ns - away_ns;
}

// Both agree unless a relay dropped pictures between the two: then the times are right, and the
// frame itself may be one that was dropped.
std::optional<std::size_t> PatchAligner::named_frame(const ReceivedPatch& patch) const {
    if (!patch.carrier) return frame_at(patch.hint_ns);
    const auto counted = counted_frame(*patch.carrier);
    // Without a frame rate the gaps between frames say nothing of each other.
    if (counted && !interval_is_told_) return counted;
    const auto time_ns = time_by_carrier(*patch.carrier);
    if (counted && time_ns &&
        distance(frames_[*counted].running_time_ns, *time_ns) <= interval_ns_ / 2) {
        return counted;
    }
    return frame_at(time_ns);
}

bool PatchAligner::is_ahead(const ReceivedPatch& patch) const {
    const std::uint64_t newest = frames_.back().running_time_ns;
    // Half a frame is how far times may be apart that mean the same frame.
    const auto is_beyond = [&](std::optional<std::uint64_t> time_ns) {
        return time_ns && *time_ns > newest + interval_ns_ / 2;
    };
    if (!patch.carrier) return is_beyond(patch.hint_ns);
    return is_beyond(patch.carrier->running_time_ns) || is_beyond(time_by_carrier(*patch.carrier));
}

// By what earlier residuals say of the sender's clock.
std::optional<std::uint64_t> PatchAligner::time_by_sender(const ReceivedPatch& patch) const {
    if (!sender_offset_ns_ || !patch.sender_time_ns) return std::nullopt;
    const std::int64_t time = static_cast<std::int64_t>(*patch.sender_time_ns) + *sender_offset_ns_;
    if (time < 0) return std::nullopt;
    return static_cast<std::uint64_t>(time);
}

std::optional<std::size_t> PatchAligner::frame_at(
    std::optional<std::uint64_t> running_time_ns) const {
    if (!running_time_ns) return std::nullopt;
    const std::size_t nearest = nearest_frame(*running_time_ns);
    if (distance(frames_[nearest].running_time_ns, *running_time_ns) > interval_ns_ / 2) {
        return std::nullopt;
    }
    return nearest;
}

// In a still picture many frames have the same pixels: the one that the times name is the right
// one.
std::vector<std::size_t> PatchAligner::candidates(const Waiting& waiting) const {
    std::vector<std::size_t> order;
    if (waiting.unchecked > first_number_) {
        for (std::size_t frame = waiting.unchecked - first_number_; frame < frames_.size();
             ++frame) {
            order.push_back(frame);
        }
        return order;
    }
    std::vector<bool> taken(frames_.size(), false);
    const auto take = [&](std::size_t frame) {
        if (frame >= taken.size() || taken[frame]) return;
        taken[frame] = true;
        order.push_back(frame);
    };
    std::vector<std::optional<std::size_t>> centres;
    if (const auto& carrier = waiting.patch.carrier) {
        centres = {named_frame(waiting.patch), counted_frame(*carrier),
                   frame_at(time_by_carrier(*carrier))};
        // They come first, all of them, before what surrounds them.
        for (const auto centre : centres) {
            if (centre) take(*centre);
        }
    }
    centres.push_back(frame_at(time_by_sender(waiting.patch)));
    centres.push_back(frame_at(waiting.patch.hint_ns));
    for (const auto centre : centres) {
        if (!centre) continue;
        for (std::size_t away = 0; away <= search_frames; ++away) {
            if (away <= *centre) take(*centre - away);
            take(*centre + away);
        }
    }
    for (std::size_t frame = frames_.size(); frame-- > 0;) take(frame);
    return order;
}

std::pair<std::size_t, std::size_t> PatchAligner::neighbourhood(std::size_t centre) const {
    return {centre - std::min(centre, search_frames),
            std::min(centre + search_frames, frames_.size() - 1)};
}

std::size_t PatchAligner::nearest_frame(std::uint64_t running_time_ns) const {
    const auto after = std::lower_bound(
        frames_.begin(), frames_.end(), running_time_ns,
        [](const Frame& frame, std::uint64_t time) { return frame.running_time_ns < time; });
    if (after == frames_.begin()) return 0;
    const auto before = after - 1;
    const bool take_after = after != frames_.end() && after->running_time_ns - running_time_ns <
                                                          running_time_ns - before->running_time_ns;
    return static_cast<std::size_t>((take_after ? after : before) - frames_.begin());
}

}  // namespace livesr::gst
