// What goes out when, of simulated streams; no clock.
#include "gst/sender/wire_pacer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>

namespace livesr::gst {
namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t frame_ns = 40 * ms;
constexpr std::size_t packet_bytes = 1316;

struct Outcome {
    double most_queued_ms = 0;  // at a link of the paced rate
    double most_held_ms = 0;
    double last_held_ms = 0;
};

// 20 s at 25 frames a second through a pacer, one packet after the other, into a link. A frame
// comes no sooner than `ready_ns` says.
Outcome run(std::uint32_t rate_bps, const std::function<std::size_t(int frame)>& bytes_of,
            const std::function<std::uint64_t(std::uint64_t due_ns)>& ready_ns) {
    WirePacer pacer;
    pacer.set_rate(rate_bps);
    Outcome outcome;
    std::uint64_t now = 0;
    double link_free_ns = 0;
    for (int frame = 0; frame < 500; ++frame) {
        const std::uint64_t due = frame * frame_ns;
        now = std::max(now, ready_ns(due));
        for (std::size_t left = bytes_of(frame); left > 0; left -= std::min(left, packet_bytes)) {
            const std::size_t bytes = std::min(left, packet_bytes);
            now += pacer.wait_ns(now, due, bytes);
            link_free_ns = std::max(link_free_ns, static_cast<double>(now)) +
                           static_cast<double>(bytes) * 8e9 / rate_bps;
            outcome.most_queued_ms =
                std::max(outcome.most_queued_ms, (link_free_ns - static_cast<double>(now)) / ms);
            outcome.last_held_ms = static_cast<double>(now - due) / ms;
            outcome.most_held_ms = std::max(outcome.most_held_ms, outcome.last_held_ms);
        }
    }
    return outcome;
}

std::uint64_t at_once(std::uint64_t due_ns) { return due_ns; }

// 90 % of 1 Mbit/s, a key frame of five others each 2 s.
std::size_t usual(int frame) { return frame % 50 == 0 ? 20'800 : 4'160; }

}  // namespace

TEST_CASE("a key frame does not stand in the queue of the link, and is gone before the next one") {
    const Outcome outcome = run(1'000'000, usual, at_once);
    CHECK(outcome.most_queued_ms < 15);  // a packet, and what timers are not exact
    CHECK(outcome.most_held_ms < 170);
    CHECK(outcome.last_held_ms < 40);
}

TEST_CASE("what a pause of half a second held up does not go out at once, and is made up for") {
    const Outcome outcome = run(1'000'000, usual, [](std::uint64_t due_ns) {
        return due_ns > 5000 * ms && due_ns < 5500 * ms ? 5500 * ms : due_ns;
    });
    // What is later than half a second goes faster than the link.
    CHECK(outcome.most_queued_ms < 100);
    CHECK(outcome.last_held_ms < 40);
}

TEST_CASE("an encoder that gives half as much again as the link carries is not held up for ever") {
    const Outcome outcome = run(
        1'000'000, [](int) { return std::size_t{7'500}; }, at_once);
    CHECK(outcome.most_held_ms > 500);
    CHECK(outcome.most_held_ms < 1000);
}

TEST_CASE("a stream that is late from now on, or begins anew, is not hurried for it") {
    const auto held_ms = [](const std::function<std::uint64_t(std::uint64_t)>& ready) {
        return run(1'000'000, usual, ready).most_queued_ms;
    };
    // A second is made up for within the next ones; a minute is another stream.
    CHECK(held_ms([](std::uint64_t due) { return due > 3000 * ms ? due + 60'000 * ms : due; }) <
          15);
}

TEST_CASE("without a rate, or a media time, nothing is hurried and nothing is held back") {
    WirePacer pacer;
    CHECK(pacer.wait_ns(0, 0, 100'000) == 0);
    CHECK(pacer.wait_ns(0, 0, 100'000) == 0);
    pacer.set_rate(1'000'000);
    std::uint64_t now = 0;
    for (int packet = 0; packet < 1000; ++packet) {
        now += pacer.wait_ns(now, WirePacer::no_time, 1250);
    }
    CHECK(now / ms >= 9'900);
    CHECK(now / ms <= 10'000);
}

}  // namespace livesr::gst
