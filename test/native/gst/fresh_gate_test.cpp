// What goes on of simulated streams that are held up, and what is dropped; no clock.
#include "gst/sender/fresh_gate.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <vector>

namespace livesr::gst {
namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t frame_ns = 40 * ms;

struct Seen {
    std::uint64_t now_ns;
    std::uint64_t media_ns;
    bool goes;
};

// 25 pictures a second; the picture due at `due` comes when `comes` says, and no sooner than 2 ms
// after the one before. Each 50th is a key frame, and the one after each wish.
std::vector<Seen> run(FreshGate& gate, int pictures,
                      const std::function<std::uint64_t(std::uint64_t due)>& comes,
                      bool answers_wishes = true) {
    std::vector<Seen> seen;
    std::uint64_t now = 0;
    bool key_next = false;
    for (int picture = 0; picture < pictures; ++picture) {
        const std::uint64_t due = picture * frame_ns;
        now = std::max(now + 2 * ms, comes(due));
        const bool is_key = picture % 50 == 0 || key_next;
        const bool goes = gate.lets_through(now, due, is_key);
        key_next = gate.takes_wish_for_key() && answers_wishes;
        seen.push_back({now, due, goes});
    }
    return seen;
}

}  // namespace

TEST_CASE("a stream that keeps its time goes through, however late it is from the start") {
    FreshGate gate;
    gate.set_bound(1000 * ms);
    for (const Seen& seen : run(gate, 500, [](std::uint64_t due) { return due + 7000 * ms; })) {
        CHECK(seen.goes);
    }
}

TEST_CASE("without a bound nothing is dropped") {
    FreshGate gate;
    for (const Seen& seen : run(gate, 500, [](std::uint64_t due) {
             return due > 5000 * ms && due < 15'000 * ms ? 15'000 * ms : due;
         })) {
        CHECK(seen.goes);
    }
}

TEST_CASE("after an outage nothing that is late goes, and a key frame is the first that does") {
    FreshGate gate;
    gate.set_bound(1000 * ms);
    const auto seen = run(gate, 750, [](std::uint64_t due) {
        return due > 5000 * ms && due < 15'000 * ms ? 15'000 * ms : due;
    });
    std::uint64_t first_ns = 0;
    for (const Seen& each : seen) {
        if (each.media_ns <= 5000 * ms) CHECK(each.goes);
        if (each.media_ns <= 5000 * ms || !each.goes) continue;
        if (first_ns == 0) first_ns = each.now_ns;
        CHECK(each.now_ns - each.media_ns < 1000 * ms);
    }
    // The backlog comes at 500 pictures a second; the stream is back as soon as it is through.
    CHECK(first_ns > 15'000 * ms);
    CHECK(first_ns < 15'700 * ms);
    CHECK(seen.back().goes);
}

TEST_CASE("a stall within the bound drops nothing") {
    FreshGate gate;
    gate.set_bound(1000 * ms);
    for (const Seen& seen : run(gate, 500, [](std::uint64_t due) {
             return due > 5000 * ms && due < 5900 * ms ? 5900 * ms : due;
         })) {
        CHECK(seen.goes);
    }
}

TEST_CASE("a source that was paused, and goes on late for good, is dropped for a second only") {
    FreshGate gate;
    gate.set_bound(1000 * ms);
    std::uint64_t dropped = 0;
    for (const Seen& seen : run(gate, 500, [](std::uint64_t due) {
             return due > 5000 * ms ? due + 30'000 * ms : due;
         })) {
        dropped += !seen.goes;
    }
    CHECK(dropped >= 20);
    CHECK(dropped <= 30);
}

TEST_CASE("time that begins anew, or jumps ahead, drops nothing for long") {
    FreshGate gate;
    gate.set_bound(1000 * ms);
    std::uint64_t dropped = 0;
    for (int picture = 0; picture < 500; ++picture) {
        const std::uint64_t media = picture < 100   ? picture * frame_ns
                                    : picture < 200 ? 3'600'000 * ms + picture * frame_ns
                                                    : (picture - 200) * frame_ns;
        dropped += !gate.lets_through(picture * frame_ns, media, true);
    }
    CHECK(dropped == 0);
}

TEST_CASE(
    "an encoder that makes no key frame when it is asked is asked again, then its pictures go") {
    FreshGate gate;
    gate.set_bound(1000 * ms);
    int wishes = 0;
    gate.await_key(0);
    std::uint64_t first_ns = 0;
    for (int picture = 1; first_ns == 0 && picture < 200; ++picture) {
        if (gate.lets_through(picture * frame_ns, picture * frame_ns, false)) {
            first_ns = picture * frame_ns;
        }
        wishes += gate.takes_wish_for_key();
    }
    CHECK(first_ns == FreshGate::max_key_wait_ns);
    CHECK(wishes >= 5);
    CHECK(wishes <= 7);
}

TEST_CASE("a machine that is too slow skips what it has no time for, and goes on") {
    FreshGate gate;
    gate.set_bound(500 * ms);
    // Each picture that goes on costs 60 ms of the 40 that there are.
    std::uint64_t now = 0;
    int gone = 0;
    std::uint64_t most_late = 0;
    for (int picture = 0; picture < 1000; ++picture) {
        now = std::max<std::uint64_t>(now + ms, picture * frame_ns);
        if (!gate.lets_through(now, picture * frame_ns, true)) continue;
        ++gone;
        most_late = std::max(most_late, now - picture * frame_ns);
        now += 60 * ms;
    }
    CHECK(gone > 550);
    CHECK(gone < 750);
    // What is forgotten of the best time within 40 s comes on top.
    CHECK(most_late < 1000 * ms);
}

}  // namespace livesr::gst
