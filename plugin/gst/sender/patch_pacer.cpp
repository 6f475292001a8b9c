// See patch_pacer.h.
#include "gst/sender/patch_pacer.h"

#include <algorithm>

namespace livesr::gst {

namespace {

constexpr double ns_per_second = 1e9;
// An estimate that is far too low must not keep patches back for ever.
constexpr double longest_queue_seconds = 0.5;
// Frames that are further apart say nothing of when the next one comes.
constexpr std::uint64_t longest_interval_ns = 200'000'000;

}  // namespace

double PatchPacer::drained(double bits, std::uint64_t ns) const {
    return std::max(0.0, bits - rate_bps_ * (static_cast<double>(ns) / ns_per_second));
}

void PatchPacer::advance(std::uint64_t now_ns) {
    const std::uint64_t elapsed = now_ns > time_ns_ ? now_ns - time_ns_ : 0;
    time_ns_ = std::max(time_ns_, now_ns);
    video_bits_ = drained(video_bits_, elapsed);
    all_bits_ = drained(all_bits_, elapsed);
}

void PatchPacer::restart() {
    video_bits_ = all_bits_ = 0;
    time_ns_ = last_frame_ns_ = 0;
}

void PatchPacer::video_sent(std::uint64_t now_ns, std::size_t bytes) {
    advance(now_ns);
    const double most = rate_bps_ * longest_queue_seconds;
    const double bits = static_cast<double>(bytes) * 8;
    video_bits_ = std::min(most, video_bits_ + bits);
    all_bits_ = std::max(video_bits_, std::min(most, all_bits_ + bits));
    const std::uint64_t interval = now_ns > last_frame_ns_ ? now_ns - last_frame_ns_ : 0;
    if (last_frame_ns_ > 0 && interval > 0 && interval < longest_interval_ns) {
        // Frames come out of an encoder unevenly: a slow mean of their intervals.
        frame_interval_ns_ = (frame_interval_ns_ * 7 + interval) / 8;
    }
    last_frame_ns_ = now_ns;
}

void PatchPacer::patch_sent(std::uint64_t now_ns, std::size_t bytes) {
    advance(now_ns);
    all_bits_ += static_cast<double>(bytes) * 8;
}

std::size_t PatchPacer::easy_bytes() const {
    if (rate_bps_ == 0) return SIZE_MAX;
    return static_cast<std::size_t>(rate_bps_ / 8.0 *
                                    (static_cast<double>(most_delay_ns) / ns_per_second));
}

bool PatchPacer::may_send(std::uint64_t now_ns, std::size_t bytes) const {
    if (rate_bps_ == 0) return true;
    const std::uint64_t since = now_ns > time_ns_ ? now_ns - time_ns_ : 0;
    const std::uint64_t next_frame_ns = last_frame_ns_ + frame_interval_ns_;
    const std::uint64_t until_frame = next_frame_ns > now_ns ? next_frame_ns - now_ns : 0;
    const double with =
        drained(drained(all_bits_, since) + static_cast<double>(bytes) * 8, until_frame);
    const double without = drained(video_bits_, since + until_frame);
    return with - without <= rate_bps_ * (static_cast<double>(most_delay_ns) / ns_per_second);
}

}  // namespace livesr::gst
