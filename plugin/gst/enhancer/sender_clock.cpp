// See sender_clock.h.
#include "gst/enhancer/sender_clock.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

namespace livesr::gst {
namespace {

constexpr std::size_t most_sightings = 24;

// Of two offsets the right one must win clearly for so many patches and lose for almost none. With
// the margin of beats() a patch of a still part of the picture wins nothing: where nothing moves no
// offset is better than another, and none is found.
constexpr int wins_needed = 8;
constexpr int wins_per_loss = 8;

// An offset that fewer patches have a frame for is one beyond the edge of what was compared.
constexpr double coverage = 0.9;

// An offset in frames, and what all patches say of it.
struct Candidate {
    std::vector<std::optional<Fit>> fits;  // by sighting
    std::size_t count = 0;
    double error_sum = 0.0;
    double drift_sum_ns = 0.0;  // of the exact offsets from the whole number of frames

    double error() const { return error_sum / static_cast<double>(count); }
};

bool wins(const Candidate& best, const Candidate& other) {
    int won = 0;
    int lost = 0;
    for (std::size_t i = 0; i < best.fits.size(); ++i) {
        if (!best.fits[i] || !other.fits[i]) continue;
        if (beats(*best.fits[i], *other.fits[i])) ++won;
        if (beats(*other.fits[i], *best.fits[i])) ++lost;
    }
    return won >= wins_needed && lost * wins_per_loss <= won;
}

std::int64_t difference(std::uint64_t a, std::uint64_t b) {
    return static_cast<std::int64_t>(a) - static_cast<std::int64_t>(b);
}

}  // namespace

void SenderClock::add(Sighting sighting, std::uint64_t interval_ns) {
    if (sighting.fits.empty() || interval_ns == 0) return;
    sightings_.push_back(std::move(sighting));
    if (sightings_.size() > most_sightings) sightings_.pop_front();
    const auto found = decide(interval_ns);
    if (!found) return;  // where nothing moves, what was found holds
    if (!offset_ns_ ||
        std::abs(*found - *offset_ns_) > static_cast<std::int64_t>(interval_ns / 2)) {
        ++calibrations_;
    }
    offset_ns_ = found;
}

void SenderClock::clear() {
    sightings_.clear();
    offset_ns_.reset();
}

std::optional<std::int64_t> SenderClock::decide(std::uint64_t interval_ns) const {
    if (sightings_.size() < static_cast<std::size_t>(wins_needed)) return std::nullopt;
    const auto interval = static_cast<double>(interval_ns);
    const Sighting& newest = sightings_.back();
    const std::int64_t origin =
        difference(newest.fits.front().running_time_ns, newest.sender_time_ns);
    std::map<std::int64_t, Candidate> candidates;
    for (std::size_t i = 0; i < sightings_.size(); ++i) {
        for (const FrameFit& frame : sightings_[i].fits) {
            const auto exact = static_cast<double>(
                difference(frame.running_time_ns, sightings_[i].sender_time_ns) - origin);
            const auto frames = std::llround(exact / interval);
            Candidate& candidate = candidates[frames];
            candidate.fits.resize(sightings_.size());
            if (candidate.fits[i]) continue;
            candidate.fits[i] = frame.fit;
            ++candidate.count;
            candidate.error_sum += frame.fit.mean_squared_error;
            candidate.drift_sum_ns += exact - static_cast<double>(frames) * interval;
        }
    }
    const auto enough =
        static_cast<std::size_t>(std::ceil(coverage * static_cast<double>(sightings_.size())));
    std::erase_if(candidates, [&](const auto& entry) { return entry.second.count < enough; });
    const auto best = std::min_element(
        candidates.begin(), candidates.end(),
        [](const auto& a, const auto& b) { return a.second.error() < b.second.error(); });
    // One that stands alone was compared with nothing.
    if (candidates.size() < 2) return std::nullopt;
    for (const auto& [frames, other] : candidates) {
        if (frames != best->first && !wins(best->second, other)) return std::nullopt;
    }
    const double drift = best->second.drift_sum_ns / static_cast<double>(best->second.count);
    return origin + std::llround(static_cast<double>(best->first) * interval + drift);
}

}  // namespace livesr::gst
