// A budget that refills with time: so much a second, and up to a few seconds' worth at once after a
// pause. Pure: times are handed in.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

namespace livesr::gst {

class Allowance {
  public:
    Allowance(double per_second, double burst)
        : per_second_(per_second), burst_(burst), left_(burst) {}

    // now_ns may jump: a step back refills nothing, a step ahead no more than a burst.
    void refill(std::uint64_t now_ns) {
        if (last_ns_ && now_ns > *last_ns_) {
            const double seconds = static_cast<double>(now_ns - *last_ns_) / 1e9;
            left_ = std::min(burst_, left_ + seconds * per_second_);
        }
        last_ns_ = now_ns;
    }
    bool covers(double amount) const { return amount <= left_; }
    void spend(double amount) { left_ -= amount; }

  private:
    double per_second_;
    double burst_;
    double left_;
    std::optional<std::uint64_t> last_ns_;
};

}  // namespace livesr::gst
