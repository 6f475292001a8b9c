// The deadline governor as a machine of its own: what it chooses under loads that are made up here.
#include "gst/enhancer/governor.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <random>
#include <vector>

using livesr::gst::Governor;
using livesr::gst::WaitEstimate;
using livesr::gst::Way;

namespace {

constexpr double interval = 40.0;

struct Run {
    std::vector<Way> ways;
    int late = 0;     // frames that stayed longer than the budget
    int changes = 0;  // from one way to the other
};

using Costs = std::function<double(double)>;  // what a frame takes at a time in ms

// Frames every 40 ms, each with a budget of one interval, less what the one before ran over.
Run run(Governor& governor, int frames, const Costs& network_ms, const Costs& bicubic_ms,
        const Costs& small_ms = nullptr) {
    Run result;
    double free_at = 0.0;
    for (int frame = 0; frame < frames; ++frame) {
        const double arrival = frame * interval;
        const double now = std::max(arrival, free_at);
        const double budget = interval - (now - arrival);
        const Way way = governor.choose(now, {interval, interval, budget});
        const double took = way == Way::network ? network_ms(now)
                            : way == Way::small ? small_ms(now)
                                                : bicubic_ms(now);
        governor.done(way, took);
        free_at = now + took;
        result.late += free_at - arrival > interval ? 1 : 0;
        result.changes += !result.ways.empty() && way != result.ways.back() ? 1 : 0;
        result.ways.push_back(way);
    }
    return result;
}

auto constant(double value) {
    return [value](double) { return value; };
}

long count(const Run& run, Way way) { return std::count(run.ways.begin(), run.ways.end(), way); }

}  // namespace

TEST_CASE("the governor stays with the network while there is time for it") {
    for (const double cost : {1.0, 20.0, 30.0}) {
        Governor governor;
        const Run result = run(governor, 1000, constant(cost), constant(0.5));
        CHECK(result.changes == 0);
        CHECK(result.late == 0);
        CHECK(result.ways.back() == Way::network);
        CHECK(governor.retreats() == 0);
    }
}

TEST_CASE("a network that is too slow is tried ever more rarely") {
    Governor governor;
    const Run result = run(governor, 25 * 300, constant(60.0), constant(2.0));
    CHECK(count(result, Way::network) < 20);
    CHECK(result.late < 40);
    CHECK(result.changes < 40);
}

TEST_CASE("after a busy spell the governor goes back up and stays there") {
    Governor governor;
    const auto busy = [](double now) { return now > 5'000 && now < 15'000 ? 70.0 : 8.0; };
    const Run result = run(governor, 25 * 60, busy, constant(2.0));
    CHECK(result.ways[25 * 4] == Way::network);
    CHECK(result.ways[25 * 10] == Way::bicubic);
    // By then a stay of at most 16 s that began within the spell is over.
    CHECK(std::all_of(result.ways.begin() + 25 * 35, result.ways.end(),
                      [](Way way) { return way == Way::network; }));
    CHECK(result.late < 20);
}

TEST_CASE("a network that is too slow gives way to the small one, and that to bicubic") {
    Governor fits({.small = true});
    const Run small = run(fits, 25 * 300, constant(60.0), constant(2.0), constant(20.0));
    CHECK(count(small, Way::bicubic) == 0);
    CHECK(count(small, Way::network) < 20);
    CHECK(small.late < 40);
    Governor fits_not({.small = true});
    const Run neither = run(fits_not, 25 * 300, constant(90.0), constant(2.0), constant(60.0));
    CHECK(count(neither, Way::network) + count(neither, Way::small) < 30);
    CHECK(neither.late < 40);
}

TEST_CASE("after a busy spell the governor goes up by the small network to the large one") {
    Governor governor({.small = true});
    const auto busy = [](double now) { return now > 5'000 && now < 15'000 ? 12.0 : 1.0; };
    const Run result = run(
        governor, 25 * 80, [&](double now) { return 8 * busy(now); }, constant(2.0),
        [&](double now) { return 4 * busy(now); });
    CHECK(result.ways[25 * 4] == Way::network);
    CHECK(result.ways[25 * 10] == Way::bicubic);
    CHECK(std::all_of(result.ways.begin() + 25 * 60, result.ways.end(),
                      [](Way way) { return way == Way::network; }));
    for (std::size_t i = 1; i < result.ways.size(); ++i) {
        // Never up by two at once.
        CHECK_FALSE((result.ways[i] == Way::network && result.ways[i - 1] == Way::bicubic));
    }
}

TEST_CASE("one slow frame changes nothing, two within a second do") {
    Governor governor;
    const auto hiccup = [](double now) { return now >= 4'000 && now < 4'040 ? 90.0 : 8.0; };
    const Run one = run(governor, 25 * 10, hiccup, constant(2.0));
    CHECK(count(one, Way::bicubic) == 0);
    CHECK(one.late <= 3);
    Governor second;
    const auto hiccups = [](double now) { return now >= 4'000 && now < 4'140 ? 90.0 : 8.0; };
    const Run two = run(second, 25 * 10, hiccups, constant(2.0));
    CHECK(second.retreats() == 1);
    CHECK(count(two, Way::bicubic) >= 25);
    CHECK(count(two, Way::bicubic) <= 30);
    CHECK(two.ways.back() == Way::network);
}

TEST_CASE("a frame that may stay for less than the network takes is bicubic") {
    Governor governor;
    int shown = 0;
    for (int frame = 0; frame < 1000; ++frame) {
        const Way way = governor.choose(frame * interval, {interval, 5.0, 5.0});
        shown += way == Way::network ? 1 : 0;
        governor.done(way, way == Way::network ? 8.0 : 1.0);
    }
    CHECK(shown < 10);
}

TEST_CASE("whatever the load, changes are rare and the network is not shown without time for it") {
    for (unsigned seed = 0; seed < 200; ++seed) {
        std::mt19937 random(seed);
        std::uniform_real_distribution<double> uniform(0.0, 1.0);
        const double level = 5.0 + 50.0 * uniform(random);
        const double spread = 40.0 * uniform(random);
        const auto load = [&](double) { return level + spread * uniform(random); };
        Governor governor;
        const int seconds = 120;
        const Run result = run(governor, 25 * seconds, load, constant(3.0));
        CAPTURE(seed);
        // Up and down again at most once a second.
        CHECK(result.changes <= 2 * seconds);
        for (std::size_t i = 1, stay = 0; i < result.ways.size(); ++i) {
            if (result.ways[i] == Way::bicubic) {
                ++stay;
            } else if (result.ways[i - 1] == Way::bicubic) {
                CHECK(stay >= 24);  // a second of 40 ms frames
                stay = 0;
            }
        }
        // Above the interval it can only be tried.
        if (level > interval) CHECK(count(result, Way::network) < 25 * seconds / 20);
        if (level + spread < 0.6 * interval) CHECK(count(result, Way::bicubic) == 0);
    }
}

TEST_CASE("a sink that is late is helped, and left alone when that does not help") {
    Governor governor;
    const Governor::Limits roomy{interval, interval, interval};
    double now = 0.0;
    const auto second = [&] {
        for (int i = 0; i < 25; ++i, now += interval) {
            governor.choose(now, roomy);
            governor.done(governor.way(), 5.0);
        }
    };
    second();
    governor.told_late(now);
    CHECK(governor.choose(now, roomy) == Way::bicubic);
    SUBCASE("its lateness ends") {
        for (int i = 0; i < 3; ++i) second();
        CHECK(governor.way() == Way::network);
        CHECK(governor.retreats() == 1);
    }
    SUBCASE("its lateness goes on") {
        for (int i = 0; i < 100; ++i, now += interval) {
            governor.told_late(now);
            governor.choose(now, roomy);
        }
        CHECK(governor.way() == Way::network);
        CHECK(governor.retreats() <= 3);
        const auto before = governor.retreats();
        for (int i = 0; i < 1000; ++i, now += interval) {
            governor.told_late(now);
            governor.choose(now, roomy);
            governor.done(governor.way(), 5.0);
        }
        CHECK(governor.retreats() == before);
        // After a time without a complaint the next one counts again.
        for (int i = 0; i < 12; ++i) second();
        governor.told_late(now);
        CHECK(governor.way() == Way::bicubic);
    }
}

TEST_CASE(
    "what a frame waited is its lateness above the least of ten seconds, whatever the offset") {
    for (const double offset : {-700.0, 0.0, 12.5, 3e6}) {
        WaitEstimate waits;
        CHECK(waits.add(0, offset + 5) == doctest::Approx(0));
        CHECK(waits.add(40, offset + 25) == doctest::Approx(20));
        CHECK(waits.add(80, offset + 3) == doctest::Approx(0));
        CHECK(waits.add(120, offset + 10) == doctest::Approx(7));
        // The clocks drift apart: what was least is too old.
        CHECK(waits.add(10'100, offset + 10) == doctest::Approx(0));
    }
    std::mt19937 random(7);
    WaitEstimate waits;
    for (int i = 0; i < 10'000; ++i) {
        CHECK(waits.add(i * 40.0, std::uniform_real_distribution<double>(-9, 9)(random)) >= 0.0);
    }
}
