// Patches meet their frames: by time, by content, early, late, never.
#include <algorithm>
#include <random>
#include <tuple>

#include "alignment_fixture.h"
#include "core/patch/residual.h"
#include "core/picture/crop.h"
#include "gst/enhancer/patch_input.h"

using livesr::gst::AlignedPatch;
using livesr::test::Plane;
using namespace livesr::test::alignment;

TEST_CASE("a patch is paired with the frame of its running time once two more frames have come") {
    PatchAligner aligner(options());
    for (int number = 0; number < 5; ++number) add_frame(aligner, number);
    aligner.add_patch(patch_of(4, 4));
    CHECK(aligner.take_aligned().empty());
    add_frame(aligner, 5);
    CHECK(aligner.take_aligned().empty());
    add_frame(aligner, 6);
    const auto pairs = aligner.take_aligned();
    REQUIRE(pairs.size() == 1);
    CHECK(pairs[0].media_time_ns == 4 * frame_ns);
    CHECK(pairs[0].sequence == 4);
    CHECK(pairs[0].frame_offset == 0);
    CHECK(pairs[0].x == 40);
    CHECK(pairs[0].width == 64);
    CHECK(pairs[0].high == patch_of(4, 4).high);
    const Plane expected =
        livesr::test::crop(low_frame(4), 40 / 2 - 4, 32 / 2 - 4, 64 / 2 + 8, 48 / 2 + 8);
    CHECK(pairs[0].low == expected.pixels);
    CHECK(aligner.waiting() == 0);
}

TEST_CASE("a time stamp that is off by up to two frames is corrected by content") {
    for (int error = -2; error <= 2; ++error) {
        CAPTURE(error);
        PatchAligner aligner(options());
        for (int number = 0; number < 12; ++number) add_frame(aligner, number);
        aligner.add_patch(patch_of(6, 6 - error));
        const auto pairs = aligner.take_aligned();
        REQUIRE(pairs.size() == 1);
        CHECK(pairs[0].frame_offset == error);
        CHECK(pairs[0].media_time_ns == 6 * frame_ns);
    }
}

TEST_CASE("time stamps may differ by half a frame and no more") {
    for (const auto& [shift_ns, found] : {std::pair{19'000'000, true}, {-19'000'000, true}}) {
        PatchAligner aligner(options());
        for (int number = 0; number < 12; ++number) add_frame(aligner, number);
        ReceivedPatch patch = patch_of(6, 6);
        *patch.hint_ns += static_cast<std::uint64_t>(shift_ns);
        aligner.add_patch(std::move(patch));
        CHECK(aligner.take_aligned().size() == (found ? 1U : 0U));
    }
    // Frame 6 was lost: its neighbours are a whole frame away.
    PatchAligner aligner(options());
    for (const int number : {3, 4, 5, 7, 8, 9}) add_frame(aligner, number);
    aligner.add_patch(patch_of(6, 6));
    CHECK(aligner.take_aligned().empty());
    CHECK(aligner.misfits(Misfit::no_frame) == 1);
}

TEST_CASE("without a frame rate the gap between frames is taken") {
    PatchAligner aligner(options());
    for (int number = 0; number < 12; ++number) add_frame(aligner, number, 0);
    ReceivedPatch patch = patch_of(6, 6);
    *patch.hint_ns += 11'000;  // the 90 kHz clock of MPEG-TS
    aligner.add_patch(std::move(patch));
    CHECK(aligner.take_aligned().size() == 1);
}

TEST_CASE("a patch that comes before its frame waits for it") {
    PatchAligner aligner(options());
    aligner.add_patch(patch_of(3, 3));
    for (int number = 0; number < 5; ++number) {
        add_frame(aligner, number);
        CHECK(aligner.take_aligned().empty());
    }
    add_frame(aligner, 5);
    const auto pairs = aligner.take_aligned();
    REQUIRE(pairs.size() == 1);
    CHECK(pairs[0].media_time_ns == 3 * frame_ns);
}

TEST_CASE("a patch whose frame has left the history is counted as one without a frame") {
    PatchAligner::Options short_history = options();
    short_history.history_ns = 5 * frame_ns;
    PatchAligner aligner(short_history);
    for (int number = 0; number < 20; ++number) add_frame(aligner, number);
    aligner.add_patch(patch_of(3, 3));
    CHECK(aligner.take_aligned().empty());
    CHECK(aligner.misfits(Misfit::no_frame) == 1);
    CHECK(aligner.waiting() == 0);
}

TEST_CASE("a patch from a time that never comes is given up") {
    PatchAligner::Options short_history = options();
    short_history.history_ns = 5 * frame_ns;
    PatchAligner aligner(short_history);
    add_frame(aligner, 0);
    aligner.add_patch(patch_of(0, 1000));
    for (int number = 1; number <= 5; ++number) add_frame(aligner, number);
    CHECK(aligner.take_aligned().empty());
    CHECK(aligner.waiting() == 1);
    add_frame(aligner, 6);
    CHECK(aligner.take_aligned().empty());
    CHECK(aligner.waiting() == 0);
    CHECK(aligner.misfits(Misfit::no_frame) == 1);
}

TEST_CASE("the history keeps to its bytes") {
    PatchAligner::Options small = options();
    small.history_bytes =
        4U * static_cast<std::size_t>(small.width) * static_cast<std::size_t>(small.height);
    PatchAligner aligner(small);
    for (int number = 0; number < 20; ++number) add_frame(aligner, number);
    aligner.add_patch(patch_of(17, 17));
    aligner.add_patch(patch_of(15, 15));
    const auto pairs = aligner.take_aligned();
    REQUIRE(pairs.size() == 1);
    CHECK(pairs[0].sequence == 17);
    CHECK(aligner.misfits(Misfit::no_frame) == 1);
}

TEST_CASE("a patch of another picture is refused") {
    PatchAligner aligner(options());
    for (int number = 0; number < 12; ++number) add_frame(aligner, number);
    ReceivedPatch patch = patch_of(6, 6);
    patch.high =
        livesr::test::crop(livesr::test::texture(high_width, high_height, 0, 77), 40, 32, 64, 48)
            .pixels;
    for (std::uint8_t& pixel : patch.high) pixel = static_cast<std::uint8_t>(255 - pixel);
    aligner.add_patch(std::move(patch));
    CHECK(aligner.take_aligned().empty());
    CHECK(aligner.misfits(Misfit::misaligned) == 1);
}

TEST_CASE(
    "a still picture keeps the match by time although a neighbour is closer by coding noise") {
    PatchAligner aligner(options());
    const Plane clean = low_frame(0);
    for (int number = 0; number < 12; ++number) {
        Plane coded = clean;
        // Later frames of a still scene are coded a little better.
        for (std::size_t i = 0; i < coded.pixels.size(); i += 4) {
            coded.pixels[i] =
                static_cast<std::uint8_t>(std::min(255, coded.pixels[i] + 40 - number));
        }
        aligner.add_frame(static_cast<std::uint64_t>(number) * frame_ns, frame_ns,
                          coded.pixels.data(), coded.width);
    }
    aligner.add_patch(patch_of(0, 6));
    const auto pairs = aligner.take_aligned();
    REQUIRE(pairs.size() == 1);
    CHECK(pairs[0].frame_offset == 0);
}

TEST_CASE("the margin of a crop at the frame's corner repeats the frame's edge") {
    PatchAligner aligner(options());
    for (int number = 0; number < 6; ++number) add_frame(aligner, number);
    aligner.add_patch(patch_of(2, 2, 0, 0, 32, 32));
    aligner.add_patch(patch_of(2, 2, high_width - 32, high_height - 32, 32, 32));
    const auto pairs = aligner.take_aligned();
    REQUIRE(pairs.size() == 2);
    const Plane low = low_frame(2);
    const int side = 16 + 8;
    for (int corner = 0; corner < 2; ++corner) {
        const int left = corner == 0 ? 0 : low.width - 16;
        const int top = corner == 0 ? 0 : low.height - 16;
        for (int y = 0; y < side; ++y) {
            for (int x = 0; x < side; ++x) {
                const int from_x = std::clamp(left + x - 4, 0, low.width - 1);
                const int from_y = std::clamp(top + y - 4, 0, low.height - 1);
                const auto at = static_cast<std::size_t>(y * side + x);
                REQUIRE(pairs[static_cast<std::size_t>(corner)].low[at] ==
                        low.pixels[static_cast<std::size_t>(from_y * low.width + from_x)]);
            }
        }
    }
}

TEST_CASE("a patch that does not lie within the frame on its grid is refused") {
    PatchAligner aligner(options());
    aligner.add_patch(patch_of(0, 0, 0, 0, 64, 48));
    for (const auto& [x, y, width, height] : {std::tuple{-2, 0, 32, 32},
                                              {high_width - 30, 0, 32, 32},
                                              {0, high_height, 32, 32},
                                              {1, 0, 32, 32},
                                              {0, 0, 31, 32},
                                              {0, 0, 0, 32},
                                              {0, 0, high_width + 2, 32}}) {
        ReceivedPatch patch;
        patch.x = x;
        patch.y = y;
        patch.width = width;
        patch.height = height;
        patch.high.resize(512 * 512);
        aligner.add_patch(std::move(patch));
    }
    CHECK(aligner.misfits(Misfit::outside) == 7);
    CHECK(aligner.waiting() == 1);
}

TEST_CASE("too many waiting patches push out the oldest") {
    PatchAligner::Options few = options();
    few.waiting_limit = 3;
    PatchAligner aligner(few);
    for (int number = 2; number < 7; ++number) aligner.add_patch(patch_of(number, number));
    CHECK(aligner.waiting() == 3);
    CHECK(aligner.misfits(Misfit::overflow) == 2);
    std::vector<AlignedPatch> pairs;
    for (int number = 0; number < 10; ++number) {
        add_frame(aligner, number);
        for (auto& pair : aligner.take_aligned()) pairs.push_back(std::move(pair));
    }
    REQUIRE(pairs.size() == 3);
    CHECK(pairs[0].sequence == 4);
}

TEST_CASE("time that runs backwards begins a new history") {
    PatchAligner aligner(options());
    for (int number = 50; number < 60; ++number) add_frame(aligner, number);
    aligner.add_patch(patch_of(2, 2));  // of the stream that begins anew
    for (int number = 0; number < 5; ++number) add_frame(aligner, number);
    CHECK(aligner.take_aligned().size() == 1);
    aligner.add_patch(patch_of(55, 55));
    for (int number = 5; number < 10; ++number) add_frame(aligner, number);
    CHECK(aligner.take_aligned().empty());
}

TEST_CASE("clearing forgets frames and patches and keeps the counts") {
    PatchAligner aligner(options());
    for (int number = 0; number < 6; ++number) add_frame(aligner, number);
    aligner.add_patch(patch_of(3, 3));
    ReceivedPatch outside = patch_of(3, 3);
    outside.x = -2;
    aligner.add_patch(std::move(outside));
    aligner.clear();
    CHECK(aligner.waiting() == 0);
    CHECK(aligner.take_aligned().empty());
    CHECK(all_misfits(aligner) == 1);
}

// Lockstep rests on this: the patches pad may run ahead of the video by any amount, as long as it
// is not behind.
TEST_CASE("which thread was first makes no difference when patches say since when they are known") {
    struct Arrival {
        ReceivedPatch patch;
        std::uint64_t reached_ns;  // pad time after it
    };
    std::mt19937 random(7);
    std::vector<Arrival> arrivals;
    std::uint64_t reached_ns = 0;
    for (int i = 0; i < 40; ++i) {
        const int frame = static_cast<int>(random() % 60);
        ReceivedPatch patch = patch_of(frame, frame, static_cast<int>(random() % 30) * 2, 32);
        patch.sequence = static_cast<std::uint32_t>(i);
        patch.known_since_ns = reached_ns;
        // Patches lag behind their frames by up to half a second, and never lead them.
        reached_ns = std::max(reached_ns, *patch.hint_ns);
        arrivals.push_back({std::move(patch), reached_ns});
    }
    const auto run = [&](unsigned seed) {
        std::mt19937 ahead(seed);
        PatchAligner aligner(options());
        std::vector<std::tuple<int, std::uint32_t, std::uint64_t>> result;
        std::size_t next = 0;
        for (int number = 0; number < 64; ++number) {
            const std::uint64_t now = static_cast<std::uint64_t>(number) * frame_ns;
            std::size_t available = next;
            while (available < arrivals.size() &&
                   (available == 0 || arrivals[available - 1].reached_ns < now)) {
                ++available;
            }
            if (seed != 0) available = std::min(arrivals.size(), available + ahead() % 8);
            for (; next < available; ++next) aligner.add_patch(arrivals[next].patch);
            add_frame(aligner, number);
            for (const auto& pair : aligner.take_aligned()) {
                result.emplace_back(number, pair.sequence, pair.media_time_ns);
            }
        }
        return result;
    };
    const auto expected = run(0);
    CHECK(expected.size() > 10);
    for (unsigned seed = 1; seed < 20; ++seed) CHECK(run(seed) == expected);
}

TEST_CASE("the low-resolution size of a true size is that of the padded picture") {
    using livesr::lowres_side;
    CHECK(lowres_side(1920, 3) == 640);
    CHECK(lowres_side(1918, 2) == 960);
    CHECK(lowres_side(1, 4) == 2);
    CHECK(lowres_side(1081, 2) == 542);
}

TEST_CASE("no packet, however odd, makes the reader or the aligner fail") {
    std::mt19937 random(11);
    const auto below = [&random](unsigned n) { return static_cast<int>(random() % n); };
    livesr::gst::PatchInput input(scale);
    PatchAligner aligner(options());
    std::uint64_t read = 0;
    int frame = 0;
    for (int round = 0; round < 3000; ++round) {
        const int width = 2 + 2 * below(32);
        const int height = 2 + 2 * below(32);
        livesr::PacketHeader header;
        header.scale = static_cast<std::uint8_t>(below(3) == 0 ? below(256) : scale);
        header.sequence = static_cast<std::uint32_t>(round);
        header.frame_width = static_cast<std::uint16_t>(below(3) == 0 ? below(65536) : high_width);
        header.frame_height = static_cast<std::uint16_t>(high_height);
        livesr::CodedPatch patch;
        patch.x = static_cast<std::uint16_t>(below(2) == 0 ? below(65536) : 2 * below(60));
        patch.y = static_cast<std::uint16_t>(below(2) == 0 ? below(65536) : 2 * below(40));
        patch.width = static_cast<std::uint16_t>(below(4) == 0 ? below(65536) : width);
        patch.height = static_cast<std::uint16_t>(below(4) == 0 ? below(65536) : height);
        patch.quality = 90;
        const Plane picture = livesr::test::texture(width, height, round);
        std::vector<std::uint8_t> payload =
            livesr::encode_jpeg_luma(picture.pixels.data(), width, width, height, 90);
        if (below(2) == 0) {
            patch.codec = livesr::PatchCodec::residual;
            const Plane low = low_frame(round % 40);
            const auto around =
                livesr::crop({low.pixels.data(), low.width, low.width, low.height},
                             patch.x % low_width / scale, patch.y % low_height / scale,
                             width / scale, height / scale, livesr::residual_margin);
            payload = livesr::encode_residual(picture.pixels.data(), width,
                                              {around, width, height, scale}, 90);
        }
        patch.payload = payload;
        const int patches = below(4);
        const std::vector<livesr::CodedPatch> several(static_cast<std::size_t>(patches), patch);
        auto bytes = livesr::write_packet(header, several);
        // Some are damaged after their checksum was made, some follow one another in a buffer.
        if (below(4) == 0)
            bytes[static_cast<std::size_t>(below(static_cast<unsigned>(bytes.size())))] ^= 0x10U;
        if (below(4) == 0)
            bytes.insert(bytes.end(), bytes.begin(),
                         bytes.begin() + below(static_cast<unsigned>(bytes.size())));
        auto arrivals =
            input.read(bytes, {.now_ns = static_cast<std::uint64_t>(round) * 1'000'000'000,
                               .hint_ns = static_cast<std::uint64_t>(below(400)) * frame_ns,
                               .interval_ns = frame_ns});
        read += arrivals.patches.size();
        for (ReceivedPatch& patch : arrivals.patches) aligner.add_patch(std::move(patch));
        if (below(8) == 0) {
            add_frame(aligner, frame++);
            for (const AlignedPatch& pair : aligner.take_aligned()) {
                REQUIRE(pair.high.size() == static_cast<std::size_t>(pair.width * pair.height));
                REQUIRE(pair.x + pair.width <= high_width);
            }
        }
    }
    CHECK(read > 100);
    CHECK(aligner.waiting() <= options().waiting_limit);
}
