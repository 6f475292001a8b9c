// What srenhancer is told by its packets: patches, and the size that the picture is to have.
#include <algorithm>
#include <chrono>

#include "gst/enhancer/enhancer.h"
#include "gst/enhancer/media_time.h"

namespace livesr::gst {
namespace {

using Clock = std::chrono::steady_clock;

// Patches that wait for the next frame, in number and in bytes.
constexpr std::size_t max_inbox_patches = 128;
constexpr std::size_t max_inbox_bytes = 8U << 20U;

// Patches of a rung to come wait for it no longer than this, and so do those whose carrier is of
// another timeline than the pictures are.
constexpr std::uint64_t furthest_ahead_ns = 3'000'000'000;

// What lies between the decoder's input and us: a carrier that is further ahead is of another
// timeline.
constexpr std::int64_t furthest_read_ahead_ns = 10'000'000'000;

// A sender tells the size with its first frame and each second after.
constexpr auto size_patience = std::chrono::milliseconds(1500);

// How often a wait in lockstep looks whether the patches pad was unlinked, which wakes nobody.
constexpr auto link_poll = std::chrono::milliseconds(20);

}  // namespace

// The size of the decoded picture against the true one: no packet need come in time.
Scale Enhancer::scale_of(int width, int height) const {
    const std::lock_guard lock(patches_mutex_);
    return size_.scale_of(width, height);
}

void Enhancer::await_size(int width, int height, const std::function<bool()>& linked) {
    if (settings_.scale != 0) return;
    std::unique_lock lock(patches_mutex_);
    const auto there = [&] {
        return size_.announced() || size_.fits_pending(width, height) || flushing_ ||
               interrupted_ || patches_ended_ || (settings_.lockstep && patches_time_);
    };
    const auto deadline = Clock::now() + size_patience;
    while (!there() && (settings_.lockstep || Clock::now() < deadline)) {
        lock.unlock();
        const bool is_linked = linked();
        lock.lock();
        if (settings_.lockstep && !is_linked) break;
        patches_moved_.wait_for(lock, link_poll, there);
    }
}

void Enhancer::set_picture(int width, int height) {
    const std::lock_guard lock(patches_mutex_);
    size_.set_picture(width, height);
}

void Enhancer::await_patches(std::uint64_t running_time_ns, const std::function<bool()>& linked) {
    if (!settings_.lockstep) return;
    std::unique_lock lock(patches_mutex_);
    const auto there = [&] {
        return flushing_ || interrupted_ || patches_ended_ || patches_inside_ ||
               (patches_time_ && *patches_time_ >= running_time_ns);
    };
    while (!there()) {
        lock.unlock();
        const bool is_linked = linked();
        lock.lock();
        if (!is_linked) return;
        patches_moved_.wait_for(lock, link_poll, there);
    }
}

bool Enhancer::adopt_size(std::uint64_t running_time_ns) {
    std::optional<AnnouncedSize> refused;
    bool changed = false;
    {
        const std::lock_guard lock(patches_mutex_);
        changed = size_.adopt(running_time_ns, interval_ns_);
        refused = size_.last_refused();
    }
    if (refused && !warned_size_.exchange(true)) {
        listener_.on_warning(
            "The sender announces a picture of " + std::to_string(refused->width) + "x" +
                std::to_string(refused->height) +
                ", which the decoded picture does not fit, or which is larger than max-width x "
                "max-height (" +
                std::to_string(settings_.limits.width) + "x" +
                std::to_string(settings_.limits.height) + "): the output keeps its size.",
            "If the sender means it, raise max-width and max-height, and check that no relay "
            "changes the size of the video.");
    }
    return changed;
}

std::optional<std::pair<int, int>> Enhancer::output_size(int width, int height) const {
    const std::lock_guard lock(patches_mutex_);
    return size_.output_for(width, height);
}

// Those of this rung whose carrier has come, so that it does not matter how far ahead the decoder's
// input is. Others are of frames that have gone, or of frames to come.
std::vector<ReceivedPatch> Enhancer::take_patches(std::uint64_t running_time_ns) {
    std::vector<ReceivedPatch> taken;
    // Carriers have the times of the stream.
    const std::uint64_t arrived_ns = running_time_ns - time_shift_ns_;
    const std::lock_guard lock(patches_mutex_);
    std::erase_if(inbox_, [&](Waiting& waiting) {
        auto& carrier = waiting.patch.carrier;
        const auto ahead =
            carrier ? static_cast<std::int64_t>(carrier->running_time_ns - arrived_ns) : 0;
        if (ahead > 0 && ahead <= furthest_read_ahead_ns) return false;
        if (!waiting.since_ns) waiting.since_ns = running_time_ns;
        const bool is_ours = waiting.patch.scale == scale_;
        const bool is_here = ahead <= 0 && ahead >= -static_cast<std::int64_t>(furthest_ahead_ns);
        const bool may_wait = running_time_ns >= *waiting.since_ns &&
                              running_time_ns - *waiting.since_ns <= furthest_ahead_ns;
        if (!(is_ours && is_here) && may_wait) return false;
        inbox_bytes_ -= waiting.patch.bytes();
        if (is_ours) {
            if (carrier) carrier->running_time_ns += time_shift_ns_;
            if (carrier && !(is_here && possible_time(carrier->running_time_ns))) carrier.reset();
            taken.push_back(std::move(waiting.patch));
        } else {
            ++other_rung_;
        }
        return true;
    });
    return taken;
}

void Enhancer::feed_patches(std::span<const std::uint8_t> bytes,
                            std::optional<std::uint64_t> running_time_ns) {
    PatchInput::Arrivals arrivals = read_packets(bytes, {.hint_ns = running_time_ns});
    {
        const std::lock_guard lock(patches_mutex_);
        take_in(std::move(arrivals));
        if (running_time_ns) {
            patches_time_ = std::max(patches_time_.value_or(0), *running_time_ns);
        }
    }
    patches_moved_.notify_all();
}

void Enhancer::feed_beside(std::span<const std::uint8_t> bytes) {
    // Whichever frame is next has the size.
    PatchInput::Arrivals arrivals = read_packets(bytes, {});
    {
        const std::lock_guard lock(patches_mutex_);
        take_in(std::move(arrivals));
    }
    patches_moved_.notify_all();
}

void Enhancer::feed_carried(const CarriedPacket& packet) {
    PatchInput::Arrivals arrivals = read_packets(packet.bytes, {.carrier = packet.carrier});
    {
        const std::lock_guard lock(patches_mutex_);
        patches_inside_ = true;
        take_in(std::move(arrivals));
    }
    patches_moved_.notify_all();
}

void Enhancer::read_picture(GstBuffer* picture, std::optional<std::uint64_t> running_time_ns) {
    for (const CarriedPacket& packet : decoder_input_.read_decoded(picture, running_time_ns)) {
        feed_carried(packet);
    }
}

PatchInput::Arrivals Enhancer::read_packets(std::span<const std::uint8_t> bytes,
                                            PatchInput::Moment moment) {
    moment.interval_ns = interval_ns_;
    const std::chrono::nanoseconds now = Clock::now().time_since_epoch();
    // In lockstep media time alone decides what happens.
    moment.now_ns = static_cast<std::uint64_t>(now.count());
    if (settings_.lockstep) {
        moment.now_ns =
            moment.carrier ? moment.carrier->running_time_ns : moment.hint_ns.value_or(0);
    }
    PatchInput::Arrivals arrivals;
    Scale foreign_scale;
    {
        const std::lock_guard lock(input_mutex_);
        arrivals = patch_input_.read(bytes, moment);
        foreign_scale = patch_input_.foreign_scale();
    }
    if (foreign_scale != 0 && !warned_scale_.exchange(true)) {
        listener_.on_warning(
            "The patches are for a scale of " + name(foreign_scale) +
                ", but this element's scale is " + name(settings_.scale) + ".",
            "Set scale=" + name(foreign_scale) +
                " here or the sender's scale to match; until then the patches are of no use.");
    }
    return arrivals;
}

// With patches_mutex_ held.
void Enhancer::take_in(PatchInput::Arrivals arrivals) {
    if (arrivals.size) size_.announce(*arrivals.size);
    if (!session_) return;
    for (ReceivedPatch& patch : arrivals.patches) {
        // A carrier says itself from when on its patch is looked at.
        if (settings_.lockstep && !patch.carrier) patch.known_since_ns = patches_time_.value_or(0);
        inbox_bytes_ += patch.bytes();
        inbox_.push_back({std::move(patch), std::nullopt});
        while (inbox_.size() > max_inbox_patches || inbox_bytes_ > max_inbox_bytes) {
            inbox_bytes_ -= inbox_.front().patch.bytes();
            inbox_.pop_front();
            ++inbox_overflow_;
        }
    }
}

void Enhancer::watch_patches(std::uint64_t running_time_ns) {
    PatchWatch::Seen seen;
    seen.running_time_ns = running_time_ns;
    {
        const std::lock_guard lock(input_mutex_);
        seen.packets = patch_input_.counts().received;
    }
    seen.misses_in_row = matcher_->state().misses_in_row;
    const auto warning = patch_watch_.look(seen);
    const bool was_silent = patches_silent_.exchange(patch_watch_.is_silent());
    if (warning) listener_.on_warning(warning->cause, warning->remedy);
    if (was_silent != patches_silent_) listener_.on_change();
}

void Enhancer::patches_reached(std::uint64_t running_time_ns) {
    {
        const std::lock_guard lock(patches_mutex_);
        patches_time_ = std::max(patches_time_.value_or(0), running_time_ns);
    }
    patches_moved_.notify_all();
}

void Enhancer::patches_ended() {
    {
        const std::lock_guard lock(patches_mutex_);
        patches_ended_ = true;
    }
    patches_moved_.notify_all();
}

void Enhancer::patches_restarted() {
    {
        const std::lock_guard lock(input_mutex_);
        patch_input_.restart();
    }
    const std::lock_guard lock(patches_mutex_);
    patches_ended_ = false;
    patches_time_.reset();
    // What came inside pictures is of the video's stream, which goes on.
    std::erase_if(inbox_, [this](const Waiting& waiting) {
        if (waiting.patch.carrier) return false;
        inbox_bytes_ -= waiting.patch.bytes();
        return true;
    });
}

void Enhancer::set_flushing(bool flushing) {
    {
        const std::lock_guard lock(patches_mutex_);
        flushing_ = flushing;
    }
    patches_moved_.notify_all();
}

}  // namespace livesr::gst
