// What srenhancer is told by its packets: patches, and the size that the picture is to have.
#include <algorithm>
#include <chrono>

#include "gst/enhancer/enhancer.h"

namespace livesr::gst {
namespace {

using Clock = std::chrono::steady_clock;

// Patches that wait for the next frame; as many as the aligner holds.
constexpr std::size_t inbox_limit = 64;

// Patches of a rung to come wait for it no longer than this.
constexpr std::uint64_t furthest_ahead_ns = 3'000'000'000;

// A sender that changes its size faster than frames are shown is none of ours.
constexpr std::size_t most_pending_sizes = 16;

// A sender tells the size with its first frame and each second after.
constexpr auto size_patience = std::chrono::milliseconds(1500);

// How often a wait in lockstep looks whether the patches pad was unlinked, which wakes nobody.
constexpr auto link_poll = std::chrono::milliseconds(20);

// The scale by which a decoded picture becomes one of the true size; none where senders have none
// such.
Scale scale_between(int width, int height, const AnnouncedSize& size) {
    for (const Scale& scale : scales) {
        if (lowres_side(size.width, scale) == width && lowres_side(size.height, scale) == height) {
            return scale;
        }
    }
    return {};
}

}  // namespace

// The size of the decoded picture against the true one: no packet need come in time.
Scale Enhancer::scale_of(int width, int height) const {
    if (settings_.scale != 0) return settings_.scale;
    const std::lock_guard lock(patches_mutex_);
    return size_ ? scale_between(width, height, *size_) : Scale(assumed_scale);
}

void Enhancer::await_size(int width, int height, const std::function<bool()>& linked) {
    if (settings_.scale != 0) return;
    std::unique_lock lock(patches_mutex_);
    const auto there = [&] {
        return size_ || !pending_sizes_.empty() || flushing_ || interrupted_ || patches_ended_ ||
               (settings_.lockstep && patches_time_);
    };
    const auto deadline = Clock::now() + size_patience;
    while (!there() && (settings_.lockstep || Clock::now() < deadline)) {
        lock.unlock();
        const bool is_linked = linked();
        lock.lock();
        if (settings_.lockstep && !is_linked) break;
        patches_moved_.wait_for(lock, link_poll, there);
    }
    if (size_ && scale_between(width, height, *size_) != 0) return;
    // A size that was told ahead of its frame, and this is that frame.
    const auto fits = std::find_if(
        pending_sizes_.begin(), pending_sizes_.end(), [&](const AnnouncedSize& announced) {
            return !size_ || scale_between(width, height, announced) != 0;
        });
    if (fits == pending_sizes_.end()) return;
    size_ = *fits;
    pending_sizes_.erase(pending_sizes_.begin(), fits + 1);
}

void Enhancer::await_patches(std::uint64_t running_time_ns, const std::function<bool()>& linked) {
    if (!settings_.lockstep) return;
    std::unique_lock lock(patches_mutex_);
    const auto there = [&] {
        return flushing_ || interrupted_ || patches_ended_ ||
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
    const std::lock_guard lock(patches_mutex_);
    const auto before = size_;
    while (!pending_sizes_.empty() &&
           running_time_ns + interval_ns_ / 2 >= pending_sizes_.front().running_time_ns) {
        size_ = pending_sizes_.front();
        pending_sizes_.pop_front();
    }
    return size_ && (!before || !size_->same_size(*before));
}

std::optional<std::pair<int, int>> Enhancer::output_size(int width, int height) const {
    const std::lock_guard lock(patches_mutex_);
    if (settings_.scale == 0 && size_) return std::pair{size_->width, size_->height};
    if (!size_ || lowres_side(size_->width, settings_.scale) != width ||
        lowres_side(size_->height, settings_.scale) != height) {
        return std::nullopt;
    }
    return std::pair{size_->width, size_->height};
}

// Those of this rung. Others are of frames that have gone, or of frames to come.
std::vector<ReceivedPatch> Enhancer::take_patches(std::uint64_t running_time_ns) {
    std::vector<ReceivedPatch> all;
    std::vector<ReceivedPatch> taken;
    std::uint64_t dropped = 0;
    {
        const std::lock_guard lock(patches_mutex_);
        all.swap(inbox_);
        for (ReceivedPatch& patch : all) {
            if (patch.scale == scale_) {
                taken.push_back(std::move(patch));
            } else if (patch.running_time_ns > running_time_ns + interval_ns_ / 2 &&
                       patch.running_time_ns - running_time_ns <= furthest_ahead_ns) {
                inbox_.push_back(std::move(patch));
            } else {
                ++dropped;
            }
        }
    }
    const std::lock_guard lock(aligner_mutex_);
    other_rung_ += dropped;
    return taken;
}

void Enhancer::feed_patches(std::span<const std::uint8_t> bytes,
                            std::optional<std::uint64_t> running_time_ns) {
    PatchInput::Arrivals arrivals = read_packets(bytes, running_time_ns.value_or(0));
    {
        const std::lock_guard lock(patches_mutex_);
        if (running_time_ns && arrivals.sender_time_ns) {
            sender_offset_ns_ = static_cast<std::int64_t>(*running_time_ns) -
                                static_cast<std::int64_t>(*arrivals.sender_time_ns);
        }
        take_in(std::move(arrivals), false);
        if (running_time_ns) {
            patches_time_ = std::max(patches_time_.value_or(0), *running_time_ns);
        }
    }
    patches_moved_.notify_all();
}

void Enhancer::feed_beside(std::span<const std::uint8_t> bytes) {
    // Whichever frame is next has the size.
    PatchInput::Arrivals arrivals = read_packets(bytes, 0);
    {
        const std::lock_guard lock(patches_mutex_);
        take_in(std::move(arrivals), true);
    }
    patches_moved_.notify_all();
}

PatchInput::Arrivals Enhancer::read_packets(std::span<const std::uint8_t> bytes,
                                            std::uint64_t running_time_ns) {
    PatchInput::Arrivals arrivals;
    Scale foreign_scale;
    {
        const std::lock_guard lock(input_mutex_);
        arrivals = patch_input_.read(bytes, running_time_ns);
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
void Enhancer::take_in(PatchInput::Arrivals arrivals, bool beside_stream) {
    if (arrivals.size) {
        // Every packet tells the size: one that says nothing new must not put off what is due.
        const AnnouncedSize* latest =
            !pending_sizes_.empty() ? &pending_sizes_.back() : (size_ ? &*size_ : nullptr);
        if (latest == nullptr || !latest->same_size(*arrivals.size)) {
            if (pending_sizes_.size() == most_pending_sizes) pending_sizes_.pop_front();
            pending_sizes_.push_back(*arrivals.size);
        }
    }
    for (ReceivedPatch& patch : arrivals.patches) {
        if (!session_) break;
        if (settings_.lockstep) patch.known_since_ns = patches_time_.value_or(0);
        patch.beside_stream = beside_stream;
        if (inbox_.size() >= inbox_limit) {
            ++inbox_overflow_;
            continue;
        }
        inbox_.push_back(std::move(patch));
    }
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
    const std::lock_guard lock(patches_mutex_);
    patches_ended_ = false;
    patches_time_.reset();
    sender_offset_ns_.reset();
    inbox_.clear();
}

void Enhancer::set_flushing(bool flushing) {
    {
        const std::lock_guard lock(patches_mutex_);
        flushing_ = flushing;
    }
    patches_moved_.notify_all();
}

}  // namespace livesr::gst
