// patchsender at several sizes: changes in mid-stream, what a receiver makes of them, trials of
// other sizes beside the stream.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <set>

#include "engine_fixture.h"
#include "sender_fixture.h"

using livesr::Scale;
using livesr::test::common;
using livesr::test::json;
using livesr::test::notes;
using livesr::test::packets_of;
using livesr::test::Pipeline;
using livesr::test::sender_sinks;
using livesr::test::sender_source;
using livesr::test::Tap;
using livesr::test::TestEngine;

namespace {

// An engine for sender and receiver. It chooses one cell of each offer, and `at(seconds)`, called
// at each tick, may send more.
std::string engine_that(const std::string& at) {
    return common + R"js(
function on(kind, head, blob) {
  if (head.type === 'enhancer.start') { begin(head, blob); swap(1, 'generic', generic); return; }
  if (head.type === 'sender.start') note({ start: head.scale, rungs: head.rungs });
  if (head.type === 'trial.result' || head.type === 'trial.failed') note(head);
  if (head.type === 'frame.offer') send(1, { type: 'patch.select', offer: head.offer, cells: [0] });
  if (head.type === 'time.tick' && head.videoBytes !== undefined) at(head.mediaTimeNs / 1e9);
  if (kind === 2) send(3, { type: head.type, id: head.id });
}
let wanted;
function set(scale) {
  if (scale !== wanted) send(1, { type: 'rung.set', scale });
  wanted = scale;
}
function at(seconds) {
)js" + at + "\n}\n";
}

const char* const goes_through_all =
    "set(seconds < 0.4 ? 2 : seconds < 0.8 ? 1.5 : seconds < 1.2 ? 1 : seconds < 1.4 ? 1.5 : "
    "seconds < 1.6 ? 3 : 2);";

double scale_at(double seconds) {
    return seconds < 0.4   ? 2
           : seconds < 0.8 ? 1.5
           : seconds < 1.2 ? 1
           : seconds < 1.4 ? 1.5
           : seconds < 1.6 ? 3
                           : 2;
}

std::string key_frame_every(int frames) {
    return "x264enc tune=zerolatency speed-preset=veryfast threads=1 vbv-buf-capacity=250 "
           "key-int-max=" +
           std::to_string(frames);
}

// H.264 with start codes.
bool is_key(const std::vector<std::uint8_t>& picture) {
    const std::array<std::uint8_t, 4> slice_of_key = {0, 0, 1, 0x65};
    return std::ranges::search(picture, slice_of_key).begin() != picture.end();
}

std::set<std::string> sizes_of(const std::vector<std::string>& caps) {
    return {caps.begin(), caps.end()};
}

// Caps of a pad, each time that they were told.
struct CapsTold {
    std::mutex mutex;
    std::vector<std::string> caps;

    void watch(GstElement* element, const char* pad_name) {
        GstPad* pad = gst_element_get_static_pad(element, pad_name);
        gst_pad_add_probe(
            pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
            [](GstPad*, GstPadProbeInfo* info, gpointer data) {
                GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
                if (GST_EVENT_TYPE(event) != GST_EVENT_CAPS) return GST_PAD_PROBE_OK;
                GstCaps* caps = nullptr;
                gst_event_parse_caps(event, &caps);
                int width = 0;
                int height = 0;
                gst_structure_get_int(gst_caps_get_structure(caps, 0), "width", &width);
                gst_structure_get_int(gst_caps_get_structure(caps, 0), "height", &height);
                auto& self = *static_cast<CapsTold*>(data);
                const std::lock_guard lock(self.mutex);
                self.caps.push_back(std::to_string(width) + "x" + std::to_string(height));
                return GST_PAD_PROBE_OK;
            },
            this, nullptr);
        gst_object_unref(pad);
    }
};

// All 50 frames of the source come out, whatever is tried beside them.
void sends_all(Pipeline& pipeline) {
    Tap video;
    pipeline.tap("video", "sink", video);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    CHECK(video.buffers.size() == 50);
}

}  // namespace

TEST_CASE("patchsender: from rung to rung each frame comes out once, and patches have its scale") {
    const TestEngine engine(engine_that(goes_through_all));
    Tap video[2];
    Tap patches[2];
    for (int run = 0; run < 2; ++run) {
        Pipeline pipeline(sender_source + "patchsender name=s lockstep=true encoder=\"" +
                          key_frame_every(5) + "\"" + sender_sinks);
        CapsTold told;
        told.watch(pipeline.get("video"), "sink");
        pipeline.tap("video", "sink", video[run]);
        pipeline.tap("patches", "sink", patches[run]);
        CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
        CHECK(pipeline.warnings() == "");
        CHECK(video[run].buffers.size() == 50);
        CHECK(told.caps == std::vector<std::string>{"240x180", "320x240", "480x360", "320x240",
                                                    "160x120", "240x180"});
        CHECK(pipeline.stat("rung-changes") == 5);
        CHECK(pipeline.scale() == 2.0);
        CHECK(pipeline.stat("size-mismatches") == 0);
        CHECK(pipeline.stat("frames-unpaired") == 0);
    }
    CHECK(video[0].buffers == video[1].buffers);
    CHECK(patches[0].buffers == patches[1].buffers);
    int carrying = 0;
    for (const auto& packet : packets_of(patches[0])) {
        const double seconds = static_cast<double>(packet.header.running_time_ns) / 1e9;
        CAPTURE(seconds);
        CHECK(packet.header.scale.value() == scale_at(seconds));
        // Nobody tells whether it gains there.
        if (packet.header.scale == 1) CHECK(packet.patches.empty());
        carrying += packet.header.scale == Scale(3, 2) && !packet.patches.empty();
    }
    CHECK(carrying > 0);
}

TEST_CASE("patchsender: a change of rung waits for the encoder's own key frame within a second") {
    const TestEngine engine(engine_that("if (seconds >= 0.52) set(1);"));
    for (const auto& [frames_between_keys, first_frame] : {std::pair{20, 20}, {45, 15}}) {
        CAPTURE(frames_between_keys);
        Pipeline pipeline(
            sender_source + "patchsender name=s carriage=klv lockstep=true encoder=\"" +
            key_frame_every(frames_between_keys) + "\"" +
            " s.src ! video/x-h264,stream-format=byte-stream ! queue ! fakesink name=video "
            "s.patches ! queue ! fakesink name=patches");
        CapsTold told;
        told.watch(pipeline.get("video"), "sink");
        Tap video;
        std::size_t changed_at = 0;
        video.on_buffer = [&](std::size_t count) {
            const std::lock_guard lock(told.mutex);
            if (told.caps.size() == 2 && changed_at == 0) changed_at = count - 1;
        };
        pipeline.tap("video", "sink", video);
        CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
        CHECK(told.caps == std::vector<std::string>{"240x180", "480x360"});
        CHECK(changed_at == first_frame);
        // Key frames: where the encoder has them anyway, and at the change.
        std::set<std::size_t> keys;
        for (std::size_t i = 0; i < video.buffers.size(); ++i) {
            if (is_key(video.buffers[i])) keys.insert(i);
        }
        CHECK(keys == (frames_between_keys == 20 ? std::set<std::size_t>{0, 20, 40}
                                                 : std::set<std::size_t>{0, 15}));
    }
}

TEST_CASE("patchsender: in full size patches go where a server tells what they gain") {
    const TestEngine engine(engine_that("set(1);"));
    for (const bool hears : {false, true}) {
        for (const bool residual : {false, true}) {
            CAPTURE(hears);
            CAPTURE(residual);
            Pipeline pipeline(sender_source + "patchsender name=s lockstep=true patch-codec=" +
                              (residual ? "residual" : "jpeg") +
                              (hears ? " feedback-uri=ws://127.0.0.1:9" : "") + sender_sinks);
            Tap patches;
            pipeline.tap("patches", "sink", patches);
            CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
            int carrying = 0;
            for (const auto& packet : packets_of(patches)) {
                if (packet.header.scale != 1) continue;
                carrying += !packet.patches.empty();
            }
            CHECK((carrying > 0) == (hears && residual));
        }
    }
}

TEST_CASE(
    "a receiver over MPEG-TS shows every frame in one size, whatever rungs the sender takes") {
    const TestEngine engine(engine_that(goes_through_all));
    const auto file = engine.folder() / "out.ts";
    {
        Pipeline pipeline(
            sender_source +
            "patchsender name=s carriage=klv lockstep=true s.src ! h264parse ! queue ! mpegtsmux "
            "name=m alignment=7 ! filesink location=" +
            file.string() + " s.patches ! queue ! m.");
        CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    }
    Pipeline pipeline("filesrc location=" + file.string() +
                      " ! tsdemux name=d d. ! video/x-h264 ! queue ! h264parse ! avdec_h264 "
                      "max-threads=1 ! srenhancer name=e ! fakesink name=video sync=false "
                      "d. ! meta/x-klv ! queue ! e.patches");
    Tap video;
    CapsTold told;
    told.watch(pipeline.get("video"), "sink");
    pipeline.tap("video", "sink", video);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    CHECK(video.buffers.size() == 50);
    CHECK(sizes_of(told.caps) == std::set<std::string>{"480x360"});
    CHECK(told.caps.size() == 1);
    for (std::size_t i = 1; i < video.running_times.size(); ++i) {
        const GstClockTime step = video.running_times[i] - video.running_times[i - 1];
        CHECK(step > 39 * GST_MSECOND);
        CHECK(step < 41 * GST_MSECOND);
    }
    CHECK(pipeline.stat("rung-changes", "e") == 5);
    CHECK(pipeline.stat("patches-dropped-other-frame", "e") == 0);
}

TEST_CASE("patches of two thirds of the size are paired with the frames that they were made from") {
    for (const std::string codec : {"residual", "jpeg"}) {
        CAPTURE(codec);
        const TestEngine engine(engine_that(""));
        const auto file = engine.folder() / "out.ts";
        {
            Pipeline pipeline(
                sender_source +
                "patchsender name=s carriage=klv scale=1.5 lockstep=true patch-codec=" + codec +
                " s.src ! h264parse ! queue ! "
                "mpegtsmux name=m alignment=7 ! filesink location=" +
                file.string() + " s.patches ! queue ! m.");
            CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
            CHECK(pipeline.scale() == 1.5);
            CHECK(pipeline.stat("patches") > 10);
        }
        Pipeline pipeline("filesrc location=" + file.string() +
                          " ! tsdemux name=d d. ! video/x-h264 ! queue ! h264parse ! avdec_h264 "
                          "max-threads=1 ! srenhancer name=e lockstep=true ! fakesink sync=false "
                          "d. ! meta/x-klv ! queue ! e.patches");
        CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
        CHECK(pipeline.stat("patches-aligned", "e") > 10);
        CHECK(pipeline.stat("patches-dropped-other-frame", "e") == 0);
    }
}

TEST_CASE("patchsender: the property scale changes the size while it runs") {
    Pipeline pipeline(sender_source + "patchsender name=s scale=2 engine=off" + sender_sinks);
    Tap video;
    CapsTold told;
    told.watch(pipeline.get("video"), "sink");
    video.on_buffer = [&](std::size_t count) {
        if (count == 20) gst_util_set_object_arg(G_OBJECT(pipeline.get("s")), "scale", "1");
        if (count == 28) gst_util_set_object_arg(G_OBJECT(pipeline.get("s")), "scale", "1.5");
        if (count == 35) gst_util_set_object_arg(G_OBJECT(pipeline.get("s")), "scale", "4");
    };
    pipeline.tap("video", "sink", video);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    CHECK(video.buffers.size() == 50);
    CHECK(told.caps == std::vector<std::string>{"240x180", "480x360", "320x240", "120x90"});
}

TEST_CASE("patchsender: an encoder that takes no other size keeps its own, and that is said once") {
    const TestEngine engine(engine_that("set(seconds < 0.6 ? 2 : seconds < 1 ? 1 : 3);"));
    Pipeline pipeline(sender_source +
                      "patchsender name=s lockstep=true encoder=\"x264enc tune=zerolatency ! "
                      "video/x-h264,width=240,height=180\"" +
                      sender_sinks);
    sends_all(pipeline);
    CHECK(pipeline.stat("rung-changes") == 0);
    CHECK(pipeline.scale() == 2.0);
    const std::string& warnings = pipeline.warnings();
    CHECK(warnings.find("takes no other size") != std::string::npos);
    CHECK(warnings.find("takes no other size") == warnings.rfind("takes no other size"));
    const auto told = notes(engine);
    REQUIRE(told.size() == 2);
    CHECK(told[0]["rungs"] == json{1, 1.5, 2, 3});
    CHECK(told[1]["rungs"] == json{2});
}

TEST_CASE("patchsender: a trial tells what another size would show, the same in each run") {
    const std::string order = R"js(
  if (seconds >= 0.2 && rung !== 'tried') {
    rung = 'tried';
    send(1, { type: 'trial.run', trial: 5, scale: 1, videoBitrateBps: 2000000, warmUpNs: 400000000, measureNs: 800000000 });
  }
)js";
    json results[2];
    for (json& result : results) {
        const TestEngine engine(engine_that(order));
        Pipeline pipeline(sender_source + "patchsender name=s lockstep=true max-bitrate=300000" +
                          sender_sinks);
        sends_all(pipeline);
        CHECK(pipeline.stat("rung-trials") == 1);
        CHECK(pipeline.stat("frames-unpaired") == 0);
        const auto told = notes(engine);
        REQUIRE(told.size() == 2);
        result = told[1];
        result.erase("id");
    }
    CHECK(results[0] == results[1]);
    const json& result = results[0];
    CHECK(result["type"] == "trial.result");
    CHECK(result["trial"] == 5);
    CHECK(result["pictures"] == 4);
    CHECK(result["durationNs"] == 800'000'000);
    // Full size at seven times the bits.
    CHECK(result["psnrDb"].get<double>() > result["livePsnrDb"].get<double>() + 3);
    CHECK(result["livePsnrDb"].get<double>() > 15);
    CHECK(result["videoBytes"].get<int>() > 1000);
    CHECK(result["liveVideoBytes"].get<int>() > 1000);
}

TEST_CASE("patchsender: trials of a live stream run beside it, and their size may be its own") {
    const TestEngine engine(engine_that(R"js(
  if (seconds >= 0.2 && rung !== 'tried') {
    rung = 'tried';
    send(1, { type: 'trial.run', trial: 0, scale: 3, videoBitrateBps: 300000, warmUpNs: 200000000, measureNs: 600000000 });
  }
)js"));
    Pipeline pipeline(
        "videotestsrc pattern=ball is-live=true num-buffers=50 ! "
        "video/x-raw,format=I420,width=480,height=360,framerate=10/1 ! "
        "patchsender name=s" +
        sender_sinks);
    sends_all(pipeline);
    const auto told = notes(engine);
    REQUIRE(told.size() == 2);
    CHECK(told[1]["type"] == "trial.result");
    CHECK(told[1]["pictures"].get<int>() > 0);
}

TEST_CASE("patchsender: a trial that cannot be made is said, and the stream goes on") {
    const TestEngine engine(engine_that(R"js(
  if (seconds >= 0.2 && rung !== 'tried') {
    rung = 'tried';
    send(1, { type: 'trial.run', trial: 3, scale: 1, videoBitrateBps: 300000, warmUpNs: 0, measureNs: 400000000 });
  }
)js"));
    Pipeline pipeline(sender_source + "patchsender name=s lockstep=true encoder=jpegenc" +
                      sender_sinks);
    sends_all(pipeline);
    const auto told = notes(engine);
    REQUIRE(told.size() == 2);
    CHECK(told[1]["type"] == "trial.failed");
    CHECK(told[1]["trial"] == 3);
    CHECK(told[1]["reason"].get<std::string>().find("bit rate") != std::string::npos);
}
