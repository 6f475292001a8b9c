// See span_ledger.h.
#include "gst/sender/span_ledger.h"

#include <algorithm>
#include <iterator>

namespace livesr::gst {

namespace {

constexpr double ns_per_second = 1e9;
// Rate control in whole kbit, the tail of a frame, a packet of patches beside it.
constexpr double margin = 0.008;
// Of time stamps: the frame just 2 s ago is outside.
constexpr std::uint64_t rounding_ns = 1'000'000;

bool is_over(std::uint64_t at_ns, std::uint64_t now_ns) {
    return at_ns + SpanLedger::span_ns <= now_ns + rounding_ns;
}

}  // namespace

void SpanLedger::restart() {
    rates_.clear();
    sent_.clear();
}

void SpanLedger::carries(std::uint64_t now_ns, double rate_bps) {
    if (!rates_.empty() && now_ns < rates_.back().since_ns) restart();
    if (!rates_.empty() && rates_.back().rate_bps == rate_bps) return;
    rates_.push_back({now_ns, rate_bps});
}

void SpanLedger::sent(std::uint64_t now_ns, std::size_t bytes) {
    if (!sent_.empty() && now_ns < sent_.back().at_ns) sent_.clear();
    forget(now_ns);
    sent_.push_back({now_ns, static_cast<double>(bytes) * 8});
}

void SpanLedger::forget(std::uint64_t now_ns) {
    while (!sent_.empty() && is_over(sent_.front().at_ns, now_ns)) sent_.pop_front();
    while (rates_.size() > 1 && rates_[1].since_ns + span_ns <= now_ns) rates_.pop_front();
}

double SpanLedger::room_bits(std::uint64_t now_ns, std::uint64_t frame_ns) const {
    double carried = 0;
    // What went just 2 s ago is outside: so is what the uplink carried until the frame after it.
    double until = static_cast<double>(now_ns + frame_ns);
    const double begin = until - static_cast<double>(span_ns);
    for (auto change = rates_.rbegin(); change != rates_.rend(); ++change) {
        // Before the first it is taken to have carried as much.
        const bool is_first = std::next(change) == rates_.rend();
        const double since =
            is_first ? begin : std::clamp(static_cast<double>(change->since_ns), begin, until);
        carried += change->rate_bps * (until - since) / ns_per_second;
        until = since;
    }
    double sent_bits = 0;
    for (const Sent& sent : sent_) {
        if (!is_over(sent.at_ns, now_ns)) sent_bits += sent.bits;
    }
    return (1 - margin) * carried - sent_bits;
}

double SpanLedger::patch_room_bits(std::uint64_t now_ns, std::uint64_t frame_ns) const {
    if (rates_.empty()) return 0;
    const double frame_bits =
        rates_.back().rate_bps * static_cast<double>(frame_ns) / ns_per_second;
    return std::max(0.0, std::min(room_bits(now_ns, frame_ns),
                                  room_bits(now_ns + frame_ns, frame_ns) - frame_bits));
}

}  // namespace livesr::gst
