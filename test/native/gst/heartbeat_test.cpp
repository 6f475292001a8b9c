// What counts as an engine that no longer answers, round by round.
#include "gst/engine/heartbeat.h"

#include <doctest/doctest.h>

#include "gst/engine/channel_time.h"

using livesr::gst::channel_period_ns;
using livesr::gst::channel_time;
using livesr::gst::Heartbeat;
using livesr::gst::HeartbeatBounds;
using namespace std::chrono_literals;
using Health = Heartbeat::Health;

namespace {

const HeartbeatBounds bounds{20s, 5s, 10s};

void pass(Heartbeat& heartbeat, std::chrono::milliseconds time) {
    for (; time > 0ms; time -= 250ms) heartbeat.passed(250ms);
}

// A second in which the engine answers.
void second(Heartbeat& heartbeat, std::uint64_t id, std::uint64_t handled, std::uint64_t waiting) {
    pass(heartbeat, 1s);
    REQUIRE(heartbeat.ping_due());
    heartbeat.pinged(id);
    heartbeat.answered(id, handled, waiting);
}

}  // namespace

TEST_CASE("heartbeat: an engine starts until its first answer, within the bound of a start") {
    Heartbeat heartbeat(bounds);
    CHECK(heartbeat.ping_due());
    heartbeat.pinged(1);
    CHECK_FALSE(heartbeat.ping_due());
    pass(heartbeat, 19s);
    CHECK(heartbeat.health() == Health::starting);
    SUBCASE("it answers") {
        heartbeat.answered(1, 0, 0);
        CHECK(heartbeat.health() == Health::well);
        CHECK(heartbeat.complaint().empty());
    }
    SUBCASE("it does not") {
        pass(heartbeat, 1s);
        CHECK(heartbeat.health() == Health::unresponsive);
        CHECK(heartbeat.complaint().find("within 20 s of its start") != std::string::npos);
    }
}

TEST_CASE("heartbeat: an answer that is overdue is late first") {
    Heartbeat heartbeat(bounds);
    heartbeat.pinged(1);
    heartbeat.answered(1, 0, 0);
    pass(heartbeat, 1s);
    heartbeat.pinged(2);
    pass(heartbeat, 1750ms);
    CHECK(heartbeat.health() == Health::well);
    pass(heartbeat, 250ms);
    CHECK(heartbeat.health() == Health::late);
    heartbeat.answered(1, 0, 0);  // an answer to another ping
    CHECK(heartbeat.health() == Health::late);
    SUBCASE("and well when it comes") {
        heartbeat.answered(2, 0, 0);
        CHECK(heartbeat.health() == Health::well);
    }
    SUBCASE("and unresponsive at its bound") {
        pass(heartbeat, 3s);
        CHECK(heartbeat.health() == Health::unresponsive);
        CHECK(heartbeat.complaint() == "the engine has not answered for 5 s");
    }
}

TEST_CASE("heartbeat: time that the client spent elsewhere is no silence of the engine") {
    Heartbeat heartbeat(bounds);
    heartbeat.pinged(1);
    heartbeat.answered(1, 0, 0);
    pass(heartbeat, 1s);
    heartbeat.pinged(2);
    for (int stop = 0; stop < 3; ++stop) heartbeat.passed(1h);
    CHECK(heartbeat.health() == Health::well);
}

TEST_CASE("heartbeat: an engine that waits for a processor is late, and has six times as long") {
    Heartbeat heartbeat(bounds);
    heartbeat.pinged(1);
    heartbeat.answered(1, 0, 0);
    heartbeat.pinged(2);
    const auto starve = [&](std::chrono::milliseconds time) {
        for (; time > 0ms; time -= 250ms) heartbeat.passed(250ms, 240ms);
    };
    starve(29s);
    CHECK(heartbeat.health() == Health::late);
    SUBCASE("it answers") {
        heartbeat.answered(2, 0, 0);
        CHECK(heartbeat.health() == Health::well);
    }
    SUBCASE("it does not") {
        starve(1s);
        CHECK(heartbeat.health() == Health::unresponsive);
    }
}

TEST_CASE("heartbeat: a session that finishes nothing while messages wait has stopped") {
    Heartbeat heartbeat(bounds);
    std::uint64_t id = 0;
    for (; id < 30; ++id) second(heartbeat, id, 7, 0);  // idle
    CHECK(heartbeat.health() == Health::well);
    for (; id < 60; ++id) second(heartbeat, id, id, 100);  // behind, and at work
    CHECK(heartbeat.health() == Health::well);
    for (; id < 70; ++id) second(heartbeat, id, 59, 100);
    CHECK(heartbeat.health() == Health::unresponsive);
    CHECK(heartbeat.complaint().find("finished none of its work for 10 s") != std::string::npos);
}

TEST_CASE("heartbeat: bounds grow together") {
    const HeartbeatBounds doubled = bounds.times(2);
    CHECK(doubled.answer == 10s);
    const HeartbeatBounds patient = bounds.at_least(15s);
    CHECK(patient.first == 20s);
    CHECK(patient.answer == 15s);
    CHECK(patient.progress == 15s);
}

TEST_CASE("channel time: exact in JSON for ever, and whole epochs long") {
    CHECK(channel_time(0) == 0);
    CHECK(channel_time(channel_period_ns - 1) == channel_period_ns - 1);
    CHECK(channel_time(channel_period_ns + 5) == 5);
    CHECK(channel_time(~0ULL) < (1ULL << 53));
    CHECK(channel_period_ns < (1ULL << 53));
    CHECK(channel_period_ns % 5'000'000'000 == 0);
}
