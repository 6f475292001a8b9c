// Whether an engine that is connected still answers, and whether its session still gets on: sums
// over the rounds of the client's poll loop, without a clock of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace livesr::gst {

// What an engine may take. docs/protocol.md, Heartbeat.
struct HeartbeatBounds {
    std::chrono::milliseconds first{20'000};     // to its first answer: node loads, perhaps slowly
    std::chrono::milliseconds answer{5'000};     // to each answer after that
    std::chrono::milliseconds progress{20'000};  // to finish a message while messages wait

    HeartbeatBounds at_least(std::chrono::milliseconds bound) const;
    HeartbeatBounds times(int factor) const;
};

class Heartbeat {
  public:
    enum class Health {
        starting,      // it has not answered yet
        well,          // it answers
        late,          // an answer is overdue
        unresponsive,  // a bound is exceeded: complaint() says which
    };

    explicit Heartbeat(const HeartbeatBounds& bounds) : bounds_(bounds) {}

    // A round of the poll loop is over, and nothing that the engine has sent is unread. A round
    // that took long was spent elsewhere (a callback, a process that was stopped): it counts
    // max_round.
    // waited: of it, how long the engine was ready to run and got no processor; it does not count,
    // up to max_starved times a bound.
    void passed(std::chrono::milliseconds elapsed,
                std::chrono::milliseconds waited = std::chrono::milliseconds(0));
    // The next ping is due: a second after the one before was sent, and after it was answered.
    bool ping_due() const;
    void pinged(std::uint64_t id);
    // An answer has come. `handled`: messages that the session has finished; `waiting`: messages
    // that it has not.
    void answered(std::uint64_t id, std::uint64_t handled, std::uint64_t waiting);

    Health health() const;
    std::string complaint() const;  // empty unless unresponsive
    // How long it has answered without a bound exceeded.
    std::chrono::milliseconds well_for() const { return well_for_; }

    static constexpr std::chrono::milliseconds max_round{500};
    static constexpr std::chrono::milliseconds interval{1'000};
    static constexpr std::chrono::milliseconds late_after{2'000};
    static constexpr int max_starved = 6;

  private:
    bool has_answered() const { return handled_.has_value(); }
    std::chrono::milliseconds answer_bound() const {
        return has_answered() ? bounds_.answer : bounds_.first;
    }
    bool is_silent() const {
        return unanswered_ - starved_ >= answer_bound() ||
               unanswered_ >= max_starved * answer_bound();
    }

    HeartbeatBounds bounds_;
    std::optional<std::uint64_t> pending_;            // ping without an answer
    std::optional<std::uint64_t> handled_;            // at the last answer
    std::chrono::milliseconds since_ping_{interval};  // sent
    std::chrono::milliseconds unanswered_{0};
    std::chrono::milliseconds starved_{0};   // of it, without a processor
    std::chrono::milliseconds standing_{0};  // messages wait and none is finished
    bool is_behind_ = false;
    std::chrono::milliseconds well_for_{0};
};

}  // namespace livesr::gst
