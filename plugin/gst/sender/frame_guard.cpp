// See frame_guard.h.
#include "gst/sender/frame_guard.h"

#include <algorithm>

namespace livesr::gst {

namespace {

constexpr double weight_of_frame = 0.1;
constexpr double weight_of_key = 0.5;
// Frames differ: one that is larger than the mean has to fit, too.
constexpr double above_mean = 1.25;

void learn(double& mean, double bits, double weight) {
    mean = mean == 0 ? bits : mean + weight * (bits - mean);
}

}  // namespace

double FrameGuard::usual_bits() const {
    const bool key_due = between_keys_ > 0 && since_key_ >= between_keys_;
    return above_mean * (key_due ? std::max(key_bits_, other_bits_) : other_bits_);
}

bool FrameGuard::lets_through(std::uint64_t now_ns, double room_bits) {
    ++frames_;
    const bool paused = gone_ns_ && now_ns >= *gone_ns_ + max_pause_ns;
    const bool jumped_back = gone_ns_ && now_ns < *gone_ns_;
    if (gone_ns_ && !paused && !jumped_back && room_bits < usual_bits()) {
        ++left_out_;
        return false;
    }
    gone_ns_ = now_ns;
    return true;
}

void FrameGuard::frame_came(std::size_t bytes, bool is_key) {
    const double bits = static_cast<double>(bytes) * 8;
    if (is_key) {
        between_keys_ = std::max(between_keys_, since_key_);
        since_key_ = 0;
        learn(key_bits_, bits, weight_of_key);
    } else {
        learn(other_bits_, bits, weight_of_frame);
    }
    ++since_key_;
}

}  // namespace livesr::gst
