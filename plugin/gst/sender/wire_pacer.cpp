// See wire_pacer.h.
#include "gst/sender/wire_pacer.h"

#include <algorithm>

namespace livesr::gst {

namespace {

constexpr double ns_per_second = 1e9;
// Timers and schedulers are not exact: what is due so soon goes.
constexpr double slack_ns = 2e6;
// What is later than this goes the faster the later it is: an encoder that gives more than the link
// is thought to carry, or an estimate that has fallen too far, is not to hold up the stream for
// ever.
constexpr double longest_held_ns = 0.5e9;
// A delay that stays is the stream's own: so much of each second it is taken to be.
constexpr double forgotten_share = 0.01;
// A jump of the media time, not a delay.
constexpr double longest_late_ns = 10e9;

}  // namespace

std::uint64_t WirePacer::wait_ns(std::uint64_t now_ns, std::uint64_t media_ns, std::size_t bytes) {
    if (rate_bps_ == 0) return 0;
    const auto now = static_cast<double>(now_ns);
    const double goes_ns = std::max(now, free_ns_);
    const double late = media_ns == no_time ? 0 : late_ns(goes_ns, static_cast<double>(media_ns));
    const double hurry = std::max(1.0, late / longest_held_ns);
    const double rate_bps = rate_bps_ * hurry * hurry;
    free_ns_ = goes_ns + static_cast<double>(bytes) * 8 * ns_per_second / rate_bps;
    const double wait = goes_ns - now;
    return wait < slack_ns ? 0 : static_cast<std::uint64_t>(wait);
}

double WirePacer::late_ns(double now, double media) {
    const double offset = now - media;
    offset_ns_ += forgotten_share * (now - seen_ns_);
    if (seen_ns_ < 0 || offset < offset_ns_ || offset > offset_ns_ + longest_late_ns) {
        offset_ns_ = offset;
    }
    seen_ns_ = now;
    return offset - offset_ns_;
}

}  // namespace livesr::gst
