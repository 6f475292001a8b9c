// patchsender when something is missing, breaks, changes or starts over: the video goes on.
#include <doctest/doctest.h>
#include <gst/check/gstharness.h>
#include <gst/video/video.h>
#include <signal.h>

#include <atomic>
#include <fstream>

#include "pictures.h"
#include "sender_fixture.h"

using livesr::test::elements_of;
using livesr::test::Pipeline;
using livesr::test::planning_engine;
using livesr::test::sender_sinks;
using livesr::test::sender_source;
using livesr::test::Tap;
using livesr::test::TestEngine;

TEST_CASE("patchsender: without node the video goes on, and the user is told what to install") {
    const livesr::test::Environment node("LIVESR_NODE", "/nowhere/node");
    Pipeline pipeline(sender_source + "patchsender name=s" + sender_sinks);
    Tap video;
    pipeline.tap("video", "sink", video);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    CHECK(video.buffers.size() == 50);
    CHECK(pipeline.warnings().find("LIVESR_NODE") != std::string::npos);
}

TEST_CASE("patchsender: an engine that dies in mid-stream costs no frame and comes back") {
    const TestEngine engine(R"js(
import fs from 'node:fs';
fs.appendFileSync(process.argv[1].replace('engine.mjs', 'pids'), process.pid + '\n');
)js" + std::string(planning_engine));
    Pipeline pipeline(
        "videotestsrc is-live=true num-buffers=75 ! "
        "video/x-raw,format=I420,width=480,height=360,framerate=25/1 ! "
        "patchsender name=s" +
        sender_sinks);
    Tap video;
    pipeline.tap("video", "sink", video);
    std::atomic<pid_t> killed{0};
    video.on_buffer = [&](std::size_t) {
        if (killed != 0 || pipeline.stat("patches") == 0) return;
        std::ifstream pids(engine.folder() / "pids");
        pid_t pid = 0;
        pids >> pid;
        killed = pid;
        kill(pid, SIGKILL);
    };
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    CHECK(killed != 0);
    CHECK(video.buffers.size() == 75);
    CHECK(pipeline.warnings().find("killed by signal 9") != std::string::npos);
    GstStructure* stats = nullptr;
    g_object_get(pipeline.get("s"), "stats", &stats, nullptr);
    guint restarts = 0;
    CHECK(gst_structure_get_uint(stats, "engine-restarts", &restarts));
    CHECK(restarts >= 1);
    gst_structure_free(stats);
}

TEST_CASE("patchsender: an encoder that cannot be used is refused with a remedy") {
    const auto refusal = [](const std::string& encoder) {
        Pipeline pipeline(sender_source + "patchsender name=s encoder=\"" + encoder + "\"" +
                          sender_sinks);
        CHECK_FALSE(pipeline.runs_to_the_end());
        return pipeline.error();
    };
    const std::string missing = refusal("nosuchenc bitrate=5");
    CAPTURE(missing);
    CHECK(missing.find("nosuchenc") != std::string::npos);
    CHECK(missing.find("Set encoder to") != std::string::npos);
    CHECK(refusal("x264enc nosuch=1").find("nosuch") != std::string::npos);
    CHECK(refusal("fakesink").find("cannot be used") != std::string::npos);
    CHECK(refusal("videotestsrc").find("one free sink pad and one free source pad") !=
          std::string::npos);
    CHECK(refusal("x264enc !").find("Set encoder to") != std::string::npos);
}

TEST_CASE("patchsender: a stream that its own decoder cannot read costs the patches only") {
    const TestEngine engine(planning_engine);
    // Raw pictures that call themselves H.264.
    Pipeline pipeline(sender_source +
                      "patchsender name=s encoder=\"capssetter replace=true join=false "
                      "caps=video/x-h264,stream-format=byte-stream,alignment=au ! "
                      "video/x-h264,stream-format=byte-stream,alignment=au\"" +
                      sender_sinks);
    Tap video;
    pipeline.tap("video", "sink", video);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    CHECK(video.buffers.size() == 50);
    CHECK(pipeline.stat("patches") == 0);
}

TEST_CASE("patchsender: a stream that nothing here decodes is sent without patches") {
    Pipeline pipeline(sender_source +
                      "patchsender name=s engine=off encoder=\"capssetter replace=true join=false "
                      "caps=video/x-unheard-of ! video/x-unheard-of\"" +
                      sender_sinks);
    Tap video;
    pipeline.tap("video", "sink", video);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    CHECK(video.buffers.size() == 50);
    CHECK(pipeline.warnings().find("no decoder for video/x-unheard-of") != std::string::npos);
}

TEST_CASE("patchsender: neither output linked is a mistake, and is called one") {
    Pipeline pipeline(sender_source + "patchsender name=s engine=off");
    CHECK_FALSE(pipeline.runs_to_the_end());
    CHECK(pipeline.error().find("Neither src nor patches is linked") != std::string::npos);
}

TEST_CASE("patchsender: either output may be left unlinked") {
    const TestEngine engine(planning_engine);
    Pipeline video_only(sender_source +
                        "patchsender name=s lockstep=true s.src ! fakesink name=video");
    Tap video;
    video_only.tap("video", "sink", video);
    CHECK(video_only.runs_to_the_end());
    CHECK(video.buffers.size() == 50);
    Pipeline patches_only(sender_source +
                          "patchsender name=s lockstep=true s.patches ! fakesink name=patches");
    Tap patches;
    patches_only.tap("patches", "sink", patches);
    CHECK(patches_only.runs_to_the_end());
    CHECK(patches.buffers.size() == 22);  // an announcement each second, and each offer's
}

TEST_CASE("patchsender: a multiplexer that waits for both pads never stalls, engine or not") {
    for (const char* property : {"lockstep=true", "engine=off", "patches=off", ""}) {
        CAPTURE(std::string(property));
        const TestEngine engine(planning_engine);
        Pipeline pipeline(sender_source + "patchsender name=s carriage=klv " + property +
                          " s.src ! h264parse ! queue ! mpegtsmux name=m alignment=7 ! "
                          "fakesink name=ts s.patches ! queue ! m.");
        Tap ts;
        pipeline.tap("ts", "sink", ts);
        CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
        CHECK(ts.list_bytes > 10'000);
    }
}

TEST_CASE("patchsender: the input may change its size in mid-stream") {
    const TestEngine engine(planning_engine);
    GstHarness* harness = gst_harness_new_parse(
        "patchsender name=s lockstep=true ! h264parse config-interval=-1 ! avdec_h264 "
        "max-threads=1");
    const auto size = [harness](int width, int height) {
        gst_harness_set_src_caps_str(
            harness, ("video/x-raw,format=I420,framerate=25/1,width=" + std::to_string(width) +
                      ",height=" + std::to_string(height))
                         .c_str());
    };
    const auto push = [harness](int width, int height, int first, int last) {
        for (int n = first; n <= last; ++n) {
            CHECK(gst_harness_push(harness, livesr::test::video_buffer(
                                                GST_VIDEO_FORMAT_I420, width, height, n,
                                                static_cast<GstClockTime>(n) * 40 * GST_MSECOND,
                                                40 * GST_MSECOND)) == GST_FLOW_OK);
        }
    };
    const auto last_width = [harness] {
        GstCaps* caps = gst_pad_get_current_caps(harness->sinkpad);
        int width = 0;
        gst_structure_get_int(gst_caps_get_structure(caps, 0), "width", &width);
        gst_caps_unref(caps);
        return width;
    };
    gst_harness_play(harness);
    size(480, 360);
    push(480, 360, 0, 19);
    CHECK(last_width() == 240);
    size(641, 479);
    push(641, 479, 20, 39);
    CHECK(last_width() == 322);
    size(240, 240);
    push(240, 240, 40, 59);
    CHECK(last_width() == 120);
    gst_harness_push_event(harness, gst_event_new_eos());
    CHECK(gst_harness_buffers_received(harness) == 60);
    gst_harness_teardown(harness);
}

TEST_CASE("patchsender: seeking with a flush goes on from the new place") {
    const TestEngine engine(planning_engine);
    Pipeline pipeline(
        "videotestsrc num-buffers=60 ! "
        "video/x-raw,format=I420,width=480,height=360,framerate=25/1 ! "
        "patchsender name=s carriage=klv s.src ! queue ! fakesink name=video "
        "s.patches ! queue ! fakesink name=patches");
    gst_element_set_state(pipeline.element(), GST_STATE_PAUSED);
    CHECK(pipeline.settles());
    for (int round = 0; round < 3; ++round) {
        CHECK(gst_element_seek_simple(pipeline.element(), GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
                                      static_cast<gint64>(GST_SECOND)));
        CHECK(pipeline.settles());
    }
    Tap video;
    pipeline.tap("video", "sink", video);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    CHECK(video.buffers.size() > 20);
    CHECK(pipeline.stat("frames-unpaired") == 0);
}

TEST_CASE("patchsender: it prerolls, says its latency and can be started over and over") {
    const TestEngine engine(planning_engine);
    Pipeline pipeline(
        "videotestsrc is-live=true ! "
        "video/x-raw,format=I420,width=480,height=360,framerate=25/1 ! "
        "patchsender name=s carriage=klv s.src ! queue ! fakesink sync=true "
        "s.patches ! queue ! fakesink sync=true");
    for (int round = 0; round < 5; ++round) {
        pipeline.play();
        CHECK(pipeline.settles());
        GstQuery* query = gst_query_new_latency();
        CHECK(gst_element_query(pipeline.element(), query));
        gboolean live = FALSE;
        GstClockTime least = GST_CLOCK_TIME_NONE;
        gst_query_parse_latency(query, &live, &least, nullptr);
        CHECK(live);
        CHECK(least < GST_SECOND);
        gst_query_unref(query);
        pipeline.stop();
        CHECK(elements_of(pipeline.get("s"), "x264enc") == 0);
    }
}

TEST_CASE("patchsender: properties out of range are refused, and settings survive a restart") {
    Pipeline pipeline(sender_source + "patchsender name=s engine=off max-bitrate=700000" +
                      sender_sinks);
    GstElement* sender = pipeline.get("s");
    int scale = -1;
    g_object_get(sender, "scale", &scale, nullptr);
    CHECK(scale == 0);
    gst_util_set_object_arg(G_OBJECT(sender), "scale", "4");
    // GLib tells of it by a warning; here it is the refusal that counts.
    const auto silent = [](const gchar*, GLogLevelFlags, const gchar*, gpointer) {};
    const GLogFunc before = g_log_set_default_handler(silent, nullptr);
    g_object_set(sender, "scale", 5, nullptr);
    g_log_set_default_handler(before, nullptr);
    g_object_get(sender, "scale", &scale, nullptr);
    CHECK(scale == 4);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    pipeline.stop();
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    guint bitrate = 0;
    g_object_get(sender, "max-bitrate", &bitrate, nullptr);
    CHECK(bitrate == 700'000);
}
