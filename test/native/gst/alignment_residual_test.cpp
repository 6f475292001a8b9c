// Residual patches meet the very frames that they were made from.
#include <memory>
#include <random>

#include "alignment_fixture.h"
#include "core/network/enhance.h"
#include "core/patch/residual.h"
#include "core/picture/crop.h"

using livesr::test::Plane;
using namespace livesr::test::alignment;

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
    // It waits as long as a frame may be late.
    for (int number = 16; number < 93; ++number) {
        add_frame(aligner, number);
        CHECK(aligner.take_aligned().empty());
    }
    CHECK(aligner.waiting() == 0);
    CHECK(all_misfits(aligner) == 1);
    CHECK(aligner.misfits(Misfit::other_frame) + aligner.misfits(Misfit::no_frame) == 1);
}

TEST_CASE("a residual whose frame came with other pixels is told from one whose frame never came") {
    for (const bool came : {true, false}) {
        CAPTURE(came);
        PatchAligner aligner(options());
        for (int number = 0; number < 100; ++number) {
            // Encoded again, say.
            Plane low = low_frame(number);
            for (auto& pixel : low.pixels) pixel ^= 1;
            if (number != 5 || came) {
                aligner.add_frame(static_cast<std::uint64_t>(number) * frame_ns, frame_ns,
                                  low.pixels.data(), low.width);
            }
            if (number == 6) aligner.add_patch(residual_of(5, 5));
            CHECK(aligner.take_aligned().empty());
        }
        CHECK(aligner.misfits(came ? Misfit::other_frame : Misfit::no_frame) == 1);
        CHECK(all_misfits(aligner) == 1);
    }
}

TEST_CASE("a residual finds its frame whatever the transport says of its time") {
    PatchAligner aligner(options());
    int next = 0;
    const auto stamp = [&](int number) -> std::optional<std::uint64_t> {
        const auto right = static_cast<std::uint64_t>(number) * frame_ns;
        SUBCASE("it is right") { return right; }
        SUBCASE("it is missing") { return std::nullopt; }
        SUBCASE("it is the same for all") { return 3 * frame_ns; }
        SUBCASE("it is seconds late") { return right + 7'000'000'000; }
        SUBCASE("it is before all frames") { return 0; }
        SUBCASE("it begins again in mid-stream") {
            return number < 20 ? right : right - 20 * frame_ns;
        }
        return right;
    };
    std::vector<std::uint64_t> wanted;
    std::vector<std::uint64_t> found;
    for (const int delay : {-4, 0, 9}) {
        // A patch of each third frame: before its frame, with it, after it.
        for (const int first = next; next < first + 20; ++next) {
            const int of = next - delay;
            if (of % 3 == 0 && of >= first && of < first + 15) {
                ReceivedPatch patch = residual_of(of, of);
                patch.hint_ns = stamp(of);
                patch.sender_time_ns = static_cast<std::uint64_t>(of) * frame_ns + 5'000'000'000;
                wanted.push_back(static_cast<std::uint64_t>(of) * frame_ns);
                aligner.add_patch(std::move(patch));
            }
            add_frame(aligner, next);
            for (const auto& pair : aligner.take_aligned()) found.push_back(pair.media_time_ns);
        }
    }
    CHECK(wanted.size() >= 10);
    CHECK(found == wanted);
    CHECK(all_misfits(aligner) == 0);
    CHECK(aligner.sender_offset_ns() == -5'000'000'000);
}

TEST_CASE("in a still picture the frame that the sender's time names is taken") {
    PatchAligner aligner(options());
    for (int number = 0; number < 30; ++number) {
        const Plane low = low_frame(number < 3 ? number : 3);
        aligner.add_frame(static_cast<std::uint64_t>(number) * frame_ns, frame_ns,
                          low.pixels.data(), low.width);
    }
    ReceivedPatch moving = residual_of(2, 2);
    moving.hint_ns.reset();
    moving.sender_time_ns = 1'000'000'000 + 2 * frame_ns;
    aligner.add_patch(std::move(moving));
    ReceivedPatch still = residual_of(3, 3);
    still.hint_ns.reset();
    still.sender_time_ns = 1'000'000'000 + 11 * frame_ns;
    aligner.add_patch(std::move(still));
    const auto pairs = aligner.take_aligned();
    REQUIRE(pairs.size() == 2);
    CHECK(pairs[0].media_time_ns == 2 * frame_ns);
    CHECK(pairs[1].media_time_ns == 11 * frame_ns);
}

TEST_CASE("patches that wait are bounded in bytes, and misses in a row are counted") {
    PatchAligner::Options few = options();
    few.waiting_bytes = 3 * residual_of(0, 0).residual.size();
    PatchAligner aligner(few);
    add_frame(aligner, 1);
    for (int i = 0; i < 40; ++i) aligner.add_patch(residual_of(100 + i, 100 + i));
    CHECK(aligner.waiting() <= 6);
    CHECK(aligner.misfits(Misfit::overflow) >= 34);
    CHECK(aligner.misses_in_row() >= 34);
    aligner.add_patch(residual_of(1, 1));
    CHECK(aligner.take_aligned().size() == 1);
    CHECK(aligner.misses_in_row() == 0);
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
