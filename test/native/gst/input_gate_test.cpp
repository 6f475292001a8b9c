// What srenhancer lets in: time that steps back, pictures that are too large.
#include "gst/enhancer/input_gate.h"

#include "engine_fixture.h"
#include "enhancer_harness.h"

using livesr::gst::SteadyTime;
using namespace livesr::test;

namespace {
constexpr std::uint64_t frame_ns = 40'000'000;
constexpr std::uint64_t second_ns = 1'000'000'000;
}  // namespace

TEST_CASE("steady time: frames of before an outage that come again are stale") {
    SteadyTime time;
    for (int i = 0; i < 50; ++i) {
        const auto at = static_cast<std::uint64_t>(i) * frame_ns;
        CHECK(time.next(at, frame_ns) == at);
    }
    // Resumed 1.87 s before.
    std::uint64_t at = 49 * frame_ns - 1'870'000'000;
    int dropped = 0;
    while (!time.next(at, frame_ns)) {
        at += frame_ns;
        ++dropped;
    }
    CHECK(dropped == 47);
    CHECK(at >= 49 * frame_ns);
    CHECK(time.stale() == 47);
    CHECK(time.shifts() == 0);
}

TEST_CASE("steady time: a timeline that begins again far back follows the one before") {
    SteadyTime time;
    CHECK(time.next(100 * second_ns, frame_ns) == 100 * second_ns);
    CHECK(time.next(second_ns, frame_ns) == 100 * second_ns + frame_ns);
    CHECK(time.next(second_ns + frame_ns, frame_ns) == 100 * second_ns + 2 * frame_ns);
    CHECK(time.shifts() == 1);
    CHECK(time.next(0, 0) == std::nullopt);
}

TEST_CASE("steady time: jumps to and fro neither step back nor add up") {
    SteadyTime time;
    constexpr std::uint64_t furthest = 1ULL << 61U;
    std::uint64_t latest = *time.next(0, frame_ns);
    for (int i = 0; i < 100; ++i) {
        for (const std::uint64_t at : {furthest, std::uint64_t{0}, furthest / 2}) {
            // A frame rate of one picture in 68 years.
            const auto next = time.next(at, furthest);
            REQUIRE(next);
            CHECK(*next > latest);
            CHECK(*next - latest <= SteadyTime::longest_step_ns);
            latest = *next;
        }
    }
    CHECK(time.shifts() == 300);
    // An outage is none of these.
    const std::uint64_t shifted = *time.next(furthest / 2 + 600 * second_ns, frame_ns);
    CHECK(shifted == latest + 600 * second_ns);
}

TEST_CASE("the output's time stamps never step back") {
    EnhancerHarness harness("training=off model=bicubic scale=2");
    harness.set_caps(GST_VIDEO_FORMAT_I420, 64, 48);
    std::uint64_t latest = 0;
    int shown = 0;
    // An outage after which the stream resumes a second before, then a timeline from its beginning.
    for (const auto& [first, last] : {std::pair{0, 500}, {475, 600}, {0, 50}}) {
        for (int number = first; number < last; ++number) {
            GstBuffer* out = harness.enhance(number);
            if (out == nullptr) continue;
            CHECK((shown == 0 || GST_BUFFER_PTS(out) >= latest));
            latest = GST_BUFFER_PTS(out);
            ++shown;
            gst_buffer_unref(out);
        }
    }
    CHECK(harness.count("frames-stale") == 24);
    CHECK(harness.count("time-shifts") == 1);
    CHECK(harness.count("frames") == static_cast<std::uint64_t>(shown));
    CHECK(shown == 500 + 101 + 50);
}

TEST_CASE("pictures that are too large are refused, said once, and the stream goes on") {
    EnhancerHarness harness("training=off model=bicubic max-width=256 max-height=256");
    int number = 0;
    for (const auto& [side, passes] :
         {std::pair{64, true}, {300, false}, {128, true}, {512, false}, {32, true}}) {
        harness.set_caps(GST_VIDEO_FORMAT_I420, side, side);
        for (int i = 0; i < 5; ++i) {
            CAPTURE(side);
            GstBuffer* out = harness.enhance(number++);
            CHECK((out != nullptr) == passes);
            if (out == nullptr) continue;
            gst_buffer_unref(out);
            CHECK(harness.output_size() == std::pair{2 * side, 2 * side});
        }
    }
    CHECK(harness.count("pictures-refused") == 10);
    CHECK(count_warnings(harness, "max-width") == 1);
}

TEST_CASE("an announced size of 65535x65535 changes nothing and is said once") {
    EnhancerHarness harness("training=off model=bicubic");
    harness.set_caps(GST_VIDEO_FORMAT_I420, 64, 48);
    for (int number = 0; number < 5; ++number) {
        harness.push_patch_bytes(harness.announcement(65535, 65535), number);
        GstBuffer* out = harness.enhance(number);
        REQUIRE(out != nullptr);
        gst_buffer_unref(out);
        CHECK(harness.output_size() == std::pair{128, 96});
    }
    CHECK(harness.count("sizes-refused") == 5);
    CHECK(count_warnings(harness, "65535x65535") == 1);
}
