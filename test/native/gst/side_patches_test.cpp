// Patches that came beside the stream find their frames by content, or are dropped.
#include "gst/enhancer/side_patches.h"

#include <map>

#include "alignment_fixture.h"
#include "gst/enhancer/media_time.h"
#include "gst/enhancer/sender_clock.h"

using livesr::test::Plane;
using namespace livesr::gst;
using namespace livesr::test::alignment;

namespace {

// The sender's clock is so much ahead of the stream's.
constexpr std::uint64_t ahead_ns = 7'000'123'456;

// A patch of frame `number` that only says when that was at the sender.
ReceivedPatch beside(int number, int shown, std::uint32_t stream_id = 1,
                     std::uint64_t clock_ahead_ns = ahead_ns) {
    ReceivedPatch patch = patch_of(shown, 0);
    patch.sequence = static_cast<std::uint32_t>(number);
    patch.stream_id = stream_id;
    patch.sender_time_ns = static_cast<std::uint64_t>(number) * frame_ns + clock_ahead_ns;
    patch.hint_ns.reset();
    return patch;
}

struct Placed {
    SidePatches side;
    PatchAligner aligner{options()};
    std::map<int, int> frames;  // by patch

    // Shows frames [from, to); of each fifth comes a patch, `delay` frames after it (before, where
    // that is negative). `shown` says what stands in the patch of a frame.
    template <class Shown>
    void play(int from, int to, int delay, Shown shown, bool moving = true,
              std::uint32_t stream_id = 1, std::uint64_t clock_ahead_ns = ahead_ns) {
        for (int number = from; number < to; ++number) {
            const Plane low = low_frame(moving ? number : 0);
            aligner.add_frame(static_cast<std::uint64_t>(number) * frame_ns, frame_ns,
                              low.pixels.data(), low.width);
            const int of = number - delay;
            if (of >= 0 && of % 5 == 0) {
                side.add(beside(of, shown(of), stream_id, clock_ahead_ns), aligner);
            }
            for (const ReceivedPatch& patch : side.take_placed(aligner)) {
                frames[static_cast<int>(patch.sequence)] =
                    static_cast<int>(*patch.hint_ns / frame_ns);
            }
        }
    }
};

constexpr auto itself = [](int number) { return number; };

}  // namespace

TEST_CASE("patches beside the stream find their frames, whichever comes first") {
    for (const int delay : {-40, -3, 0, 20}) {
        CAPTURE(delay);
        Placed placed;
        placed.play(0, 300, delay, itself);
        CHECK(placed.side.clock_offset_ns().has_value());
        CHECK(placed.side.calibrations() == 1);
        CHECK(placed.frames.size() > 20);
        for (const auto& [patch, frame] : placed.frames) CHECK(frame == patch);
        CHECK(placed.side.counts().elsewhere == 0);
    }
}

TEST_CASE("where nothing moves no constant is guessed, and no patch is used") {
    Placed placed;
    placed.play(
        0, 300, 0, [](int) { return 0; }, false);
    CHECK_FALSE(placed.side.clock_offset_ns().has_value());
    CHECK(placed.frames.empty());
    CHECK(placed.side.counts().unplaced > 20);
}

TEST_CASE("patches later or earlier than any frame that is compared are dropped") {
    Placed placed;
    placed.play(0, 400, 120, itself);  // 4.8 s
    CHECK(placed.frames.empty());
    CHECK(placed.side.counts().unplaced > 20);
}

TEST_CASE("a patch that shows another frame than its time says is not used") {
    Placed placed;
    placed.play(0, 200, 0, itself);
    REQUIRE(placed.side.clock_offset_ns().has_value());
    placed.frames.clear();
    // Now and then an encoder repeats a frame.
    placed.play(200, 240, 0, [](int number) { return number % 10 == 0 ? number - 1 : number; });
    CHECK(placed.frames.size() >= 3);
    for (const auto& [patch, frame] : placed.frames) {
        CHECK(frame == patch);
        CHECK(patch % 10 != 0);
    }
    CHECK(placed.side.counts().elsewhere >= 2);
    CHECK(placed.side.calibrations() == 1);
}

TEST_CASE("a clock that has jumped is found anew, and nothing is used wrongly meanwhile") {
    Placed placed;
    placed.play(0, 200, 0, itself);
    REQUIRE(placed.side.clock_offset_ns().has_value());
    placed.frames.clear();
    placed.play(200, 600, 0, itself, true, 1, ahead_ns + 5 * frame_ns);
    CHECK(placed.side.calibrations() == 2);
    CHECK(placed.frames.size() > 20);
    for (const auto& [patch, frame] : placed.frames) CHECK(frame == patch);
}

TEST_CASE("another stream of the sender has another clock") {
    Placed placed;
    placed.play(0, 200, 0, itself);
    REQUIRE(placed.side.clock_offset_ns().has_value());
    placed.side.add(beside(200, 200, 2, 0), placed.aligner);
    CHECK_FALSE(placed.side.clock_offset_ns().has_value());
}

TEST_CASE("residuals and patches outside the frame are dropped") {
    Placed placed;
    add_frame(placed.aligner, 0);
    ReceivedPatch residual = beside(0, 0);
    residual.high.clear();
    residual.residual = {1, 2, 3, 4};
    placed.side.add(residual, placed.aligner);
    ReceivedPatch outside = beside(0, 0);
    outside.x = high_width;
    placed.side.add(outside, placed.aligner);
    CHECK(placed.side.counts().unplaced == 2);
    CHECK(placed.side.take_placed(placed.aligner).empty());
}

TEST_CASE("times at the end of the range harm nothing") {
    Placed placed;
    for (int number = 0; number < 100; ++number) {
        add_frame(placed.aligner, number);
        ReceivedPatch patch = beside(number, number);
        patch.sender_time_ns =
            livesr::gst::longest_time_ns - static_cast<std::uint64_t>(number % 3) * frame_ns;
        placed.side.add(std::move(patch), placed.aligner);
        placed.side.take_placed(placed.aligner);
    }
    CHECK(placed.side.counts().received == 100);
}

TEST_CASE("frames that begin anew make what was known void") {
    Placed placed;
    placed.play(0, 200, 0, itself);
    REQUIRE(placed.side.clock_offset_ns().has_value());
    add_frame(placed.aligner, 3);
    CHECK(placed.side.take_placed(placed.aligner).empty());
    CHECK_FALSE(placed.side.clock_offset_ns().has_value());
}
