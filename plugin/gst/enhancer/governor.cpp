// The deadline governor.
#include "gst/enhancer/governor.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace livesr::gst {
namespace {

// Window of the least lateness: clocks of sender and receiver drift by less than 1 ms in that time.
constexpr double lateness_window_ms = 10'000;

// A stay at a cheaper way: long enough to be no flicker, doubled when going back up soon failed
// again.
constexpr double first_hold_ms = 1'000;
constexpr double longest_hold_ms = 32'000;
// A stay of this length after going up says that going up was right.
constexpr double proven_ms = 10'000;

// Frames come back to back when the mean is above the interval; below, something must be left for
// what else runs in the thread.
constexpr double most_of_interval = 0.9;

// A second, more or less.
constexpr std::size_t cost_frames = 25;

// A sink that complains this long after we became cheap complains of somebody else.
constexpr double sink_patience_ms = 1'500;
// Without a complaint for so long a new one may be ours again.
constexpr double sink_memory_ms = 10'000;

}  // namespace

double WaitEstimate::add(double now_ms, double lateness_ms) {
    while (!least_.empty() && least_.back().lateness_ms >= lateness_ms) least_.pop_back();
    least_.push_back({now_ms, lateness_ms});
    while (least_.front().time_ms < now_ms - lateness_window_ms) least_.pop_front();
    return lateness_ms - least_.front().lateness_ms;
}

void Governor::Cost::add(double took_ms) {
    if (latest_ms_.size() == cost_frames) latest_ms_.pop_front();
    latest_ms_.push_back(took_ms);
}

double Governor::Cost::mean_ms() const {
    if (latest_ms_.empty()) return 0.0;
    return std::accumulate(latest_ms_.begin(), latest_ms_.end(), 0.0) /
           static_cast<double>(latest_ms_.size());
}

double Governor::Cost::likely_most_ms() const {
    double highest = 0.0;
    double second = 0.0;
    for (const double took_ms : latest_ms_) {
        second = std::max(second, std::min(highest, took_ms));
        highest = std::max(highest, took_ms);
    }
    return latest_ms_.size() == 1 ? highest : second;
}

Way Governor::cheaper() const {
    auto way = static_cast<std::size_t>(way_) + 1;
    while (!has_[way]) ++way;
    return static_cast<Way>(way);
}

Way Governor::dearer() const {
    auto way = static_cast<std::size_t>(way_) - 1;
    while (!has_[way]) --way;
    return static_cast<Way>(way);
}

bool Governor::at_best() const { return way_ == Way::memory || (way_ == Way::network && !has_[0]); }

bool Governor::too_dear(const Limits& limits) {
    const Cost& present = cost(way_);
    const double likely_ms = present.likely_most_ms();
    if (likely_ms > limits.most_ms) return true;
    if (limits.interval_ms <= 0) return likely_ms > limits.left_ms;
    // Where frames take less than half of the time between them, what has waited is soon made good.
    return (likely_ms > limits.left_ms && likely_ms > limits.interval_ms / 2) ||
           present.mean_ms() > most_of_interval * limits.interval_ms;
}

void Governor::retreat(double now_ms) {
    const bool soon = retreats_ > 0 && now_ms - changed_ms_ < proven_ms;
    hold_ms_ = soon ? std::min(2 * hold_ms_, longest_hold_ms) : first_hold_ms;
    way_ = cheaper();
    cost(way_).clear();
    changed_ms_ = now_ms;
    ++retreats_;
}

// What the way cost before is out of date: the next frames tell.
void Governor::rise(double now_ms) {
    way_ = dearer();
    cost(way_).clear();
    changed_ms_ = now_ms;
}

Way Governor::choose(double now_ms, const Limits& limits) {
    if (last_told_ms_ && now_ms - *last_told_ms_ > sink_memory_ms) {
        last_told_ms_.reset();
        lateness_is_not_ours_ = false;
    }
    if (way_ != Way::bicubic && too_dear(limits)) {
        retreated_for_sink_ = false;
        retreat(now_ms);
    } else if (!at_best() && now_ms - changed_ms_ >= hold_ms_ &&
               limits.left_ms > limits.most_ms / 2) {
        // When the frame has waited it is no time to try.
        rise(now_ms);
    }
    return way_;
}

void Governor::done(Way way, double took_ms) { cost(way).add(took_ms); }

void Governor::told_late(double now_ms) {
    last_told_ms_ = now_ms;
    if (lateness_is_not_ours_) return;
    const bool helped = now_ms - changed_ms_ <= sink_patience_ms;
    if (at_best() || (way_ != Way::bicubic && !helped)) {
        retreated_for_sink_ = true;
        retreat(now_ms);
    } else if (way_ == Way::bicubic && retreated_for_sink_ && !helped) {
        lateness_is_not_ours_ = true;
        hold_ms_ = 0;
    }
}

}  // namespace livesr::gst
