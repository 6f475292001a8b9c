// patchpicker with a real engine process: packets, gaps, offers, plans.
#include <doctest/doctest.h>

#include <cstdlib>
#include <optional>
#include <string>

#include "core/patch/residual.h"
#include "core/picture/crop.h"
#include "picker_fixture.h"

using livesr::PatchCodec;
using livesr::test::crop;
using livesr::test::enlarge;
using livesr::test::frame_time;
using livesr::test::log_of;
using livesr::test::PickerFixture;
using livesr::test::picking_engine;
using livesr::test::Plane;
using livesr::test::TestEngine;
using nlohmann::json;

namespace {

double mean_difference(const std::vector<std::uint8_t>& a, const std::vector<std::uint8_t>& b) {
    REQUIRE(a.size() == b.size());
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
    return sum / static_cast<double>(a.size());
}

}  // namespace

TEST_CASE("patchpicker: chosen cells arrive together, with the frame's pixels, place and time") {
    bool jpeg = false;
    SUBCASE("as residuals") {}
    SUBCASE("as JPEG") { jpeg = true; }
    const TestEngine engine(picking_engine("return head.offer === 1 ? [5, 11] : [];"));
    PickerFixture picker(std::string("lockstep=true seed=77 residual-step=8 jpeg-quality=90") +
                         (jpeg ? " patch-codec=jpeg" : ""));
    picker.push(0, 5);
    const auto announcement = picker.pull();
    CHECK(announcement.patches.empty());
    const auto packet = picker.pull();
    CHECK(packet.header.scale == 2);
    CHECK(packet.header.stream_id == 77);
    CHECK(packet.header.sequence == 1);
    CHECK(packet.header.frame_width == 480);
    CHECK(packet.header.frame_height == 360);
    // The first frame of the second 100 ms.
    CHECK(packet.pts == 3 * frame_time);
    CHECK(packet.header.running_time_ns == 3 * frame_time);
    REQUIRE(packet.patches.size() == 2);
    const Plane low = picker.low_picture(3);
    for (const std::size_t i : {0U, 1U}) {
        const livesr::CodedPatch& patch = packet.patches[i];
        const int cell = i == 0 ? 5 : 11;
        const int x = cell % 4 * 120;
        const int y = cell / 4 * 120;
        CHECK(patch.x == x);
        CHECK(patch.y == y);
        CHECK(patch.width == 120);
        CHECK(patch.height == 120);
        const Plane original = crop(picker.picture(3), x, y, 120, 120);
        std::optional<std::vector<std::uint8_t>> decoded;
        if (jpeg) {
            CHECK(patch.codec == PatchCodec::jpeg_luma);
            CHECK(patch.quality == 90);
            decoded = livesr::decode_jpeg_luma(patch.payload, 120, 120);
        } else {
            CHECK(patch.codec == PatchCodec::residual);
            CHECK(patch.quality == 8);
            const auto around = livesr::crop({low.pixels.data(), low.width, low.width, low.height},
                                             x / 2, y / 2, 60, 60, livesr::residual_margin);
            decoded = livesr::decode_residual(patch.payload, {around, 120, 120, 2}, 8);
        }
        REQUIRE(decoded);
        CHECK(mean_difference(*decoded, original.pixels) < 3.0);
    }
    CHECK(picker.stat("patches") == 2);
    CHECK(picker.stat("patch-packets") == 1);
    const auto sent = log_of(engine, "patch.sent");
    REQUIRE(sent.size() == 2);
    CHECK(sent[0]["patches"] == 0);
    CHECK(sent[0]["bytes"] == announcement.bytes);
    CHECK(sent[1]["patches"] == 2);
}

TEST_CASE("patchpicker: a round of more patches than a packet takes goes out in several") {
    const TestEngine engine(picking_engine("return [0, 1, 2, 3, 4, 5, 6];"));
    PickerFixture picker("lockstep=true");
    picker.push(0, 0);
    CHECK(picker.pull().patches.empty());
    CHECK(picker.pull().patches.size() == 5);
    CHECK(picker.pull().patches.size() == 2);
}

TEST_CASE("patchpicker: an offer carries each cell's squared error against the enlarged picture") {
    const TestEngine engine(picking_engine("return [];"));
    PickerFixture picker("lockstep=true", 480, 360, 3);
    picker.push(0, 0);
    const auto offers = log_of(engine, "frame.offer");
    REQUIRE(offers.size() == 1);
    CHECK(offers[0]["kind"] == 2);
    CHECK(offers[0]["columns"] == 4);
    CHECK(offers[0]["rows"] == 3);
    CHECK(offers[0]["cell"] == 120);
    CHECK(offers[0]["mediaTimeNs"] == 0);
    const Plane enlarged = enlarge(picker.low_picture(0), 3);
    for (int cell = 0; cell < 12; ++cell) {
        const int x = cell % 4 * 120;
        const int y = cell / 4 * 120;
        const Plane a = crop(picker.picture(0), x, y, 120, 120);
        const Plane b = crop(enlarged, x, y, 120, 120);
        std::uint32_t sum = 0;
        for (std::size_t i = 0; i < a.pixels.size(); ++i) {
            const int difference = a.pixels[i] - b.pixels[i];
            sum += static_cast<std::uint32_t>(difference * difference);
        }
        CHECK(offers[0]["errors"][static_cast<std::size_t>(cell)] == sum);
    }
}

TEST_CASE("patchpicker: frames are offered every 100 ms and ticks go every 200 ms of media time") {
    const TestEngine engine(picking_engine("return [];"));
    PickerFixture picker("lockstep=true");
    picker.push(0, 24);
    std::vector<std::uint64_t> offered;
    for (const json& offer : log_of(engine, "frame.offer")) {
        offered.push_back(offer["mediaTimeNs"].get<std::uint64_t>() / GST_MSECOND);
    }
    CHECK(offered == std::vector<std::uint64_t>{0, 120, 200, 320, 400, 520, 600, 720, 800, 920});
    std::vector<std::uint64_t> ticks;
    for (const json& tick : log_of(engine, "time.tick")) {
        ticks.push_back(tick["mediaTimeNs"].get<std::uint64_t>() / GST_MSECOND);
    }
    CHECK(ticks == std::vector<std::uint64_t>{0, 200, 400, 600, 800});
}

TEST_CASE("patchpicker: in lockstep a frame's gap comes only when the frame is decided") {
    const TestEngine engine(picking_engine("return [];"));
    PickerFixture picker("lockstep=true");
    picker.push(0, 1);
    picker.push_high(2);
    REQUIRE(picker.reaches(frame_time));
    CHECK(picker.last_gap() < 2 * frame_time);
    picker.push_low(2);
    CHECK(picker.reaches(2 * frame_time));
}

TEST_CASE("patchpicker: pictures whose time stamps are shifted are paired by running time") {
    const TestEngine engine(picking_engine("return [0];"));
    PickerFixture picker("lockstep=true");
    // As x264enc does.
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    segment.start = 3600000 * GST_SECOND;
    REQUIRE(gst_harness_push_event(picker.low(), gst_event_new_segment(&segment)));
    picker.push_high(0);
    picker.push_low(0, segment.start);
    CHECK(picker.pull().patches.empty());
    const auto patch = picker.pull();
    CHECK(patch.pts == 0);
    CHECK(patch.header.running_time_ns == 0);
}

TEST_CASE("patchpicker: the true size is announced at once, and each second while it is padded") {
    const TestEngine engine(picking_engine("return [];"));
    const auto announced = [](int width, int height, int frames) {
        PickerFixture picker("lockstep=true", width, height);
        picker.push(0, frames - 1);
        for (guint64 n = 0; n < picker.stat("announcements"); ++n) {
            const auto packet = picker.pull();
            CHECK(packet.patches.empty());
            CHECK(packet.header.frame_width == width);
            CHECK(packet.header.frame_height == height);
        }
        return picker.stat("announcements");
    };
    CHECK(announced(64, 48, 76) == 1);
    CHECK(announced(63, 48, 76) == 4);
    CHECK(announced(64, 46, 51) == 3);
}

TEST_CASE("patchpicker: a change of size is announced, told to the engine and voids older offers") {
    const TestEngine engine(picking_engine("return head.offer === 1 ? [0] : undefined;"));
    PickerFixture picker("lockstep=true");
    picker.push(0, 0);
    picker.set_size(240, 240);
    picker.push(5, 5);
    const auto starts = log_of(engine, "sender.start");
    REQUIRE(starts.size() == 2);
    CHECK(starts[0]["frameWidth"] == 480);
    CHECK(starts[1]["frameWidth"] == 240);
    CHECK(starts[1]["framesPerSecond"] == 25);
    CHECK(picker.pull().header.frame_width == 480);
    CHECK(picker.pull().header.frame_width == 240);
    const auto patch = picker.pull();
    CHECK(patch.patches.size() == 1);
    CHECK(patch.header.frame_width == 240);
    CHECK(picker.stat("offers-unanswered") == 1);
}

TEST_CASE("patchpicker: the engine's plan can be read and is notified") {
    const TestEngine engine(picking_engine("return [];"));
    PickerFixture picker("lockstep=true max-bitrate=500000");
    int notified = 0;
    g_signal_connect(
        picker.element(), "notify::video-bitrate",
        G_CALLBACK(+[](GObject*, GParamSpec*, gpointer n) { ++*static_cast<int*>(n); }), &notified);
    guint video = 0;
    picker.push(0, 0);
    g_object_get(picker.element(), "video-bitrate", &video, nullptr);
    CHECK(video == 300'000);
    guint patches = 0;
    guint uplink = 0;
    g_object_get(picker.element(), "patch-bitrate-now", &patches, "estimated-uplink-bitrate",
                 &uplink, nullptr);
    CHECK(patches == 40'000);
    CHECK(uplink == 340'000);
}

TEST_CASE("patchpicker: settings changed while it runs reach the engine") {
    const TestEngine engine(picking_engine("return [];"));
    PickerFixture picker("lockstep=true max-bitrate=500000");
    picker.push(0, 0);
    g_object_set(picker.element(), "max-bitrate", 700'000U, "uplink", "fixed:650", nullptr);
    picker.push(5, 5);
    const auto starts = log_of(engine, "sender.start");
    REQUIRE(starts.size() == 3);
    CHECK(starts[2]["maxBitrateBps"] == 700'000);
    CHECK(starts[2]["uplink"] == "fixed:650");
    g_object_set(picker.element(), "uplink", "fixed:none", nullptr);
    CHECK(picker.warning().find("fixed:KBITS") != std::string::npos);
}

TEST_CASE("patchpicker: patches come without lockstep too") {
    const TestEngine engine(picking_engine("return [1];"));
    PickerFixture picker("");
    picker.push(0, 0);
    REQUIRE(picker.wait_for_stat("patches", 1));
    CHECK(picker.pull().patches.empty());
    CHECK(picker.pull().patches.at(0).x == 120);
}
