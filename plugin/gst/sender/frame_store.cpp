// See frame_store.h.
#include "gst/sender/frame_store.h"

#include <algorithm>

namespace livesr::gst {

namespace {

// Of pixels on each way: 4K has 8 MB a frame. The newest frame stays, whatever it takes.
constexpr std::size_t max_bytes = std::size_t{96} << 20;

std::size_t bytes_of(const LumaFrame& frame) { return frame.pixels.size() + frame.low.size(); }

}  // namespace

bool FrameStore::wants(GstClockTime running_time) const {
    return last_interval_ != running_time / offer_interval;
}

void FrameStore::add(LumaFrame frame) {
    last_interval_ = frame.running_time / offer_interval;
    waiting_.push_back(std::move(frame));
    const auto bytes = [this] {
        std::size_t sum = 0;
        for (const LumaFrame& each : waiting_) sum += bytes_of(each);
        return sum;
    };
    while (waiting_.size() > most_waiting || (waiting_.size() > 1 && bytes() > max_bytes)) {
        waiting_.pop_front();
        ++unpaired_;
    }
}

std::optional<LumaFrame> FrameStore::take(GstClockTime running_time, GstClockTime tolerance) {
    while (!waiting_.empty()) {
        LumaFrame& first = waiting_.front();
        if (first.running_time > running_time + tolerance) return std::nullopt;
        const bool matches = first.running_time + tolerance >= running_time;
        if (!matches) ++unpaired_;
        std::optional<LumaFrame> frame;
        if (matches) frame = std::move(first);
        waiting_.pop_front();
        if (frame) return frame;
    }
    return std::nullopt;
}

std::uint64_t FrameStore::offer(LumaFrame frame) {
    offered_.push_back({next_offer_, std::move(frame)});
    const auto bytes = [this] {
        std::size_t sum = 0;
        for (const Offered& each : offered_) sum += bytes_of(each.frame);
        return sum;
    };
    while (offered_.size() > most_offered || (offered_.size() > 1 && bytes() > max_bytes)) {
        offered_.pop_front();
        ++unanswered_;
    }
    return next_offer_++;
}

std::optional<LumaFrame> FrameStore::answered(std::uint64_t offer) {
    const auto at = std::find_if(offered_.begin(), offered_.end(),
                                 [offer](const Offered& o) { return o.number == offer; });
    if (at == offered_.end()) return std::nullopt;
    std::optional<LumaFrame> frame = std::move(at->frame);
    offered_.erase(at);
    return frame;
}

void FrameStore::void_offers() {
    unanswered_ += offered_.size();
    offered_.clear();
}

void FrameStore::clear() {
    void_offers();
    waiting_.clear();
    last_interval_.reset();
}

}  // namespace livesr::gst
