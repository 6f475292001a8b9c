// patchsender when its input changes in mid-stream, and what a receiver then shows: each picture
// once.
#include <doctest/doctest.h>
#include <gst/video/video.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>

#include "sender_fixture.h"

using livesr::test::Environment;
using livesr::test::packets_of;
using livesr::test::Pipeline;
using livesr::test::planning_engine;
using livesr::test::Tap;
using livesr::test::TestEngine;

namespace {

constexpr int frames = 60;

std::string caps(const std::string& fields) { return "video/x-raw," + fields; }

const std::string usual = "format=I420,width=480,height=360,framerate=25/1";

// Caps of a pad, each time that they came.
struct CapsSeen {
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
                gchar* text = gst_caps_to_string(caps);
                auto& self = *static_cast<CapsSeen*>(data);
                const std::lock_guard lock(self.mutex);
                self.caps.emplace_back(text);
                g_free(text);
                return GST_PAD_PROBE_OK;
            },
            this, nullptr);
        gst_object_unref(pad);
    }
    bool any_has(const std::string& text) const {
        for (const std::string& each : caps) {
            if (each.find(text) != std::string::npos) return true;
        }
        return false;
    }
};

struct Received {
    std::size_t pictures = 0;
    std::size_t packets = 0;
    CapsSeen shown;
};

void receive(const std::filesystem::path& file, Received& received) {
    Pipeline pipeline("filesrc location=" + file.string() +
                      " ! tsdemux name=d d. ! video/x-h264 ! queue ! h264parse ! avdec_h264 "
                      "max-threads=1 ! fakesink name=video sync=false "
                      "d. ! meta/x-klv ! queue ! fakesink name=patches async=false");
    Tap video;
    Tap patches;
    pipeline.tap("video", "sink", video);
    pipeline.tap("patches", "sink", patches);
    received.shown.watch(pipeline.get("video"), "sink");
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    received.pictures = video.buffers.size();
    received.packets = packets_of(patches).size();
}

// Sends `before`, and `after` from the 25th frame on, through a multiplexer.
void send(const std::filesystem::path& file, const std::string& before, const std::string& after,
          const std::string& properties, const std::string& between = "") {
    Pipeline pipeline("videotestsrc pattern=ball num-buffers=" + std::to_string(frames) +
                      " ! capsfilter name=f caps=\"" + caps(before) + "\" ! " + between +
                      "patchsender name=s carriage=klv lockstep=true max-bitrate=600000 " +
                      properties +
                      " s.src ! h264parse ! queue ! mpegtsmux name=m alignment=7 ! filesink "
                      "location=" +
                      file.string() + " s.patches ! queue ! m.");
    Tap input;
    CapsSeen klv;
    input.on_buffer = [&](std::size_t count) {
        if (count != 25) return;
        GstCaps* changed = gst_caps_from_string(caps(after).c_str());
        g_object_set(pipeline.get("f"), "caps", changed, nullptr);
        gst_caps_unref(changed);
    };
    pipeline.tap("f", "sink", input);
    klv.watch(pipeline.get("s"), "patches");
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    CHECK(pipeline.warnings() == "");
    CHECK(klv.caps.size() == 1);
}

}  // namespace

TEST_CASE("patchsender: a change of the input's caps goes through a multiplexer, no picture lost") {
    const TestEngine engine(planning_engine);
    struct Change {
        std::string name;
        std::string after;
        std::string shown;  // at the other end
    };
    const Change changes[] = {
        {"size", "format=I420,width=640,height=480,framerate=25/1", "width=(int)320"},
        {"a size to be padded", "format=I420,width=478,height=358,framerate=25/1",
         "width=(int)240"},
        {"frame rate", "format=I420,width=480,height=360,framerate=50/1",
         "framerate=(fraction)50/1"},
        {"pixel aspect ratio", usual + ",pixel-aspect-ratio=16/11",
         "pixel-aspect-ratio=(fraction)16/11"},
        // x264enc goes on saying the colours that it began with.
        {"colorimetry", usual + ",colorimetry=bt709", ""},
        {"format", "format=NV12,width=480,height=360,framerate=25/1", "format=(string)I420"},
        {"format of packed RGB", "format=BGRx,width=480,height=360,framerate=25/1", ""},
    };
    for (const Change& change : changes) {
        CAPTURE(change.name);
        const auto file = engine.folder() / "out.ts";
        send(file, usual, change.after, "scale=2");
        Received received;
        receive(file, received);
        CHECK(received.pictures == frames);
        CHECK(received.packets > 2);
        CAPTURE(received.shown.caps.back());
        CHECK(received.shown.any_has(change.shown));
    }
}

TEST_CASE("patchsender: without patches a change of the input's caps goes through as well") {
    const TestEngine engine(planning_engine);
    const auto file = engine.folder() / "out.ts";
    send(file, usual, "format=I420,width=640,height=480,framerate=25/1", "scale=2 patches=off");
    Received received;
    receive(file, received);
    CHECK(received.pictures == frames);
    CHECK(received.shown.any_has("width=(int)320"));
}

TEST_CASE(
    "patchsender: a trial ends when the input changes, and is said to have been for nothing") {
    const TestEngine engine(R"js(
import fs from 'node:fs';
const told = process.argv[1].replace('engine.mjs', 'told');
function on(kind, head) {
  if (head.type === 'sender.start') {
    send(1, { type: 'plan.set', videoBitrateBps: 550000, patchBitrateBps: 50000, estimatedUplinkBps: 600000 });
  }
  if (head.type === 'time.tick' && head.mediaTimeNs >= 4e8 && head.mediaTimeNs < 6e8) {
    send(1, { type: 'trial.run', trial: 7, scale: 1, videoBitrateBps: 500000, warmUpNs: 400000000, measureNs: 800000000 });
  }
  if (head.type === 'trial.failed') fs.appendFileSync(told, head.reason + '\n');
  if (head.type === 'frame.offer') send(1, { type: 'patch.select', offer: head.offer, cells: [0] });
  if (kind === 2) send(3, { type: head.type, id: head.id });
}
)js");
    const auto file = engine.folder() / "out.ts";
    send(file, usual, "format=I420,width=640,height=480,framerate=25/1", "scale=auto");
    Received received;
    receive(file, received);
    CHECK(received.pictures == frames);
    std::ifstream told(engine.folder() / "told");
    std::string reason;
    std::getline(told, reason);
    CHECK(reason == "the input changed");
}

TEST_CASE("patchsender: interlaced video is sent as progressive, and that is said once") {
    const TestEngine engine(planning_engine);
    const auto file = engine.folder() / "out.ts";
    std::string warnings;
    {
        Pipeline pipeline(
            "videotestsrc pattern=ball num-buffers=120 ! "
            "video/x-raw,format=I420,width=480,height=360,framerate=50/1 ! interlace "
            "field-pattern=1:1 ! patchsender name=s carriage=klv scale=1 patches=off s.src ! "
            "h264parse ! queue ! mpegtsmux name=m ! filesink location=" +
            file.string() + " s.patches ! queue ! m.");
        Tap input;
        pipeline.tap("s", "sink", input);
        CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
        CHECK(input.caps.find("interlace-mode=(string)interleaved") != std::string::npos);
        warnings = pipeline.warnings();
    }
    CHECK(warnings.find("The input is interlaced") != std::string::npos);
    CHECK(warnings.find("The input is") == warnings.rfind("The input is"));
    Received received;
    receive(file, received);
    CHECK(received.pictures == 60);
    CHECK(received.shown.any_has("framerate=(fraction)25/1"));
    CHECK(received.shown.any_has("interlace-mode=(string)progressive"));
    CHECK_FALSE(received.shown.any_has("interleaved"));
}

TEST_CASE(
    "patchsender: nothing but what describes the stream leaves for patches before a picture") {
    // The encoder takes its time for the first picture.
    Pipeline pipeline(
        "videotestsrc is-live=true num-buffers=30 ! "
        "video/x-raw,format=I420,width=480,height=360,framerate=25/1 ! patchsender name=s "
        "carriage=klv scale=2 "
        "engine=off encoder=\"identity sleep-time=150000 ! x264enc tune=zerolatency\" s.src ! "
        "fakesink name=video async=false s.patches ! fakesink name=patches async=false");
    struct Left {
        std::mutex mutex;
        std::vector<std::string> what;
    } left;
    const auto watch = [&](const char* pad_name) {
        GstPad* pad = gst_element_get_static_pad(pipeline.get("s"), pad_name);
        gst_pad_add_probe(
            pad,
            static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER |
                                         GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM),
            [](GstPad* at, GstPadProbeInfo* info, gpointer data) {
                auto& all = *static_cast<Left*>(data);
                const std::lock_guard lock(all.mutex);
                const bool is_event = info->type & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM;
                all.what.push_back(
                    std::string(GST_PAD_NAME(at)) + " " +
                    (is_event ? GST_EVENT_TYPE_NAME(GST_PAD_PROBE_INFO_EVENT(info)) : "buffer"));
                return GST_PAD_PROBE_OK;
            },
            &left, nullptr);
        gst_object_unref(pad);
    };
    watch("src");
    watch("patches");
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    const auto at = [&](const std::string& what) {
        return std::find(left.what.begin(), left.what.end(), what) - left.what.begin();
    };
    const auto picture = at("src buffer");
    CHECK(at("patches caps") < picture);
    CHECK(at("patches segment") < picture);
    CHECK(at("patches gap") > picture);
    CHECK(at("patches buffer") > picture);
    CHECK(at("patches buffer") < static_cast<std::ptrdiff_t>(left.what.size()));
    CHECK(std::count(left.what.begin(), left.what.end(), "patches caps") == 1);
}
