// What the pacer promises to the video: simulated streams, no clock.
#include "gst/sender/patch_pacer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

namespace livesr::gst {
namespace {

constexpr std::uint64_t ms = 1'000'000;

// A link that is really there, to measure what the pacer allowed.
struct Link {
    double rate_bps;
    double bits = 0;
    std::uint64_t time_ns = 0;

    void advance(std::uint64_t now) {
        bits = std::max(0.0, bits - rate_bps * static_cast<double>(now - time_ns) / 1e9);
        time_ns = now;
    }
};

struct Outcome {
    double most_added_ms = 0;
    int sent = 0;
    int given_up = 0;
};

// 20 s at 25 frames a second, a key frame each 2 s; a patch of a random size becomes ready each 50
// ms.
Outcome run(std::uint32_t rate_bps, double video_share, std::size_t most_patch_bytes,
            unsigned seed) {
    std::mt19937 random(seed);
    PatchPacer pacer;
    pacer.set_rate(rate_bps);
    Link with{static_cast<double>(rate_bps)};
    Link without{static_cast<double>(rate_bps)};
    Outcome outcome;
    std::size_t waiting = 0;
    std::uint64_t waiting_since = 0;
    const double frame_bytes = rate_bps * video_share / 8 / 25;
    for (std::uint64_t now = ms; now < 20'000 * ms; now += 5 * ms) {
        with.advance(now);
        without.advance(now);
        const std::uint64_t step = now / ms;
        if (step % 40 == 1) {
            outcome.most_added_ms =
                std::max(outcome.most_added_ms, (with.bits - without.bits) / rate_bps * 1000);
            const double size = step % 2000 == 1 ? 6.0 : 0.9;
            const auto bytes = static_cast<std::size_t>(frame_bytes * size);
            with.bits += static_cast<double>(bytes) * 8;
            without.bits += static_cast<double>(bytes) * 8;
            pacer.video_sent(now, bytes);
        }
        if (waiting == 0 && step % 50 == 1) {
            waiting = 50 + random() % most_patch_bytes;
            waiting_since = now;
        }
        if (waiting == 0) continue;
        if (pacer.may_send(now, waiting)) {
            pacer.patch_sent(now, waiting);
            with.bits += static_cast<double>(waiting) * 8;
            ++outcome.sent;
            waiting = 0;
        } else if (now - waiting_since > PatchPacer::longest_wait_ns) {
            ++outcome.given_up;
            waiting = 0;
        }
    }
    return outcome;
}

}  // namespace

TEST_CASE("patches never delay the frame behind them by more than 20 ms") {
    for (const std::uint32_t rate_bps : {250'000U, 600'000U, 3'000'000U}) {
        for (const double video_share : {0.5, 0.9, 0.97}) {
            for (unsigned seed = 1; seed <= 3; ++seed) {
                const Outcome outcome = run(rate_bps, video_share, 2500, seed);
                CAPTURE(rate_bps);
                CAPTURE(video_share);
                CHECK(outcome.most_added_ms <= 20.5);
                CHECK(outcome.sent > 0);
            }
        }
    }
}

TEST_CASE("small patches all go while there is room") {
    const Outcome outcome = run(1'000'000, 0.9, 300, 1);
    CHECK(outcome.given_up == 0);
    CHECK(outcome.sent >= 320);
}

TEST_CASE("a patch that the rate has no room for between two frames is given up") {
    PatchPacer pacer;
    pacer.set_rate(250'000);
    pacer.video_sent(ms, 1000);
    // 12 kB are 384 ms of this link.
    CHECK(!pacer.may_send(2 * ms, 12'000));
    CHECK(!pacer.may_send(40 * ms, 12'000));
}

TEST_CASE("without a known rate nothing is held back") {
    PatchPacer pacer;
    pacer.video_sent(ms, 50'000);
    CHECK(pacer.may_send(2 * ms, 60'000));
}

TEST_CASE("time that stands still or runs back does no harm") {
    PatchPacer pacer;
    pacer.set_rate(1'000'000);
    pacer.video_sent(100 * ms, 1000);
    pacer.video_sent(100 * ms, 1000);
    pacer.patch_sent(50 * ms, 100);
    CHECK(pacer.may_send(60 * ms, 100));
}

}  // namespace livesr::gst
