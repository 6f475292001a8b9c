// See fresh_gate.h.
#include "gst/sender/fresh_gate.h"

#include <algorithm>
#include <utility>

namespace livesr::gst {

namespace {

// A stream's own delay may grow: so much of each second is forgotten of how soon data came at best.
constexpr double forgotten_share = 0.01;
// Media time that goes back by more is another time.
constexpr std::uint64_t max_return_ns = 1'000'000'000;
// Times may be anything.
constexpr double max_late_ns = 1e18;
// A backlog is worked off at more than this times real time.
constexpr double min_catching_up = 1.1;

}  // namespace

void FreshGate::await_key(std::uint64_t now_ns) {
    key_awaited_since_ns_ = now_ns;
    wish_for_key(now_ns);
}

void FreshGate::wish_for_key(std::uint64_t now_ns) {
    wishes_key_ = true;
    wished_ns_ = now_ns;
}

bool FreshGate::takes_wish_for_key() { return std::exchange(wishes_key_, false); }

void FreshGate::measure(std::uint64_t now_ns, std::uint64_t media_ns) {
    const bool goes_back = media_ns + max_return_ns < media_ns_;
    offset_ns_ = static_cast<double>(now_ns) - static_cast<double>(media_ns);
    if (best_offset_ns_ && !goes_back) {
        const double passed = now_ns > seen_ns_ ? static_cast<double>(now_ns - seen_ns_) : 0;
        *best_offset_ns_ = std::min(offset_ns_, *best_offset_ns_ + forgotten_share * passed);
    } else {
        best_offset_ns_ = offset_ns_;
    }
    seen_ns_ = now_ns;
    media_ns_ = media_ns;
    late_ns_ = static_cast<std::uint64_t>(std::min(offset_ns_ - *best_offset_ns_, max_late_ns));
}

void FreshGate::judge(std::uint64_t now_ns, std::uint64_t media_ns) {
    if (!is_stale_) {
        is_stale_ = late_ns_ > bound_ns_;
        mark_ns_ = now_ns;
        mark_media_ns_ = media_ns;
        return;
    }
    const double elapsed = static_cast<double>(now_ns - mark_ns_);
    if (elapsed >= static_cast<double>(max_backlog_ns)) {
        const double advanced = static_cast<double>(media_ns) - static_cast<double>(mark_media_ns_);
        if (advanced < min_catching_up * elapsed) {
            best_offset_ns_ = offset_ns_;
            late_ns_ = 0;
        }
        mark_ns_ = now_ns;
        mark_media_ns_ = media_ns;
    }
    if (late_ns_ <= max_fresh_ns) is_stale_ = false;
}

bool FreshGate::lets_through(std::uint64_t now_ns, std::uint64_t media_ns, bool is_key) {
    if (bound_ns_ == 0) {
        is_stale_ = false;
    } else if (media_ns != no_time) {
        measure(now_ns, media_ns);
        judge(now_ns, media_ns);
    }
    if (is_stale_) {
        // A key frame that is itself too late is of no use.
        if (!key_awaited_since_ns_ || is_key) wish_for_key(now_ns);
        key_awaited_since_ns_ = now_ns;
        return false;
    }
    if (!key_awaited_since_ns_) return true;
    if (!is_key && now_ns < *key_awaited_since_ns_ + max_key_wait_ns) {
        if (now_ns >= wished_ns_ + key_wish_interval_ns) wish_for_key(now_ns);
        return false;
    }
    key_awaited_since_ns_.reset();
    return true;
}

}  // namespace livesr::gst
