// Patches that name their frame by the picture that carried them: by counting, by time, through a
// relay that drops pictures, out of order.
#include <set>

#include "alignment_fixture.h"

using livesr::gst::AlignedPatch;
using livesr::gst::Carrier;
using livesr::test::Plane;
using namespace livesr::test::alignment;

namespace {

// Of what frame `number` shows, carried by the picture `back` later.
ReceivedPatch carried(ReceivedPatch patch, int number, int back) {
    patch.hint_ns.reset();
    patch.carrier = Carrier{static_cast<std::uint64_t>(number + back) * frame_ns, back};
    return patch;
}
ReceivedPatch carried_jpeg(int number, int back) {
    return carried(patch_of(number, number), number, back);
}
ReceivedPatch carried_residual(int number, int back) {
    return carried(residual_of(number, number), number, back);
}

// Frame `number` shows what frame `shown` does.
void add_still(PatchAligner& aligner, int number, int shown) {
    const Plane low = low_frame(shown);
    aligner.add_frame(static_cast<std::uint64_t>(number) * frame_ns, frame_ns, low.pixels.data(),
                      low.width);
}

}  // namespace

TEST_CASE("a carried patch is paired with the frame that its carrier names") {
    for (const bool is_residual : {true, false}) {
        for (const int back : {0, 1, 3, 17}) {
            CAPTURE(is_residual);
            CAPTURE(back);
            PatchAligner aligner(options());
            for (int number = 0; number <= 8 + back + 2; ++number) add_frame(aligner, number);
            aligner.add_patch(is_residual ? carried_residual(8, back) : carried_jpeg(8, back));
            const auto pairs = aligner.take_aligned();
            REQUIRE(pairs.size() == 1);
            CHECK(pairs[0].media_time_ns == 8 * frame_ns);
            CHECK(pairs[0].frame_offset == 0);
        }
    }
}

TEST_CASE("in a still picture a carried patch is of the very frame that it was made from") {
    for (const bool is_residual : {true, false}) {
        // A frame before its carrier, and one after it, as B frames are.
        for (const int back : {4, -2}) {
            CAPTURE(is_residual);
            CAPTURE(back);
            PatchAligner aligner(options());
            std::vector<AlignedPatch> pairs;
            for (int number = 0; number < 40; ++number) {
                // It comes ahead of its carrier.
                if (number == 7) {
                    aligner.add_patch(
                        carried(is_residual ? residual_of(3, 12) : patch_of(3, 12), 12, back));
                }
                add_still(aligner, number, number < 3 ? number : 3);
                for (auto& pair : aligner.take_aligned()) pairs.push_back(std::move(pair));
            }
            REQUIRE(pairs.size() == 1);
            CHECK(pairs[0].media_time_ns == 12 * frame_ns);
            CHECK(pairs[0].frame_offset == 0);
        }
    }
}

TEST_CASE("a relay that drops pictures between a frame and its carrier loses the dropped only") {
    for (const bool is_residual : {true, false}) {
        CAPTURE(is_residual);
        PatchAligner aligner(options());
        std::set<std::uint64_t> found;
        std::set<std::uint64_t> wanted;
        for (int number = 0; number < 100; ++number) {
            // The patch of the frame five before, which this one carries.
            const bool is_dropped = number % 7 == 3;
            if (is_dropped) continue;
            if (number >= 5 && number < 80) {
                aligner.add_patch(is_residual ? carried_residual(number - 5, 5)
                                              : carried_jpeg(number - 5, 5));
                if ((number - 5) % 7 != 3) {
                    wanted.insert(static_cast<std::uint64_t>(number - 5) * frame_ns);
                }
            }
            add_frame(aligner, number);
            for (const auto& pair : aligner.take_aligned()) {
                found.insert(pair.media_time_ns);
                CHECK(pair.frame_offset == 0);
            }
        }
        // Those of dropped frames wait as long as one may be late.
        for (int number = 100; number < 180; ++number) {
            add_frame(aligner, number);
            aligner.take_aligned();
        }
        CHECK(found == wanted);
        CHECK(all_misfits(aligner) == 75 - 75 / 7 - wanted.size());
        CHECK(aligner.misfits(Misfit::misaligned) == 0);
    }
}

TEST_CASE("without a frame rate, gaps of any length between them, frames are found by counting") {
    // No frame rate in the caps, and gaps of all lengths.
    PatchAligner aligner(options());
    std::uint64_t time = 0;
    std::vector<std::uint64_t> times;
    for (int number = 0; number < 30; ++number) {
        time += frame_ns * static_cast<std::uint64_t>(number < 18 ? 1 + number % 2 : 4);
        times.push_back(time);
        const Plane low = low_frame(number);
        aligner.add_frame(time, 0, low.pixels.data(), low.width);
    }
    for (const bool is_residual : {true, false}) {
        ReceivedPatch patch = is_residual ? residual_of(14, 0) : patch_of(14, 0);
        patch.hint_ns.reset();
        patch.carrier = Carrier{times[20], 6};
        aligner.add_patch(std::move(patch));
    }
    const auto pairs = aligner.take_aligned();
    REQUIRE(pairs.size() == 2);
    CHECK(pairs[0].media_time_ns == times[14]);
    CHECK(pairs[1].media_time_ns == times[14]);
}

TEST_CASE("a carrier that lies loses no residual, and a JPEG patch only where nothing fits") {
    for (const int lie : {-9, -1, 1, 9}) {
        CAPTURE(lie);
        PatchAligner aligner(options());
        for (int number = 0; number < 30; ++number) add_frame(aligner, number);
        ReceivedPatch residual = carried_residual(12, 3);
        residual.carrier->back += lie;
        aligner.add_patch(std::move(residual));
        auto pairs = aligner.take_aligned();
        REQUIRE(pairs.size() == 1);
        CHECK(pairs[0].media_time_ns == 12 * frame_ns);
        CHECK(pairs[0].frame_offset == lie);
        ReceivedPatch jpeg = carried_jpeg(12, 3);
        jpeg.carrier->back += lie;
        aligner.add_patch(std::move(jpeg));
        pairs = aligner.take_aligned();
        // Content moves it by two frames at most.
        for (const auto& pair : pairs) CHECK(pair.media_time_ns == 12 * frame_ns);
        CHECK(pairs.size() == (lie == 1 || lie == -1 ? 1U : 0U));
    }
}

TEST_CASE("carriers at the ends of their ranges wait no longer than others, and harm nothing") {
    for (const std::uint64_t interval : {frame_ns, std::uint64_t{1} << 61, std::uint64_t{0}}) {
        PatchAligner aligner(options());
        for (int number = 0; number < 200; ++number) {
            if (number == 50) {
                for (const int back : {-32768, -1, 0, 1, 32767}) {
                    for (const std::uint64_t time :
                         {std::uint64_t{0}, 50 * frame_ns, std::uint64_t{1} << 61}) {
                        for (ReceivedPatch patch : {patch_of(900, 0), residual_of(900, 0)}) {
                            patch.hint_ns.reset();
                            patch.carrier = Carrier{time, back};
                            aligner.add_patch(std::move(patch));
                        }
                    }
                }
            }
            add_frame(aligner, number, interval);
            for (const auto& pair : aligner.take_aligned()) CHECK(pair.high.size() == 64 * 48);
        }
        CHECK(aligner.waiting() == 0);
    }
}

TEST_CASE("the sender's clock follows from carried patches of either kind") {
    for (const bool is_residual : {true, false}) {
        PatchAligner aligner(options());
        for (int number = 0; number < 20; ++number) add_frame(aligner, number);
        ReceivedPatch patch = is_residual ? carried_residual(8, 3) : carried_jpeg(8, 3);
        patch.sender_time_ns = 8 * frame_ns + 5'000'000'000;
        aligner.add_patch(std::move(patch));
        CHECK(aligner.take_aligned().size() == 1);
        CHECK(aligner.sender_offset_ns() == -5'000'000'000);
    }
}
