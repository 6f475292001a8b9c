// See heartbeat.h.
#include "gst/engine/heartbeat.h"

#include <algorithm>

namespace livesr::gst {

namespace {

std::string seconds(std::chrono::milliseconds time) {
    return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time).count()) + " s";
}

}  // namespace

HeartbeatBounds HeartbeatBounds::at_least(std::chrono::milliseconds bound) const {
    return {std::max(first, bound), std::max(answer, bound), std::max(progress, bound)};
}

HeartbeatBounds HeartbeatBounds::times(int factor) const {
    return {first * factor, answer * factor, progress * factor};
}

void Heartbeat::passed(std::chrono::milliseconds elapsed, std::chrono::milliseconds waited) {
    elapsed = std::min(elapsed, max_round);
    since_ping_ += elapsed;
    if (pending_) {
        unanswered_ += elapsed;
        starved_ += std::min(elapsed, waited);
    }
    // Only an answer says whether the session has moved: one that is overdue has its own bound.
    if (is_behind_ && unanswered_ < late_after) standing_ += elapsed;
    if (has_answered()) well_for_ += elapsed;
}

bool Heartbeat::ping_due() const { return !pending_ && since_ping_ >= interval; }

void Heartbeat::pinged(std::uint64_t id) {
    pending_ = id;
    since_ping_ = std::chrono::milliseconds(0);
    unanswered_ = std::chrono::milliseconds(0);
    starved_ = std::chrono::milliseconds(0);
}

void Heartbeat::answered(std::uint64_t id, std::uint64_t handled, std::uint64_t waiting) {
    if (pending_ != id) return;
    pending_.reset();
    unanswered_ = std::chrono::milliseconds(0);
    starved_ = std::chrono::milliseconds(0);
    is_behind_ = waiting > 0;
    if (!is_behind_ || handled_ != handled) standing_ = std::chrono::milliseconds(0);
    handled_ = handled;
}

Heartbeat::Health Heartbeat::health() const {
    if (is_silent() || standing_ >= bounds_.progress) {
        return Health::unresponsive;
    }
    if (!has_answered()) return Health::starting;
    return unanswered_ >= late_after ? Health::late : Health::well;
}

std::string Heartbeat::complaint() const {
    if (is_silent()) {
        return has_answered()
                   ? "the engine has not answered for " + seconds(unanswered_)
                   : "the engine has said nothing within " + seconds(unanswered_) +
                         " of its start (is LIVESR_NODE, or node on PATH, Node.js 20.19 or newer?)";
    }
    if (standing_ >= bounds_.progress) {
        return "the engine answers, but has finished none of its work for " + seconds(standing_);
    }
    return "";
}

}  // namespace livesr::gst
