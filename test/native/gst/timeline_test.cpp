// Timeline: one mapping for all tracks, which never steps back.
#include "gst/transport/timeline.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

using livesr::gst::Timeline;

namespace {

constexpr std::int64_t ms = 1'000'000;
constexpr std::int64_t second = 1000 * ms;
constexpr int video = 1;
constexpr int audio = 2;

}  // namespace

TEST_CASE("Timeline: the first buffer stands at its arrival, and all tracks keep their distances") {
    Timeline timeline;
    CHECK(timeline.observe(video, 500 * second, 3 * second).time_ns == 3 * second);
    CHECK(timeline.observe(audio, 500 * second - 21 * ms, 3 * second + 5 * ms).time_ns ==
          3 * second - 21 * ms);
    // What comes late, or early, is no reason to move anything.
    CHECK(timeline.observe(video, 500 * second + 40 * ms, 3 * second + 400 * ms).time_ns ==
          3 * second + 40 * ms);
    CHECK(timeline.place(500 * second + 40 * ms) == 3 * second + 40 * ms);
    CHECK(timeline.restarts() == 0);
}

TEST_CASE("Timeline: what was lost on the way leaves the mapping as it was") {
    Timeline timeline;
    for (int i = 0; i < 50; ++i) timeline.observe(video, i * 40 * ms, second + i * 40 * ms);
    const auto after = timeline.observe(video, 9 * second, 10 * second);
    CHECK_FALSE(after.restarted);
    CHECK(after.time_ns == 10 * second);
}

TEST_CASE("Timeline: a sender that comes back with other times goes on where its data arrives") {
    for (const std::int64_t first : {0 * second, 3 * second, 90'000 * second}) {
        Timeline timeline;
        std::int64_t last = 0;
        for (int i = 0; i < 100; ++i) {
            timeline.observe(audio, 50'000 * second + i * 40 * ms, second + i * 40 * ms);
            last = timeline.observe(video, 50'000 * second + i * 40 * ms, second + i * 40 * ms)
                       .time_ns;
        }
        const auto again = timeline.observe(video, first, 12 * second);
        CHECK(again.restarted);
        CHECK(again.time_ns == 12 * second);
        CHECK(again.time_ns > last);
        // The other track belongs to the same sender: it does not begin anew once more.
        const auto sound = timeline.observe(audio, first + 30 * ms, 12 * second + 10 * ms);
        CHECK_FALSE(sound.restarted);
        CHECK(sound.time_ns == again.time_ns + 30 * ms);
        CHECK(timeline.restarts() == 1);
    }
}

TEST_CASE("Timeline: a picture from before a break that comes late stays before it") {
    Timeline timeline;
    std::int64_t last = 0;
    for (int i = 0; i < 50; ++i) {
        timeline.observe(audio, i * 40 * ms, second + i * 40 * ms);
        last = timeline.observe(video, i * 40 * ms, second + i * 40 * ms).time_ns;
    }
    CHECK(timeline.observe(audio, 0, 3 * second).restarted);
    const auto leftover = timeline.observe(video, 50 * 40 * ms, 3 * second);
    CHECK(leftover.time_ns == last + 40 * ms);
    CHECK_FALSE(leftover.restarted);
    const auto next = timeline.observe(video, 0, 3 * second + 10 * ms);
    CHECK_FALSE(next.restarted);
    CHECK(next.time_ns >= 3 * second);
    CHECK(timeline.restarts() == 1);
}

TEST_CASE("Timeline: times that happen to go on where the last sender's ended are found out") {
    Timeline timeline;
    std::int64_t last = 0;
    for (int i = 0; i < 50; ++i) {
        last = timeline.observe(video, i * 40 * ms, second + i * 40 * ms).time_ns;
    }
    // Eight seconds later the next frame, as if nothing had been: late, until that is certain.
    for (int i = 50; i < 200; ++i) {
        const auto placed = timeline.observe(video, i * 40 * ms, 9 * second + i * 40 * ms);
        CHECK(placed.time_ns > last);
        last = placed.time_ns;
    }
    CHECK(timeline.restarts() == 1);
    CHECK(last == 9 * second + 199 * 40 * ms);
}

TEST_CASE("Timeline: a clock that runs faster or slower is followed, without a jump") {
    for (const double rate : {1.0001, 0.9999}) {
        Timeline timeline;
        std::int64_t last = -1;
        std::int64_t farthest = 0;
        for (std::int64_t i = 0; i < 3600 * 25; ++i) {
            const std::int64_t time = i * 40 * ms;
            const auto arrival =
                second + static_cast<std::int64_t>(static_cast<double>(time) * rate);
            const std::int64_t jitter = (i * 7919 % 13) * ms;
            const auto placed = timeline.observe(video, time, arrival + jitter);
            if (last >= 0) {
                CHECK(placed.time_ns - last > 39 * ms);
                CHECK(placed.time_ns - last < 41 * ms);
            }
            // A patch of this frame that comes half a second later gets its frame's time.
            CHECK(timeline.place(time) == placed.time_ns);
            last = placed.time_ns;
            farthest = std::max(farthest, std::abs(placed.time_ns - arrival));
        }
        CHECK(timeline.restarts() == 0);
        CHECK(farthest < 60 * ms);
    }
}

TEST_CASE(
    "Timeline: a first buffer that was long on its way does not make the stream late for ever") {
    Timeline timeline;
    timeline.observe(video, 0, 3 * second);
    std::int64_t last = 3 * second;
    std::int64_t arrival = 0;
    for (int i = 1; i < 25 * 120; ++i) {
        arrival = second + i * 40 * ms + (i < 50 ? (50 - i) * 20 * ms : 0);
        const auto placed = timeline.observe(video, i * 40 * ms, arrival);
        CHECK(placed.time_ns > last);
        last = placed.time_ns;
    }
    CHECK(std::abs(last - arrival) < 40 * ms);
}

TEST_CASE("Timeline: a file has no arrivals, and its jumps are closed") {
    Timeline timeline;
    const auto first = timeline.observe(video, 1000 * second, std::nullopt).time_ns;
    CHECK(timeline.observe(audio, 1000 * second - 300 * ms, std::nullopt).time_ns ==
          first - 300 * ms);
    for (int i = 1; i < 25; ++i) timeline.observe(video, 1000 * second + i * 40 * ms, std::nullopt);
    const auto back = timeline.observe(video, 7 * second, std::nullopt);
    CHECK(back.restarted);
    CHECK(back.time_ns > first + 24 * 40 * ms);
    CHECK(back.time_ns < first + 2 * second);
}

TEST_CASE("Timeline: whatever the times are, no track's output steps back while its input rises") {
    std::mt19937 random(7);
    const auto number = [&](std::int64_t most) {
        return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(most));
    };
    for (int run = 0; run < 200; ++run) {
        Timeline timeline;
        std::int64_t time = number(95'000) * second;
        std::int64_t arrival = number(10) * second;
        std::int64_t last = -1;
        for (int i = 0; i < 500; ++i) {
            const auto what = number(100);
            if (what == 0) time = number(95'000) * second;
            if (what == 1) arrival += number(20) * second;
            if (what == 2) time += number(20) * second;
            const auto placed = timeline.observe(video, time, arrival);
            REQUIRE(placed.time_ns >= last);
            last = placed.time_ns;
            timeline.place(number(95'000) * second);
            time += 40 * ms;
            arrival += 20 * ms + number(40) * ms;
        }
    }
}
