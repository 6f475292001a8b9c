// Patches that are missing are noticed, once each time.
#include "gst/enhancer/patch_watch.h"

#include <doctest/doctest.h>

using livesr::gst::PatchWatch;

namespace {

constexpr std::uint64_t second_ns = 1'000'000'000;

// Warnings of so many seconds with a packet each second, or none.
int warnings(PatchWatch& watch, int from, int to, bool packets, std::uint64_t& count,
             std::size_t misses = 0) {
    int warned = 0;
    for (int second = from; second < to; ++second) {
        if (packets) ++count;
        if (watch.look({static_cast<std::uint64_t>(second) * second_ns, count, misses})) ++warned;
    }
    return warned;
}

}  // namespace

TEST_CASE("patch watch: no packet from the start is said once") {
    PatchWatch watch;
    std::uint64_t packets = 0;
    CHECK(warnings(watch, 0, 10, false, packets) == 0);
    CHECK_FALSE(watch.is_silent());
    const auto warning = watch.look({10 * second_ns, 0, 0});
    REQUIRE(warning);
    CHECK(warning->cause.find("no patch packet") != std::string::npos);
    CHECK(warning->remedy.find("relay") != std::string::npos);
    CHECK(watch.is_silent());
    CHECK(warnings(watch, 11, 300, false, packets) == 0);
}

TEST_CASE("patch watch: packets that stop are said, and said again after they came back") {
    PatchWatch watch;
    std::uint64_t packets = 0;
    CHECK(warnings(watch, 0, 60, true, packets) == 0);
    CHECK(warnings(watch, 60, 100, false, packets) == 1);
    CHECK(warnings(watch, 100, 130, true, packets) == 0);
    CHECK_FALSE(watch.is_silent());
    CHECK(warnings(watch, 130, 160, false, packets) == 1);
}

TEST_CASE("patch watch: patches that find no frame are said once until one does") {
    PatchWatch watch;
    std::uint64_t packets = 0;
    CHECK(warnings(watch, 0, 5, true, packets, 15) == 0);
    CHECK(warnings(watch, 5, 20, true, packets, 16) == 1);
    CHECK(warnings(watch, 20, 25, true, packets, 0) == 0);
    CHECK(warnings(watch, 25, 30, true, packets, 40) == 1);
}

TEST_CASE("patch watch: time that begins again is no silence") {
    PatchWatch watch;
    std::uint64_t packets = 0;
    CHECK(warnings(watch, 1000, 1005, true, packets) == 0);
    CHECK(warnings(watch, 0, 9, false, packets) == 0);
    watch.restart();
    CHECK(warnings(watch, 500, 509, false, packets) == 0);
}
