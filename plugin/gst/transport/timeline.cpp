#include "gst/transport/timeline.h"

#include <algorithm>
#include <cstdlib>

namespace livesr::gst {
namespace {

constexpr std::int64_t ms = 1'000'000;
// Tracks of one stream are interleaved more closely than this: a change of the mapping that begins
// so far ahead is in force before any of them gets there.
constexpr std::int64_t ahead_ns = 1000 * ms;
// Room for a track whose first buffer is a little older than the one that set the mapping.
constexpr std::int64_t margin_ns = 200 * ms;
// Files begin here: the first buffer may belong to the track that is ahead.
constexpr std::int64_t file_begin_ns = 500 * ms;
constexpr std::int64_t window_ns = 2000 * ms;
// Clocks that differ by 50 ppm drift this far apart in ten minutes; below it nothing is done, and
// frames keep their exact distances.
constexpr std::int64_t tolerated_ns = 30 * ms;
constexpr double time_to_steer_ns = 20e9;
constexpr double min_rate = 0.0002;
// Players take it for a little faster or slower; a jump would lose what lies between.
constexpr double max_rate = 0.05;
constexpr std::size_t max_knots = 8;
constexpr int max_leftovers = 2;
// Further from what is going out than this nothing belongs to the same stream.
constexpr std::int64_t farthest_ns = 10'000 * ms;

}  // namespace

std::int64_t Timeline::offset_at(const Mapping& mapping, std::int64_t stream_ns) {
    const Knot* at = &mapping.front();
    for (const Knot& knot : mapping) {
        if (knot.from_ns <= stream_ns) at = &knot;
    }
    // Before the first knot nothing is known: its beginning is the best there is.
    const auto since = static_cast<double>(std::max<std::int64_t>(0, stream_ns - at->from_ns));
    return at->offset_ns + static_cast<std::int64_t>(at->rate * since);
}

void Timeline::anchor(std::int64_t stream_ns, std::int64_t time_ns) {
    before_ = std::move(knots_);
    knots_.assign(1, {stream_ns, time_ns - stream_ns, 0});
    newest_ns_ = stream_ns;
    window_began_ns_.reset();
    quickest_ns_ = INT64_MAX;
}

// A demultiplexer hands a picture on when the next one begins: a track's last one from before a
// break may come after another track has begun anew.
bool Timeline::is_leftover(Track& track, bool jumped, std::int64_t late_ns) const {
    if (jumped || track.restart == restarts_ || before_.empty()) return false;
    if (std::abs(late_ns) <= jump_ns || track.leftovers >= max_leftovers) return false;
    ++track.leftovers;
    return true;
}

Timeline::Placed Timeline::observe(int track, std::int64_t stream_ns,
                                   std::optional<std::int64_t> arrival_ns) {
    bool restarted = false;
    const std::int64_t now = arrival_ns.value_or(position_ns_);
    const auto known = tracks_.find(track);
    if (knots_.empty()) {
        anchor(stream_ns, arrival_ns.value_or(file_begin_ns));
        restarted = true;
    } else {
        const bool jumped =
            known == tracks_.end() || std::abs(stream_ns - known->second.last_ns) > jump_ns;
        const std::int64_t late = now - (stream_ns + offset_at(knots_, stream_ns));
        if (known != tracks_.end() && is_leftover(known->second, jumped, late)) {
            known->second.last_ns = stream_ns;
            return {std::max<std::int64_t>(0, stream_ns + offset_at(before_, stream_ns)), false,
                    true};
        }
        const bool lags = arrival_ns && watch_clock(stream_ns, *arrival_ns, late);
        if ((jumped && std::abs(late) > jump_ns) || lags) {
            anchor(stream_ns, std::max(now, position_ns_ + margin_ns));
            restarted = true;
            ++restarts_;
        }
    }
    tracks_[track] = {.last_ns = stream_ns, .restart = restarts_};
    newest_ns_ = std::max(newest_ns_, stream_ns);
    const std::int64_t time = std::max<std::int64_t>(0, stream_ns + offset_at(knots_, stream_ns));
    position_ns_ = std::max(position_ns_, time);
    return {time, restarted, false};
}

// Whether everything has come much too late for a whole window: a sender that went on, with times
// that happen to fit those from before the break.
bool Timeline::watch_clock(std::int64_t stream_ns, std::int64_t arrival_ns, std::int64_t late_ns) {
    newest_ns_ = std::max(newest_ns_, stream_ns);
    if (!window_began_ns_) window_began_ns_ = arrival_ns;
    quickest_ns_ = std::min(quickest_ns_, late_ns);
    if (arrival_ns - *window_began_ns_ < window_ns) return false;
    lateness_ns_ = quickest_ns_;
    const bool lags = quickest_ns_ > jump_ns;
    if (!lags) steer(quickest_ns_);
    window_began_ns_.reset();
    quickest_ns_ = INT64_MAX;
    return lags;
}

void Timeline::steer(std::int64_t error_ns) {
    const double now_rate = knots_.back().rate;
    double rate = 0;
    // What is being steered is steered to its end.
    if (std::abs(error_ns) > (now_rate != 0 ? tolerated_ns / 6 : tolerated_ns)) {
        const double size = std::clamp(std::abs(static_cast<double>(error_ns)) / time_to_steer_ns,
                                       min_rate, max_rate);
        rate = error_ns > 0 ? size : -size;
    }
    if (rate == now_rate) return;
    const std::int64_t from = std::max(newest_ns_ + ahead_ns, knots_.back().from_ns);
    knots_.push_back({from, offset_at(knots_, from), rate});
    if (knots_.size() > max_knots) knots_.pop_front();
}

std::optional<std::int64_t> Timeline::place(std::int64_t stream_ns) const {
    if (knots_.empty()) return std::nullopt;
    const std::int64_t time = stream_ns + offset_at(knots_, stream_ns);
    if (time < 0 || std::abs(time - position_ns_) > farthest_ns) return std::nullopt;
    return time;
}

}  // namespace livesr::gst
