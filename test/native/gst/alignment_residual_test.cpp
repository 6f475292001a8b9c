// Residual patches meet the very frames that they were made from.
#include <memory>
#include <random>

#include "alignment_fixture.h"
#include "core/network/enhance.h"
#include "core/patch/residual.h"
#include "core/picture/crop.h"

using livesr::test::Plane;
using namespace livesr::test::alignment;

namespace {

// The residual of a patch at (40, 32), 64 x 48, of frame `number`, with the time stamp of
// `stamped`.
ReceivedPatch residual_of(int number, int stamped) {
    const Plane low = low_frame(number);
    const auto around = livesr::crop({low.pixels.data(), low.width, low.width, low.height}, 20, 16,
                                     32, 24, livesr::residual_margin);
    ReceivedPatch patch = patch_of(number, stamped);
    patch.residual = livesr::encode_residual(patch.high.data(), 64, {around, 64, 48, scale}, 8);
    patch.residual_step = 8;
    patch.high.clear();
    return patch;
}

}  // namespace

TEST_CASE("a residual is paired at once with the frame that it was made from") {
    PatchAligner aligner(options());
    for (int number = 0; number < 5; ++number) add_frame(aligner, number);
    aligner.add_patch(residual_of(4, 4));
    const auto pairs = aligner.take_aligned();
    REQUIRE(pairs.size() == 1);
    CHECK(pairs[0].media_time_ns == 4 * frame_ns);
    CHECK(pairs[0].frame_offset == 0);
    const Plane expected =
        livesr::test::crop(low_frame(4), 40 / 2 - 4, 32 / 2 - 4, 64 / 2 + 8, 48 / 2 + 8);
    CHECK(pairs[0].low == expected.pixels);
    const auto original = patch_of(4, 4).high;
    REQUIRE(pairs[0].high.size() == original.size());
    double squares = 0;
    for (std::size_t i = 0; i < original.size(); ++i) {
        squares += (pairs[0].high[i] - original[i]) * (pairs[0].high[i] - original[i]);
    }
    CHECK(squares / static_cast<double>(original.size()) < 8.0 * 8.0 / 8);
}

TEST_CASE(
    "a residual with a time stamp of a neighbour is found by its checksum, also when that comes "
    "later") {
    for (int error = -2; error <= 2; ++error) {
        CAPTURE(error);
        PatchAligner aligner(options());
        for (int number = 0; number < 6; ++number) add_frame(aligner, number);
        aligner.add_patch(residual_of(6, 6 - error));
        auto pairs = aligner.take_aligned();
        for (int number = 6; number < 10; ++number) {
            add_frame(aligner, number);
            for (auto& pair : aligner.take_aligned()) pairs.push_back(std::move(pair));
        }
        REQUIRE(pairs.size() == 1);
        CHECK(pairs[0].frame_offset == error);
        CHECK(pairs[0].media_time_ns == 6 * frame_ns);
    }
}

TEST_CASE("a residual of pixels that were never shown is dropped and counted, never used") {
    PatchAligner aligner(options());
    for (int number = 0; number < 5; ++number) add_frame(aligner, number);
    SUBCASE("the frame was damaged on its way") {
        Plane low = low_frame(5);
        low.pixels[static_cast<std::size_t>(20 * low.width + 30)] ^= 1;
        aligner.add_frame(5 * frame_ns, frame_ns, low.pixels.data(), low.width);
    }
    SUBCASE("the frame was lost") {}
    SUBCASE("it is of another place in time") { add_frame(aligner, 15); }
    aligner.add_patch(residual_of(5, 5));
    for (int number = 16; number < 20; ++number) {
        add_frame(aligner, number);
        CHECK(aligner.take_aligned().empty());
    }
    CHECK(all_misfits(aligner) == 1);
    CHECK(aligner.misfits(Misfit::other_frame) + aligner.misfits(Misfit::no_frame) == 1);
}

TEST_CASE("a residual that no encoder wrote is dropped and counted") {
    PatchAligner aligner(options());
    for (int number = 0; number < 5; ++number) add_frame(aligner, number);
    ReceivedPatch patch = residual_of(3, 3);
    patch.residual.push_back(0x55);
    patch.residual.push_back(0x55);
    patch.residual.push_back(0x55);
    patch.residual.push_back(0x55);
    patch.residual.push_back(0x55);
    aligner.add_patch(std::move(patch));
    CHECK(aligner.take_aligned().empty());
    CHECK(aligner.misfits(Misfit::undecodable) == 1);
}

TEST_CASE("a residual is read with what the network shows there, seen in its whole frame") {
    // Weights that show something else than bicubic.
    livesr::Network network = livesr::make_network({.scale = scale}, 3);
    std::mt19937 random(3);
    for (float& parameter : network.parameters) {
        parameter += static_cast<float>(static_cast<int>(random() % 201) - 100) / 2000.0F;
    }
    auto options = livesr::test::alignment::options();
    options.expectation = std::make_shared<const livesr::PackedNetwork>(network);
    PatchAligner aligner(options);
    for (int number = 0; number < 5; ++number) add_frame(aligner, number);
    const ReceivedPatch patch = residual_of(4, 4);
    aligner.add_patch(patch);
    const auto pairs = aligner.take_aligned();
    REQUIRE(pairs.size() == 1);

    const Plane low = low_frame(4);
    Plane shown = high_frame(4);
    livesr::EnhanceScratch scratch;
    livesr::enhance(*options.expectation, scratch, low.pixels.data(), low.width, low.width,
                    low.height, shown.pixels.data(), high_width, 0, low.height);
    const auto around = livesr::crop({low.pixels.data(), low.width, low.width, low.height}, 20, 16,
                                     32, 24, livesr::residual_margin);
    const livesr::LowCrop under{around, 64, 48, scale};
    const auto want = livesr::decode_residual(patch.residual, under, 8,
                                              livesr::test::crop(shown, 40, 32, 64, 48).pixels);
    REQUIRE(want);
    CHECK(pairs[0].high == *want);
    CHECK(pairs[0].high != *livesr::decode_residual(patch.residual, under, 8));
}
