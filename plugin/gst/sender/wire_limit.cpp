// See wire_limit.h.
#include "gst/sender/wire_limit.h"

namespace livesr::gst {

namespace {

constexpr std::uint64_t span_ns = 1'000'000'000;
// Sent bits are counted in slots; each counts as sent at its end.
constexpr std::uint64_t slot_ns = 10'000'000;
// Of the cap, a tenth above it less what timers and the way to the socket are not exact by.
constexpr std::uint64_t max_percent = 108;
// Of the cap: slots count for a hundredth of a second too long, and rate control is not exact.
constexpr std::uint64_t max_media_percent = 102;

}  // namespace

void WireLimit::forget(std::uint64_t now_ns) {
    while (!slots_.empty() && (slots_.front().number + 1) * slot_ns + span_ns <= now_ns) {
        bits_.all -= slots_.front().bits.all;
        bits_.media -= slots_.front().bits.media;
        slots_.pop_front();
    }
}

bool WireLimit::fits(const Bits& bits) const {
    return bits.all * 100 <= cap_bps_ * max_percent ||
           bits.media * 100 <= cap_bps_ * max_media_percent;
}

std::uint64_t WireLimit::wait_ns(std::uint64_t now_ns, std::size_t bytes, std::size_t media_bytes) {
    forget(now_ns);
    if (cap_bps_ == 0) return 0;
    Bits with{bits_.all + bytes * 8, bits_.media + media_bytes * 8};
    if (fits(with)) return 0;
    // A packet that is larger than the limit goes when nothing else has gone for a second.
    std::uint64_t until_ns = now_ns;
    for (const Slot& slot : slots_) {
        with.all -= slot.bits.all;
        with.media -= slot.bits.media;
        until_ns = (slot.number + 1) * slot_ns + span_ns;
        if (fits(with)) break;
    }
    return until_ns - now_ns;
}

void WireLimit::sent(std::uint64_t now_ns, std::size_t bytes, std::size_t media_bytes) {
    const std::uint64_t number = now_ns / slot_ns;
    if (slots_.empty() || slots_.back().number < number) slots_.push_back({number, {}});
    slots_.back().bits.all += bytes * 8;
    slots_.back().bits.media += media_bytes * 8;
    bits_.all += bytes * 8;
    bits_.media += media_bytes * 8;
}

}  // namespace livesr::gst
