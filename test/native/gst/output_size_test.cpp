// Announced sizes against what is decoded and what the element allows.
#include "gst/enhancer/output_size.h"

#include <doctest/doctest.h>

using livesr::Scale;
using livesr::gst::AnnouncedSize;
using livesr::gst::OutputSize;
using livesr::gst::SizeLimits;

namespace {

constexpr std::uint64_t frame_ns = 40'000'000;
constexpr std::uint64_t second_ns = 1'000'000'000;
using Size = std::optional<std::pair<int, int>>;

AnnouncedSize claim(int width, int height, std::optional<std::uint64_t> hint_ns = std::nullopt) {
    return {hint_ns, width, height};
}

}  // namespace

TEST_CASE("output size: an announced size holds where the decoded picture fits it by a scale") {
    for (const Scale& scale : livesr::scales) {
        CAPTURE(scale.code());
        OutputSize size({}, {});
        size.set_picture(livesr::lowres_side(1278, scale), livesr::lowres_side(718, scale));
        size.announce(claim(1278, 718));
        CHECK(size.adopt(0, frame_ns));
        CHECK(size.output_for(livesr::lowres_side(1278, scale), livesr::lowres_side(718, scale)) ==
              Size({1278, 718}));
    }
}

TEST_CASE("output size: a size beyond the limits is refused, and the output stays as it was") {
    OutputSize size({}, {});
    size.set_picture(640, 360);
    CHECK(size.output_for(640, 360) == Size({1280, 720}));
    for (const auto& [width, height] : {std::pair{65535, 65535}, {16384, 16384}, {4098, 100}}) {
        size.announce(claim(width, height));
        CHECK_FALSE(size.adopt(0, frame_ns));
        CHECK(size.output_for(640, 360) == Size({1280, 720}));
    }
    CHECK(size.refused() == 3);
    CHECK(size.last_refused()->width == 4098);
    CHECK_FALSE(size.has_pending());
}

TEST_CASE("output size: a size that no picture fits is refused after a while") {
    OutputSize size({}, {});
    size.set_picture(640, 360);
    for (std::uint64_t time = 0; time <= 4 * second_ns; time += frame_ns) {
        if (time % second_ns == 0) size.announce(claim(1000, 1000, time));
        size.adopt(time, frame_ns);
    }
    CHECK(size.refused() >= 1);
    CHECK(size.output_for(640, 360) == Size({1280, 720}));
    size.announce(claim(1000, 1000));
    size.set_picture(500, 500);
    CHECK(size.output_for(500, 500) == Size({1000, 1000}));
}

TEST_CASE("output size: the output does not change size at every packet") {
    OutputSize size({}, {});
    size.set_picture(640, 360);
    int changes = 0;
    for (int frame = 0; frame < 250; ++frame) {
        const std::uint64_t time = static_cast<std::uint64_t>(frame) * frame_ns;
        size.announce(frame % 2 == 0 ? claim(1280, 720, time) : claim(1279, 719, time));
        if (size.adopt(time, frame_ns)) ++changes;
    }
    // Ten seconds: one each ten seconds, and four at once, besides the first.
    CHECK(changes <= 6);
}

TEST_CASE("output size: a time stamp that is far ahead does not keep a size from being taken up") {
    OutputSize size({}, {});
    size.set_picture(640, 360);
    size.announce(claim(1278, 718, 100 * second_ns));
    CHECK(size.adopt(frame_ns, frame_ns));
}

TEST_CASE("output size: a picture that would become too large is shown as it comes, or refused") {
    OutputSize size({}, {});
    CHECK(size.output_for(2560, 1440) == Size({2560, 1440}));
    CHECK(size.scale_of(2560, 1440) == Scale(1));
    CHECK(size.output_for(8192, 8192) == std::nullopt);
    CHECK(size.output_for(4097, 16) == std::nullopt);
    OutputSize fixed(Scale(3), {});
    CHECK(fixed.output_for(1366, 768) == Size({4096, 2304}));
    CHECK(fixed.output_for(1920, 1080) == std::nullopt);
    OutputSize roomy(Scale(3), {.width = 8192, .height = 8192});
    CHECK(roomy.output_for(1920, 1080) == Size({5760, 3240}));
}

TEST_CASE("output size: many claims that wait are bounded, and the oldest are refused") {
    OutputSize size({}, {});
    size.set_picture(640, 360);
    for (int i = 0; i < 1000; ++i) size.announce(claim(100 + 2 * i % 4000, 100, second_ns));
    CHECK(size.refused() >= 900);
}
