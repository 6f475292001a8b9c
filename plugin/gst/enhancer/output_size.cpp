// See output_size.h.
#include "gst/enhancer/output_size.h"

#include <algorithm>

namespace livesr::gst {
namespace {

// What a picture becomes whose sender says nothing, where the scale is the sender's to choose: what
// most senders begin with.
constexpr int assumed_scale = 2;

// A claim whose time is further ahead than this was given a wrong one by the transport.
constexpr std::uint64_t furthest_ahead_ns = 3'000'000'000;

// A claim that fits no picture for this long is refused: the sender's next size comes with its next
// picture.
constexpr std::uint64_t longest_unfit_ns = 3'000'000'000;

}  // namespace

Scale OutputSize::scale_by(int width, int height, const AnnouncedSize& size) const {
    for (const Scale& scale : scales) {
        if (scale_ != 0 && scale != scale_) continue;
        if (lowres_side(size.width, scale) == width && lowres_side(size.height, scale) == height) {
            return scale;
        }
    }
    return {};
}

void OutputSize::refuse(const AnnouncedSize& size) {
    ++refused_;
    last_refused_ = size;
}

void OutputSize::announce(const AnnouncedSize& size) {
    if (!limits_.allow(size.width, size.height)) return refuse(size);
    // Every packet has the size: one that says nothing new must not put off what is due.
    const AnnouncedSize* latest =
        !pending_.empty() ? &pending_.back().size : (size_ ? &*size_ : nullptr);
    if (latest != nullptr && latest->same_size(size)) return;
    if (pending_.size() == max_pending) {
        refuse(pending_.front().size);
        pending_.pop_front();
    }
    pending_.push_back({size, std::nullopt});
}

void OutputSize::take(std::deque<Claim>::iterator claim) {
    size_ = claim->size;
    pending_.erase(pending_.begin(), claim + 1);
}

void OutputSize::set_picture(int width, int height) {
    width_ = width;
    height_ = height;
    if (size_ && scale_by(width, height, *size_) != 0) return;
    // Announced ahead of its picture, and this is that picture.
    const auto fits = std::find_if(pending_.begin(), pending_.end(), [&](const auto& claim) {
        return scale_by(width, height, claim.size) != 0;
    });
    if (fits != pending_.end()) take(fits);
}

bool OutputSize::fits_pending(int width, int height) const {
    return std::any_of(pending_.begin(), pending_.end(),
                       [&](const auto& claim) { return scale_by(width, height, claim.size) != 0; });
}

bool OutputSize::is_due(const Claim& claim, std::uint64_t running_time_ns,
                        std::uint64_t interval_ns) const {
    const auto& hint_ns = claim.size.hint_ns;
    return !hint_ns || running_time_ns + interval_ns / 2 >= *hint_ns ||
           *hint_ns - running_time_ns > furthest_ahead_ns;
}

bool OutputSize::adopt(std::uint64_t running_time_ns, std::uint64_t interval_ns) {
    changes_.refill(running_time_ns);
    const auto before = size_;
    for (auto claim = pending_.begin(); claim != pending_.end();) {
        if (!is_due(*claim, running_time_ns, interval_ns)) break;
        if (scale_by(width_, height_, claim->size) == 0) {
            // The picture that it fits may be the next one.
            if (!claim->due_since_ns) claim->due_since_ns = running_time_ns;
            ++claim;
            continue;
        }
        if (size_ && !size_->same_size(claim->size)) {
            if (!changes_.covers(1)) break;
            changes_.spend(1);
        }
        take(claim);
        claim = pending_.begin();
    }
    refuse_unfit(running_time_ns);
    return size_ && (!before || !size_->same_size(*before));
}

void OutputSize::refuse_unfit(std::uint64_t running_time_ns) {
    std::erase_if(pending_, [&](const Claim& claim) {
        const bool is_over = claim.due_since_ns && running_time_ns >= *claim.due_since_ns &&
                             running_time_ns - *claim.due_since_ns > longest_unfit_ns;
        if (is_over) refuse(claim.size);
        return is_over;
    });
}

void OutputSize::forget_times() {
    for (Claim& claim : pending_) {
        claim.size.hint_ns.reset();
        claim.due_since_ns.reset();
    }
}

Scale OutputSize::scale_of(int width, int height) const {
    if (scale_ != 0) return scale_;
    if (size_) return scale_by(width, height, *size_);
    return limits_.allow(assumed_scale * width, assumed_scale * height) ? Scale(assumed_scale)
                                                                        : Scale(1);
}

std::optional<std::pair<int, int>> OutputSize::output_for(int width, int height) const {
    if (!limits_.allow(width, height)) return std::nullopt;
    if (size_ && (scale_ == 0 || scale_by(width, height, *size_) != 0)) {
        return std::pair{size_->width, size_->height};
    }
    const Scale scale = scale_of(width, height);
    const int times = scale.network();
    const int padding = 2 * times - 1;
    if (!limits_.allow(width * times - padding, height * times - padding)) return std::nullopt;
    return std::pair{std::min(width * times, limits_.width),
                     std::min(height * times, limits_.height)};
}

}  // namespace livesr::gst
