// The matcher's thread, its queues and what it reports.
#include "gst/enhancer/patch_matcher.h"

#include <atomic>
#include <chrono>

#include "alignment_fixture.h"
#include "core/patch/residual.h"
#include "core/picture/crop.h"

using livesr::test::Plane;
using namespace livesr::gst;
using namespace livesr::test::alignment;

namespace {

ReceivedPatch residual_of(int number) {
    const Plane low = low_frame(number);
    const auto around = livesr::crop({low.pixels.data(), low.width, low.width, low.height}, 20, 16,
                                     32, 24, livesr::residual_margin);
    ReceivedPatch patch = patch_of(number, number);
    patch.residual = livesr::encode_residual(patch.high.data(), 64, {around, 64, 48, scale}, 8);
    patch.residual_step = 8;
    patch.high.clear();
    return patch;
}

void add_frame(PatchMatcher& matcher, int number, bool keep = true) {
    const Plane low = low_frame(number);
    matcher.add_frame(static_cast<std::uint64_t>(number) * frame_ns, frame_ns, low.pixels.data(),
                      low.width, keep);
}

template <class Condition>
bool eventually(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
}

}  // namespace

TEST_CASE("matcher: in lockstep a pair is there when add_frame returns") {
    int pairs = 0;
    PatchMatcher matcher(true, [&](const AlignedPatch&) { ++pairs; });
    matcher.begin(options());
    for (int number = 1; number <= 20; ++number) {
        matcher.add_patch(residual_of(number));
        add_frame(matcher, number);
        CHECK(pairs == number);
        CHECK(matcher.take(1U << 30U).size() == 1);
    }
    CHECK(matcher.state().aligned == 20);
}

TEST_CASE("matcher: no pair of frames that have gone is handed out when others have begun") {
    const auto low_bytes_at = [](int margin) {
        return static_cast<std::size_t>(32 + 2 * margin) *
               static_cast<std::size_t>(24 + 2 * margin);
    };
    std::vector<ReceivedPatch> patches;
    for (int number = 0; number < 12; ++number) patches.push_back(residual_of(number));
    int strangers = 0;
    for (int round = 0; round < 36; ++round) {
        std::atomic<bool> has_begun = false;
        std::atomic<int> paired = 0;
        std::atomic<int> late = 0;
        PatchMatcher matcher(false, [&](const AlignedPatch& pair) {
            ++paired;
            if (has_begun && pair.low.size() == low_bytes_at(4)) ++late;
        });
        matcher.begin(options());
        for (int number = 0; number < 12; ++number) {
            matcher.add_patch(patches[static_cast<std::size_t>(number)]);
            add_frame(matcher, number);
        }
        // It is in the middle of them, at another place each round.
        REQUIRE(eventually([&] { return paired >= round % 6; }));
        PatchAligner::Options others = options();
        others.margin = 6;
        matcher.begin(others);
        has_begun = true;
        matcher.add_patch(patches[11]);
        add_frame(matcher, 11);
        const int before = paired;
        CHECK(eventually([&] { return paired > before || !matcher.take(1U << 30U).empty(); }));
        strangers += late;
    }
    CHECK(strangers == 0);
}

TEST_CASE("matcher: on its thread every patch is paired, and what is kept is taken in order") {
    std::atomic<int> pairs = 0;
    PatchMatcher matcher(false, [&](const AlignedPatch&) { ++pairs; });
    matcher.begin(options());
    for (int number = 0; number < 40; ++number) {
        add_frame(matcher, number, number < 30);
        matcher.add_patch(residual_of(number));
    }
    add_frame(matcher, 40);
    REQUIRE(eventually([&] { return pairs == 40; }));
    std::uint32_t last = 0;
    std::size_t taken = 0;
    // One at a time where one is already more than asked for.
    for (auto some = matcher.take(10); !some.empty(); some = matcher.take(10)) {
        REQUIRE(some.size() == 1);
        CHECK((taken == 0 || some[0].sequence > last));
        last = some[0].sequence;
        ++taken;
    }
    CHECK(taken >= 29);
    CHECK(taken <= 32);
}

TEST_CASE("matcher: frames of another size begin again, and patches that waited are counted") {
    PatchMatcher matcher(true, [](const AlignedPatch&) {});
    matcher.begin(options());
    add_frame(matcher, 0);
    matcher.add_patch(residual_of(7));
    add_frame(matcher, 1);
    CHECK(matcher.state().waiting == 1);
    PatchAligner::Options other = options();
    other.width /= 2;
    matcher.begin(other);
    add_frame(matcher, 2);
    CHECK(matcher.state().other_rung == 1);
    matcher.begin(std::nullopt);
    add_frame(matcher, 3);
    matcher.add_patch(residual_of(3));
    CHECK(matcher.state().aligned == 0);
}

TEST_CASE("matcher: pairs that nobody takes are bounded in bytes") {
    std::atomic<int> pairs = 0;
    PatchMatcher matcher(false, [&](const AlignedPatch&) { ++pairs; });
    matcher.begin(options());
    const ReceivedPatch patch = residual_of(0);
    const int many = 3000;  // of 64 x 48 pixels: more than 8 MiB
    for (int i = 0; i < many; ++i) {
        matcher.add_patch(patch);
        const Plane low = low_frame(0);
        matcher.add_frame(static_cast<std::uint64_t>(i) * frame_ns, frame_ns, low.pixels.data(),
                          low.width, true);
    }
    REQUIRE(eventually([&] {
        const auto state = matcher.state();
        return state.aligned + state.misfits[static_cast<std::size_t>(Misfit::overflow)] >=
               static_cast<std::uint64_t>(many) - 128;
    }));
    std::size_t bytes = 0;
    for (const AlignedPatch& pair : matcher.take(1U << 30U)) {
        bytes += pair.low.size() + pair.high.size();
    }
    CHECK(bytes <= PatchMatcher::max_ready_bytes);
}
