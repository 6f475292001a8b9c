// What the ledger says of the next frame, and what that keeps any 2 s to.
#include "gst/sender/span_ledger.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace livesr::gst {
namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr double kbps = 1000;

TEST_CASE("an empty ledger has 2 s of the uplink, less the margin") {
    SpanLedger ledger;
    CHECK(ledger.room_bits(0, 0) == 0);
    ledger.carries(0, 500 * kbps);
    CHECK(ledger.room_bits(0, 0) == doctest::Approx(1'000'000).epsilon(0.01));
    CHECK(ledger.room_bits(0, 0) < 1'000'000);
}

TEST_CASE("a frame of just 2 s ago is outside, one of a frame later inside") {
    SpanLedger ledger;
    ledger.carries(0, 500 * kbps);
    const double all = ledger.room_bits(0, 0);
    ledger.sent(0, 1000);
    ledger.sent(40 * ms, 2000);
    CHECK(ledger.room_bits(1960 * ms, 0) == doctest::Approx(all - 24'000));
    CHECK(ledger.room_bits(2000 * ms, 0) == doctest::Approx(all - 16'000));
    CHECK(ledger.room_bits(2040 * ms, 0) == doctest::Approx(all));
}

TEST_CASE("an uplink that falls has carried what it did before") {
    SpanLedger ledger;
    ledger.carries(0, 1000 * kbps);
    ledger.carries(3000 * ms, 500 * kbps);
    const double before = ledger.room_bits(3000 * ms, 0);
    CHECK(ledger.room_bits(4000 * ms, 0) == doctest::Approx(0.75 * before));
    CHECK(ledger.room_bits(5000 * ms, 0) == doctest::Approx(0.5 * before));
    CHECK(ledger.room_bits(9000 * ms, 0) == doctest::Approx(0.5 * before));
}

TEST_CASE("a frame's room is that of the 2 s which end with it") {
    SpanLedger ledger;
    ledger.carries(0, 1000 * kbps);
    ledger.carries(3000 * ms, 500 * kbps);
    const double before = ledger.room_bits(2960 * ms, 40 * ms);
    // 20 kbit less than just before the fall: the frame is sent at the new rate.
    CHECK(before - ledger.room_bits(3000 * ms, 40 * ms) ==
          doctest::Approx(0.5 * 40 * kbps).epsilon(0.01));
    CHECK(ledger.room_bits(3000 * ms, 0) == doctest::Approx(before));
}

TEST_CASE("patches leave the next frame a usual one's room") {
    SpanLedger ledger;
    CHECK(ledger.patch_room_bits(0, 40 * ms) == 0);
    ledger.carries(0, 500 * kbps);
    const double all = ledger.room_bits(0, 40 * ms);
    const double frame = 20 * kbps;
    CHECK(ledger.patch_room_bits(0, 40 * ms) == doctest::Approx(all - frame));
    ledger.sent(0, static_cast<std::size_t>((all - frame / 2) / 8));
    CHECK(ledger.patch_room_bits(0, 40 * ms) == 0);
    // What went 2 s ago makes room for the next frame, and not yet for patches beside this one.
    CHECK(ledger.patch_room_bits(1960 * ms, 40 * ms) == doctest::Approx(frame / 2).epsilon(0.01));
}

TEST_CASE("time that goes back begins anew") {
    SpanLedger ledger;
    ledger.carries(0, 500 * kbps);
    const double all = ledger.room_bits(0, 0);
    ledger.carries(10'000 * ms, 250 * kbps);
    ledger.sent(10'000 * ms, 5000);
    ledger.carries(40 * ms, 500 * kbps);
    ledger.sent(40 * ms, 1000);
    CHECK(ledger.room_bits(80 * ms, 0) == doctest::Approx(all - 8000));
}

TEST_CASE("frames that take no more than their room keep every 2 s to what was carried") {
    std::mt19937 random(1);
    for (const int fps : {24, 25, 30, 60}) {
        SpanLedger ledger;
        ledger.carries(0, 500 * kbps);
        std::vector<double> sizes;
        for (int i = 0; i < 20 * fps; ++i) {
            const auto now = static_cast<std::uint64_t>(i) * 1'000'000'000 / fps;
            const double wanted =
                std::uniform_real_distribution<>(0, random() % 20 == 0 ? 200e3 : 60e3)(random);
            const double bits = std::clamp(ledger.room_bits(now, 0), 0.0, wanted);
            const auto bytes = static_cast<std::size_t>(bits / 8);
            ledger.sent(now, bytes);
            sizes.push_back(static_cast<double>(bytes) * 8);
        }
        for (std::size_t from = 0; from + 2 * fps <= sizes.size(); ++from) {
            double sum = 0;
            for (int i = 0; i < 2 * fps; ++i) sum += sizes[from + i];
            CHECK(sum <= 1'000'000);
        }
    }
}

}  // namespace
}  // namespace livesr::gst
