// patchpicker with a real engine process whose conduct the test writes: packets, gaps, offers, and
// what happens when sizes change, the engine misbehaves or nobody listens.
#include "gst/sender/patchpicker.h"

#include <doctest/doctest.h>
#include <gst/check/gstharness.h>
#include <gst/video/video.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/patch/packet.h"
#include "gst/sender/patches.h"
#include "pictures.h"
#include "test_engine.h"

using livesr::PacketError;
using livesr::PatchCodec;
using livesr::PatchPacket;
using livesr::test::Plane;
using livesr::test::TestEngine;
using nlohmann::json;

namespace {

constexpr GstClockTime frame_time = 40 * GST_MSECOND;  // 25 frames a second
constexpr auto format = GST_VIDEO_FORMAT_I420;

// Writes what it gets to a file, gives the plan at the start, and answers an offer with the cells
// that the test's `cells(head)` names; `undefined` is no answer.
std::string picking(const std::string& cells) {
    return R"js(
import fs from 'node:fs';
const log = process.argv[1].replace('engine.mjs', 'log');
function on(kind, head, blob) {
  const errors = [];
  for (let i = 0; i + 4 <= blob.length; i += 4) errors.push(blob.readUInt32LE(i));
  fs.appendFileSync(log, JSON.stringify({ kind, errors, ...head }) + '\n');
  if (head.type === 'sender.start') {
    send(1, { type: 'plan.set', videoBitrateBps: 300000, patchBitrateBps: 40000.4, estimatedUplinkBps: 340000 });
  }
  if (head.type === 'frame.offer') {
    const chosen = cells(head);
    if (chosen) send(1, { type: 'patch.select', offer: head.offer, cells: chosen });
  }
  if (kind === 2) send(3, { type: head.type, id: head.id });
}
function cells(head) { )js" +
           cells + " }\n";
}

std::vector<json> log_of(const TestEngine& engine, const std::string& type) {
    std::vector<json> lines;
    std::ifstream file(engine.folder() / "log");
    for (std::string line; std::getline(file, line);) {
        json entry = json::parse(line);
        if (entry["type"] == type) lines.push_back(std::move(entry));
    }
    return lines;
}

std::string caps_text(int width, int height) {
    return "video/x-raw,format=I420,framerate=25/1,width=" + std::to_string(width) +
           ",height=" + std::to_string(height);
}

// A picker between three pads of ours.
class Picker {
  public:
    explicit Picker(const std::string& properties, int width = 480, int height = 360, int scale = 2)
        : scale_(scale) {
        GError* error = nullptr;
        element_ = gst_parse_launch(
            ("patchpicker scale=" + std::to_string(scale) + " " + properties).c_str(), &error);
        REQUIRE_MESSAGE(element_, error->message);
        bus_ = gst_bus_new();
        gst_element_set_bus(element_, bus_);
        high_ = gst_harness_new_with_element(element_, "sink", "patches");
        low_ = gst_harness_new_with_element(element_, "lowres", nullptr);
        gst_harness_play(high_);
        set_size(width, height);
    }
    ~Picker() {
        gst_harness_teardown(low_);
        gst_harness_teardown(high_);
        gst_object_unref(element_);
        gst_object_unref(bus_);
    }
    Picker(const Picker&) = delete;
    Picker& operator=(const Picker&) = delete;

    void set_size(int width, int height) {
        width_ = width;
        height_ = height;
        gst_harness_set_src_caps_str(high_, caps_text(width, height).c_str());
        set_low_size(livesr::gst::lowres_side(width, scale_),
                     livesr::gst::lowres_side(height, scale_));
    }
    void set_low_size(int width, int height) {
        low_width_ = width;
        low_height_ = height;
        gst_harness_set_src_caps_str(low_, caps_text(width, height).c_str());
    }

    Plane picture(int n) const { return livesr::test::texture(width_, height_, n); }
    Plane low_picture(int n) const { return livesr::test::texture(low_width_, low_height_, n); }

    GstFlowReturn push_high(int n) {
        const auto time = static_cast<GstClockTime>(n) * frame_time;
        return gst_harness_push(high_,
                                livesr::test::video_buffer(format, picture(n), time, frame_time));
    }
    GstFlowReturn push_low(int n, GstClockTime shift = 0) {
        const auto time = static_cast<GstClockTime>(n) * frame_time + shift;
        return gst_harness_push(
            low_, livesr::test::video_buffer(format, low_picture(n), time, frame_time));
    }
    void push(int first, int last) {
        for (int n = first; n <= last; ++n) {
            CHECK(push_high(n) == GST_FLOW_OK);
            CHECK(push_low(n) == GST_FLOW_OK);
        }
    }

    // The next packet of the patches pad, payload copied.
    struct Received {
        livesr::PatchHeader header;
        std::vector<std::uint8_t> payload;
        GstClockTime pts = 0;
        std::size_t bytes = 0;
    };
    Received pull() {
        GstBuffer* buffer = gst_harness_pull(high_);
        REQUIRE(buffer);
        GstMapInfo map;
        gst_buffer_map(buffer, &map, GST_MAP_READ);
        std::span<const std::uint8_t> bytes(map.data, map.size);
        PatchPacket packet;
        const PacketError error = livesr::read_packet(bytes, packet);
        const Received received{packet.header,
                                {packet.payload.begin(), packet.payload.end()},
                                GST_BUFFER_PTS(buffer),
                                map.size};
        gst_buffer_unmap(buffer, &map);
        gst_buffer_unref(buffer);
        CHECK(livesr::name(error) == "none");
        CHECK(bytes.empty());
        return received;
    }

    // Whether the patches pad has come to this time, by a gap. Waits for it.
    bool reaches(GstClockTime time) {
        for (;;) {
            GstEvent* event = nullptr;
            for (int tries = 0; tries < 2000 && !event; ++tries) {
                event = gst_harness_try_pull_event(high_);
                if (!event) std::this_thread::sleep_for(std::chrono::milliseconds(5));
            }
            if (!event) return false;
            bool there = false;
            if (GST_EVENT_TYPE(event) == GST_EVENT_GAP) {
                GstClockTime start = 0;
                gst_event_parse_gap(event, &start, nullptr);
                there = start >= time;
                last_gap_ = start;
            }
            ended_ = ended_ || GST_EVENT_TYPE(event) == GST_EVENT_EOS;
            gst_event_unref(event);
            if (there) return true;
        }
    }
    bool ends() {
        for (int tries = 0; tries < 2000 && !ended_; ++tries) {
            GstEvent* event = gst_harness_try_pull_event(high_);
            if (!event) {
                std::this_thread::sleep_for(std::chrono::milliseconds(5));
                continue;
            }
            ended_ = GST_EVENT_TYPE(event) == GST_EVENT_EOS;
            gst_event_unref(event);
        }
        return ended_;
    }

    guint64 stat(const char* name) const {
        GstStructure* stats = nullptr;
        g_object_get(element_, "stats", &stats, nullptr);
        guint64 value = 0;
        REQUIRE(gst_structure_get_uint64(stats, name, &value));
        gst_structure_free(stats);
        return value;
    }
    bool wait_for_stat(const char* name, guint64 least) const {
        for (int tries = 0; tries < 2000; ++tries) {
            if (stat(name) >= least) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        return false;
    }

    // The text of the next warning on the bus.
    std::string warning() const {
        GstMessage* message =
            gst_bus_timed_pop_filtered(bus_, 20 * GST_SECOND, GST_MESSAGE_WARNING);
        if (!message) return "";
        GError* error = nullptr;
        gst_message_parse_warning(message, &error, nullptr);
        std::string text = error->message;
        g_error_free(error);
        gst_message_unref(message);
        return text;
    }

    GstElement* element() const { return element_; }
    GstHarness* high() const { return high_; }
    GstHarness* low() const { return low_; }
    GstClockTime last_gap() const { return last_gap_; }

  private:
    int scale_;
    int width_ = 0;
    int height_ = 0;
    int low_width_ = 0;
    int low_height_ = 0;
    GstElement* element_ = nullptr;
    GstBus* bus_ = nullptr;
    GstHarness* high_ = nullptr;
    GstHarness* low_ = nullptr;
    GstClockTime last_gap_ = 0;
    bool ended_ = false;
};

double mean_difference(const std::vector<std::uint8_t>& a, const std::vector<std::uint8_t>& b) {
    REQUIRE(a.size() == b.size());
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
    return sum / static_cast<double>(a.size());
}

}  // namespace

TEST_CASE("patchpicker: a chosen cell arrives with the frame's pixels, place and time") {
    const TestEngine engine(picking("return head.offer === 1 ? [5, 11] : [];"));
    Picker picker("lockstep=true seed=77");
    picker.push(0, 5);
    const auto announcement = picker.pull();
    CHECK(announcement.header.codec == PatchCodec::none);
    for (const int cell : {5, 11}) {
        const auto patch = picker.pull();
        CHECK(patch.header.codec == PatchCodec::jpeg_luma);
        CHECK(patch.header.quality == 95);
        CHECK(patch.header.scale == 2);
        CHECK(patch.header.stream_id == 77);
        CHECK(patch.header.sequence == (cell == 5 ? 1 : 2));
        CHECK(patch.header.frame_width == 480);
        CHECK(patch.header.frame_height == 360);
        const int x = cell % 4 * 120;
        const int y = cell / 4 * 120;
        CHECK(patch.header.x == x);
        CHECK(patch.header.y == y);
        CHECK(patch.header.width == 120);
        CHECK(patch.header.height == 120);
        // The first frame of the second 100 ms.
        CHECK(patch.pts == 3 * frame_time);
        CHECK(patch.header.running_time_ns == 3 * frame_time);
        const auto decoded = livesr::decode_jpeg_luma(patch.payload, 120, 120);
        REQUIRE(decoded);
        CHECK(mean_difference(*decoded,
                              livesr::test::crop(picker.picture(3), x, y, 120, 120).pixels) < 3.0);
    }
    CHECK(picker.stat("patches") == 2);
    const auto sent = log_of(engine, "patch.sent");
    REQUIRE(sent.size() == 3);
    CHECK(sent[0]["announcement"] == true);
    CHECK(sent[0]["bytes"] == announcement.bytes);
    CHECK(sent[2]["announcement"] == false);
}

TEST_CASE("patchpicker: an offer carries each cell's squared error against the enlarged picture") {
    const TestEngine engine(picking("return [];"));
    Picker picker("lockstep=true", 480, 360, 3);
    picker.push(0, 0);
    const auto offers = log_of(engine, "frame.offer");
    REQUIRE(offers.size() == 1);
    CHECK(offers[0]["kind"] == 2);
    CHECK(offers[0]["columns"] == 4);
    CHECK(offers[0]["rows"] == 3);
    CHECK(offers[0]["cell"] == 120);
    CHECK(offers[0]["mediaTimeNs"] == 0);
    const Plane enlarged = livesr::test::enlarge(picker.low_picture(0), 3);
    for (int cell = 0; cell < 12; ++cell) {
        const int x = cell % 4 * 120;
        const int y = cell / 4 * 120;
        const Plane a = livesr::test::crop(picker.picture(0), x, y, 120, 120);
        const Plane b = livesr::test::crop(enlarged, x, y, 120, 120);
        std::uint32_t sum = 0;
        for (std::size_t i = 0; i < a.pixels.size(); ++i) {
            const int difference = a.pixels[i] - b.pixels[i];
            sum += static_cast<std::uint32_t>(difference * difference);
        }
        CHECK(offers[0]["errors"][static_cast<std::size_t>(cell)] == sum);
    }
}

TEST_CASE("patchpicker: frames are offered every 100 ms and ticks go every 200 ms of media time") {
    const TestEngine engine(picking("return [];"));
    Picker picker("lockstep=true");
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
    const TestEngine engine(picking("return [];"));
    Picker picker("lockstep=true");
    picker.push(0, 1);
    picker.push_high(2);
    REQUIRE(picker.reaches(frame_time));
    CHECK(picker.last_gap() < 2 * frame_time);
    picker.push_low(2);
    CHECK(picker.reaches(2 * frame_time));
}

TEST_CASE("patchpicker: pictures whose time stamps are shifted are paired by running time") {
    const TestEngine engine(picking("return [0];"));
    Picker picker("lockstep=true");
    // As x264enc does.
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    segment.start = 3600000 * GST_SECOND;
    REQUIRE(gst_harness_push_event(picker.low(), gst_event_new_segment(&segment)));
    picker.push_high(0);
    picker.push_low(0, segment.start);
    CHECK(picker.pull().header.codec == PatchCodec::none);
    const auto patch = picker.pull();
    CHECK(patch.pts == 0);
    CHECK(patch.header.running_time_ns == 0);
}

TEST_CASE("patchpicker: the true size is announced at once, and each second while it is padded") {
    const TestEngine engine(picking("return [];"));
    const auto announced = [](int width, int height, int frames) {
        Picker picker("lockstep=true", width, height);
        picker.push(0, frames - 1);
        for (guint64 n = 0; n < picker.stat("announcements"); ++n) {
            const auto packet = picker.pull();
            CHECK(packet.header.codec == PatchCodec::none);
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
    const TestEngine engine(picking("return head.offer === 1 ? [0] : undefined;"));
    Picker picker("lockstep=true");
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
    CHECK(patch.header.codec == PatchCodec::jpeg_luma);
    CHECK(patch.header.frame_width == 240);
    CHECK(picker.stat("offers-unanswered") == 1);
}

TEST_CASE("patchpicker: the engine's plan can be read and is notified") {
    const TestEngine engine(picking("return [];"));
    Picker picker("lockstep=true max-bitrate=500000");
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
    const TestEngine engine(picking("return [];"));
    Picker picker("lockstep=true max-bitrate=500000");
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

TEST_CASE("patchpicker: without an engine frames pass and gaps go on") {
    Picker picker("engine=off");
    picker.push(0, 50);
    CHECK(picker.reaches(50 * frame_time));
    CHECK(picker.stat("frames") == 51);
    CHECK(picker.stat("offers") == 0);
    CHECK(picker.stat("patches") == 0);
    guint video = 0;
    g_object_get(picker.element(), "video-bitrate", &video, nullptr);
    CHECK(video == 950'000);
}

TEST_CASE("patchpicker: gaps do not wait for pictures when it is not in lockstep") {
    Picker picker("engine=off");
    for (int n = 0; n < 100; ++n) CHECK(picker.push_high(n) == GST_FLOW_OK);
    CHECK(picker.reaches(99 * frame_time));
}

TEST_CASE("patchpicker: patches come without lockstep too") {
    const TestEngine engine(picking("return [1];"));
    Picker picker("");
    picker.push(0, 0);
    REQUIRE(picker.wait_for_stat("patches", 1));
    CHECK(picker.pull().header.codec == PatchCodec::none);
    CHECK(picker.pull().header.x == 120);
}

TEST_CASE("patchpicker: an engine that never answers costs memory for ten frames, no more") {
    const TestEngine engine(picking("return undefined;"));
    Picker picker("");
    picker.push(0, 99);
    CHECK(picker.stat("offers") == 40);
    CHECK(picker.stat("offers-unanswered") == 30);
    CHECK(picker.reaches(99 * frame_time));
}

TEST_CASE("patchpicker: a selection of a frame that is gone is counted, not sent") {
    const TestEngine engine(
        picking("if (head.offer === 1) send(1, { type: 'patch.select', offer: 0, cells: [0] });\n"
                "return [];"));
    Picker picker("lockstep=true");
    picker.push(0, 3);
    CHECK(picker.stat("selections-void") == 1);
    CHECK(picker.stat("patches") == 0);
}

TEST_CASE("patchpicker: an engine that breaks the agreement is replaced, and the user told") {
    std::string cells;
    std::string rule;
    SUBCASE("a cell outside the grid") {
        cells = "return [12];";
        rule = "a cell outside the grid";
    }
    SUBCASE("more cells than there are") {
        cells = "return new Array(13).fill(0);";
        rule = "more cells than the grid";
    }
    SUBCASE("a negative cell") {
        cells = "return [-1];";
        rule = "a cell that is no whole number";
    }
    SUBCASE("a plan without a number") {
        cells = "send(1, { type: 'plan.set', videoBitrateBps: 'much' });";
        rule = "plan.set has no number videoBitrateBps";
    }
    SUBCASE("a bit rate below zero") {
        cells =
            "send(1, { type: 'plan.set', videoBitrateBps: -5, patchBitrateBps: 0, "
            "estimatedUplinkBps: 0 });";
        rule = "out of range";
    }
    SUBCASE("a message for somebody else") {
        cells = "send(1, { type: 'model.swap' });";
        rule = "message model.swap is none that a sender takes";
    }
    const TestEngine engine(picking(cells));
    Picker picker("");
    picker.push(0, 0);
    const std::string told = picker.warning();
    CAPTURE(told);
    CHECK(told.find(rule) != std::string::npos);
    CHECK(told.find("video goes on") != std::string::npos);
    CHECK(picker.push_high(1) == GST_FLOW_OK);
    CHECK(picker.stat("patches") == 0);
}

TEST_CASE("patchpicker: pictures of another size than scale says are counted and left alone") {
    const TestEngine engine(picking("return [0];"));
    Picker picker("lockstep=true");
    picker.set_low_size(242, 180);
    picker.push(0, 10);
    CHECK(picker.stat("size-mismatches") == 5);
    CHECK(picker.stat("offers") == 0);
    CHECK(picker.reaches(10 * frame_time));
}

TEST_CASE("patchpicker: frames smaller than a cell are offered with no cells") {
    const TestEngine engine(picking("return [];"));
    Picker picker("lockstep=true", 100, 100);
    picker.push(0, 0);
    const auto offers = log_of(engine, "frame.offer");
    REQUIRE(offers.size() == 1);
    CHECK(offers[0]["columns"] == 0);
    CHECK(offers[0]["errors"].empty());
}

TEST_CASE("patchpicker: frames without a time stamp pass unused") {
    Picker picker("engine=off");
    GstBuffer* buffer = livesr::test::video_buffer(format, picker.picture(0), 0, frame_time);
    GST_BUFFER_PTS(buffer) = GST_CLOCK_TIME_NONE;
    CHECK(gst_harness_push(picker.high(), buffer) == GST_FLOW_OK);
    CHECK(picker.stat("frames") == 0);
}

TEST_CASE("patchpicker: the end comes when both inputs have ended") {
    const TestEngine engine(picking("return [];"));
    Picker picker("lockstep=true");
    picker.push(0, 3);
    CHECK(gst_harness_push_event(picker.high(), gst_event_new_eos()));
    REQUIRE(picker.reaches(3 * frame_time));
    CHECK(gst_harness_push_event(picker.low(), gst_event_new_eos()));
    CHECK(picker.ends());
}

TEST_CASE("patchpicker: after a flush it starts anew, from any time") {
    const TestEngine engine(picking("return [0];"));
    Picker picker("lockstep=true");
    picker.push(100, 103);
    for (GstHarness* harness : {picker.high(), picker.low()}) {
        GstSegment segment;
        gst_segment_init(&segment, GST_FORMAT_TIME);
        CHECK(gst_harness_push_event(harness, gst_event_new_flush_start()));
        CHECK(gst_harness_push_event(harness, gst_event_new_flush_stop(TRUE)));
        CHECK(gst_harness_push_event(harness, gst_event_new_segment(&segment)));
    }
    const guint64 before = picker.stat("patches");
    picker.push(0, 3);
    CHECK(picker.stat("patches") == before + 2);
    CHECK(picker.reaches(3 * frame_time));
}

TEST_CASE("patchpicker: it can be stopped and started over and over") {
    const TestEngine engine(picking("return [0];"));
    for (int round = 0; round < 3; ++round) {
        Picker picker("lockstep=true");
        for (int cycle = 0; cycle < 3; ++cycle) {
            picker.push(0, 0);
            CHECK(picker.stat("patches") == 1);
            gst_element_set_state(picker.element(), GST_STATE_NULL);
            gst_element_set_state(picker.element(), GST_STATE_PLAYING);
            for (GstHarness* harness : {picker.high(), picker.low()}) {
                GstSegment segment;
                gst_segment_init(&segment, GST_FORMAT_TIME);
                gst_harness_push_event(harness, gst_event_new_stream_start("test"));
                GstCaps* caps = gst_pad_get_current_caps(harness->srcpad);
                gst_harness_push_event(harness, gst_event_new_caps(caps));
                gst_caps_unref(caps);
                gst_harness_push_event(harness, gst_event_new_segment(&segment));
            }
        }
    }
}

TEST_CASE("patchpicker: stopping does not wait for an engine that hangs in lockstep") {
    const TestEngine engine(picking("process.kill(process.pid, 'SIGSTOP'); return [0];"));
    Picker picker("lockstep=true");
    picker.push_high(0);
    std::thread streaming([&] { picker.push_low(0); });
    REQUIRE(picker.wait_for_stat("offers", 1));
    gst_element_set_state(picker.element(), GST_STATE_NULL);
    streaming.join();
    CHECK(picker.stat("patches") == 0);
}

TEST_CASE("patchpicker: a start that cannot work is refused with a remedy") {
    const auto refusal = [](const std::string& property) {
        GstElement* element = gst_parse_launch(("patchpicker " + property).c_str(), nullptr);
        GstBus* bus = gst_bus_new();
        gst_element_set_bus(element, bus);
        CHECK(gst_element_set_state(element, GST_STATE_PAUSED) == GST_STATE_CHANGE_FAILURE);
        GstMessage* message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
        REQUIRE(message);
        GError* error = nullptr;
        gst_message_parse_error(message, &error, nullptr);
        std::string text = error->message;
        g_error_free(error);
        gst_message_unref(message);
        gst_element_set_state(element, GST_STATE_NULL);
        gst_object_unref(element);
        gst_object_unref(bus);
        return text;
    };
    CHECK(refusal("engine=maybe").find("use auto, off or unix:PATH") != std::string::npos);
    CHECK(refusal("uplink=fixed:-3").find("fixed:KBITS") != std::string::npos);
    CHECK(refusal("uplink=fast").find("trace:FILE") != std::string::npos);
    CHECK(refusal("uplink=trace:/nowhere").find("not a file") != std::string::npos);
}
