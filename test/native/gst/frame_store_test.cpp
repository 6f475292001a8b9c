// The picker's store of frames: who is paired with whom, and that nothing is held without bound.
#include "gst/sender/frame_store.h"

#include <doctest/doctest.h>

using livesr::gst::FrameStore;
using livesr::gst::LumaFrame;

namespace {

constexpr GstClockTime ms = GST_MSECOND;
constexpr GstClockTime tolerance = 20 * ms;

LumaFrame frame_at(GstClockTime time) {
    LumaFrame frame;
    frame.running_time = frame.pts = time;
    return frame;
}

}  // namespace

TEST_CASE("frame store: the first frame of each 100 ms of media time is wanted") {
    FrameStore store;
    std::vector<GstClockTime> wanted;
    for (GstClockTime time = 0; time < 400 * ms; time += 40 * ms) {
        if (!store.wants(time)) continue;
        wanted.push_back(time / ms);
        store.add(frame_at(time));
    }
    CHECK(wanted == std::vector<GstClockTime>{0, 120, 200, 320});
}

TEST_CASE(
    "frame store: a picture finds its frame within the tolerance, and older ones are given up") {
    FrameStore store;
    for (const GstClockTime time : {0 * ms, 100 * ms, 200 * ms, 300 * ms})
        store.add(frame_at(time));
    CHECK_FALSE(store.take(50 * ms, tolerance));
    CHECK(store.unpaired() == 1);
    const auto frame = store.take(205 * ms, tolerance);
    REQUIRE(frame);
    CHECK(frame->running_time == 200 * ms);
    CHECK(store.unpaired() == 2);
    CHECK_FALSE(store.take(240 * ms, tolerance));
    CHECK(store.take(280 * ms, tolerance));
    CHECK_FALSE(store.take(280 * ms, tolerance));
}

TEST_CASE("frame store: frames whose pictures never come do not pile up") {
    FrameStore store;
    for (GstClockTime n = 0; n < 1000; ++n) store.add(frame_at(n * 100 * ms));
    CHECK(store.unpaired() == 1000 - FrameStore::most_waiting);
    CHECK(store.take(999 * 100 * ms, tolerance));
}

TEST_CASE("frame store: an offer is answered once, in any order") {
    FrameStore store;
    const auto first = store.offer(frame_at(0));
    const auto second = store.offer(frame_at(100 * ms));
    CHECK(second == first + 1);
    CHECK(store.answered(second)->running_time == 100 * ms);
    CHECK(store.answered(first)->running_time == 0);
    CHECK_FALSE(store.answered(first));
    CHECK_FALSE(store.answered(second + 1));
    CHECK(store.unanswered() == 0);
}

TEST_CASE("frame store: an offer is void after ten newer ones") {
    FrameStore store;
    const auto first = store.offer(frame_at(0));
    for (GstClockTime n = 1; n < FrameStore::most_offered; ++n) store.offer(frame_at(n * 100 * ms));
    const auto last = store.offer(frame_at(1000 * ms));
    CHECK_FALSE(store.answered(first));
    CHECK(store.answered(last));
    CHECK(store.unanswered() == 1);
}

TEST_CASE("frame store: after a clear it starts anew, with numbers that were not used before") {
    FrameStore store;
    store.add(frame_at(0));
    const auto offer = store.offer(frame_at(0));
    store.clear();
    CHECK(store.wants(0));
    CHECK_FALSE(store.answered(offer));
    CHECK_FALSE(store.take(0, tolerance));
    CHECK(store.offer(frame_at(0)) > offer);
}

TEST_CASE(
    "frame store: large frames have a budget in bytes, and the newest stays whatever it takes") {
    FrameStore store;
    const auto large = [](GstClockTime time, std::size_t mebibytes) {
        LumaFrame frame = frame_at(time);
        frame.pixels.resize(mebibytes << 20);
        return frame;
    };
    for (GstClockTime time = 0; time < 1000 * ms; time += 100 * ms) store.add(large(time, 16));
    CHECK(store.unpaired() == 4);
    CHECK(store.take(900 * ms, tolerance));
    for (int n = 0; n < 10; ++n) store.offer(large(n * 100 * ms, 16));
    CHECK(store.unanswered() == 4);
    store.offer(large(1000 * ms, 200));
    CHECK(store.unanswered() == 10);
    CHECK(store.answered(10));
}
