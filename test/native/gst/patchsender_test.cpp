// patchsender in whole pipelines: what comes out, and what the plan does to the encoder.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>

#include "sender_fixture.h"

using livesr::test::elements_of;
using livesr::test::packets_of;
using livesr::test::Pipeline;
using livesr::test::planning_engine;
using livesr::test::sender_sinks;
using livesr::test::sender_source;
using livesr::test::Tap;
using livesr::test::TestEngine;

TEST_CASE(
    "patchsender: every frame comes out encoded at a fraction of its size, with patches beside") {
    const TestEngine engine(planning_engine);
    Pipeline pipeline(sender_source + "patchsender name=s scale=3 lockstep=true" + sender_sinks);
    Tap video;
    Tap patches;
    pipeline.tap("video", "sink", video);
    pipeline.tap("patches", "sink", patches);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    CHECK(video.buffers.size() == 50);
    CHECK(video.caps.find("video/x-h264") != std::string::npos);
    CHECK(video.caps.find("width=(int)160") != std::string::npos);
    CHECK(video.caps.find("height=(int)120") != std::string::npos);
    const auto packets = packets_of(patches);
    REQUIRE(packets.size() == 21);  // an announcement and one for each offer
    for (std::size_t i = 0; i < packets.size(); ++i) {
        CHECK(packets[i].header.sequence == i);
        CHECK(packets[i].header.scale == 3);
        // Each belongs to a frame of the video.
        const auto& times = video.running_times;
        CHECK(std::find(times.begin(), times.end(), packets[i].header.running_time_ns) !=
              times.end());
        CHECK(patches.running_times[i] == packets[i].header.running_time_ns);
    }
    CHECK(patches.gaps.size() > 0);
    CHECK(pipeline.stat("frames-unpaired") == 0);
    CHECK(pipeline.stat("video-bytes") == video.bytes());
}

TEST_CASE("patchsender: in lockstep the same input gives the same bytes") {
    const TestEngine engine(planning_engine);
    Tap video[2];
    Tap patches[2];
    for (int run = 0; run < 2; ++run) {
        Pipeline pipeline(sender_source + "patchsender name=s lockstep=true" + sender_sinks);
        pipeline.tap("video", "sink", video[run]);
        pipeline.tap("patches", "sink", patches[run]);
        CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    }
    CHECK(video[0].buffers == video[1].buffers);
    CHECK(patches[0].buffers == patches[1].buffers);
    CHECK(patches[0].buffers.size() > 10);
}

TEST_CASE("patchsender: patches by number leave the video as it is, whatever they cost") {
    const TestEngine engine(planning_engine);
    Tap video[2];
    Tap patches[2];
    const char* const steps[] = {"1", "40"};
    for (int run = 0; run < 2; ++run) {
        Pipeline pipeline(
            "videotestsrc pattern=snow num-buffers=60 ! "
            "video/x-raw,format=I420,width=480,height=360,framerate=25/1 ! "
            "patchsender name=s lockstep=true max-bitrate=600000 patches-per-second=10 "
            "residual-step=" +
            std::string(steps[run]) + sender_sinks);
        pipeline.tap("video", "sink", video[run]);
        pipeline.tap("patches", "sink", patches[run]);
        CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    }
    CHECK(video[0].buffers == video[1].buffers);
    CHECK(patches[0].bytes() > 2 * patches[1].bytes());
}

TEST_CASE("patchsender: the encoder follows the plan while it runs") {
    const TestEngine engine(planning_engine);
    Pipeline pipeline(
        "videotestsrc pattern=snow num-buffers=100 ! "
        "video/x-raw,format=I420,width=480,height=360,framerate=25/1 ! "
        "patchsender name=s lockstep=true max-bitrate=600000" +
        sender_sinks);
    Tap video;
    pipeline.tap("video", "sink", video);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    CHECK(pipeline.number("video-bitrate") == 200'000);
    // Noise takes whatever rate it is given. The second after the change is the encoder's own.
    const double before = 8.0 * static_cast<double>(video.bytes_between(0, GST_SECOND));
    const double after =
        4.0 * static_cast<double>(video.bytes_between(2 * GST_SECOND, 4 * GST_SECOND));
    CAPTURE(before);
    CAPTURE(after);
    CHECK(after < 0.55 * before);
    CHECK(after < 260'000);
}

TEST_CASE("patchsender: before an engine answers, the video has what the patches leave") {
    const TestEngine engine("function on() {}\n");
    Pipeline pipeline(sender_source + "patchsender name=s max-bitrate=600000 patch-bitrate=70000" +
                      sender_sinks);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    guint bitrate = 0;
    guint patches = 0;
    g_object_get(pipeline.get("s"), "video-bitrate", &bitrate, "patch-bitrate-now", &patches,
                 nullptr);
    CHECK(bitrate == 530'000);
    CHECK(patches == 70'000);
}

TEST_CASE("patchsender: encoder=none gives the padded low-resolution picture out raw") {
    const TestEngine engine(planning_engine);
    Pipeline pipeline(
        "videotestsrc num-buffers=10 ! "
        "video/x-raw,format=RGB,width=475,height=359,framerate=25/1 ! "
        "patchsender name=s encoder=none lockstep=true" +
        sender_sinks);
    Tap video;
    Tap patches;
    pipeline.tap("video", "sink", video);
    pipeline.tap("patches", "sink", patches);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    CHECK(video.buffers.size() == 10);
    for (const char* part : {"format=(string)I420", "width=(int)238", "height=(int)180"}) {
        CHECK(video.caps.find(part) != std::string::npos);
    }
    const auto packets = packets_of(patches);
    REQUIRE(packets.size() > 1);
    CHECK(packets[0].header.frame_width == 475);
    CHECK(packets[0].header.frame_height == 359);
    REQUIRE(packets[1].patches.size() == 1);
    // Nobody here knows what a receiver decodes.
    CHECK(packets[1].patches[0].codec == livesr::PatchCodec::jpeg_luma);
    CHECK(pipeline.stat("video-bytes") == 0);
}

TEST_CASE("patchsender: width and height give any size, without patches") {
    const TestEngine engine(planning_engine);
    const auto output = [](const std::string& size) {
        Pipeline pipeline(sender_source + "patchsender name=s lockstep=true encoder=none " + size +
                          sender_sinks);
        Tap video;
        Tap patches;
        pipeline.tap("video", "sink", video);
        pipeline.tap("patches", "sink", patches);
        CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
        CHECK(patches.buffers.empty());
        CHECK(patches.gaps.size() > 0);
        guint bitrate = 0;
        g_object_get(pipeline.get("s"), "patch-bitrate-now", &bitrate, nullptr);
        return video.caps;
    };
    CHECK(output("width=320 height=240").find("width=(int)320, height=(int)240") !=
          std::string::npos);
    CHECK(output("height=240").find("width=(int)320, height=(int)240") != std::string::npos);
    CHECK(output("width=270").find("width=(int)270, height=(int)202") != std::string::npos);
    const std::string squeezed = output("width=240 height=360");
    CHECK(squeezed.find("width=(int)240, height=(int)360") != std::string::npos);
    CHECK(squeezed.find("pixel-aspect-ratio=(fraction)2/1") != std::string::npos);
}

TEST_CASE("patchsender: with patches off or scale 1 nothing is decoded, and gaps go on") {
    const TestEngine engine(planning_engine);
    const auto run = [](const std::string& properties) {
        Pipeline pipeline(sender_source + "patchsender name=s lockstep=true " + properties +
                          sender_sinks);
        Tap video;
        Tap patches;
        pipeline.tap("video", "sink", video);
        pipeline.tap("patches", "sink", patches);
        CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
        CHECK(video.buffers.size() == 50);
        CHECK(pipeline.stat("offers") == 0);
        CHECK(pipeline.stat("patches") == 0);
        CHECK(patches.gaps.size() > 0);
        return pipeline.stat("lowres-frames");
    };
    CHECK(run("patches=off") == 0);
    CHECK(run("scale=1") == 0);
}

TEST_CASE("patchsender: patches may be switched off and on while it runs") {
    const TestEngine engine(planning_engine);
    Pipeline pipeline(sender_source +
                      "patchsender name=s patches=off lockstep=true encoder=\"x264enc "
                      "tune=zerolatency key-int-max=5\"" +
                      sender_sinks);
    Tap video;
    Tap patches;
    const auto at = [&](std::size_t count, std::size_t frame, const char* value) {
        if (count == frame) gst_util_set_object_arg(G_OBJECT(pipeline.get("s")), "patches", value);
    };
    // In lockstep the source, the encoder and this share a thread.
    GstPad* pad = gst_element_get_static_pad(pipeline.get("s"), "src");
    std::size_t pictures = 0;
    const std::function<void()> on_picture = [&] {
        ++pictures;
        at(pictures, 10, "auto");
        at(pictures, 25, "off");
        at(pictures, 38, "auto");
    };
    gst_pad_add_probe(
        pad, GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad*, GstPadProbeInfo*, gpointer action) {
            (*static_cast<const std::function<void()>*>(action))();
            return GST_PAD_PROBE_OK;
        },
        const_cast<std::function<void()>*>(&on_picture), nullptr);
    gst_object_unref(pad);
    pipeline.tap("video", "sink", video);
    pipeline.tap("patches", "sink", patches);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    CHECK(video.buffers.size() == 50);
    std::size_t early = 0;
    std::size_t late = 0;
    for (const auto& packet : packets_of(patches)) {
        if (packet.patches.empty()) continue;
        const auto frame = packet.header.running_time_ns / (40 * GST_MSECOND);
        CAPTURE(frame);
        CHECK(((frame >= 10 && frame < 25) || frame >= 38));
        ++(frame < 25 ? early : late);
    }
    CHECK(early > 2);
    CHECK(late > 2);
    CHECK(pipeline.warnings() == "");
}

TEST_CASE("patchsender: other encoders follow the plan and are decoded") {
    const TestEngine engine(planning_engine);
    const auto run = [](const std::string& encoder) {
        Pipeline pipeline(sender_source + "patchsender name=s lockstep=true encoder=\"" + encoder +
                          "\"" + sender_sinks);
        Tap video;
        pipeline.tap("video", "sink", video);
        CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
        CHECK(video.buffers.size() == 50);
        CHECK(pipeline.stat("patches") == 20);
        return pipeline.warnings();
    };
    CHECK(run("vp8enc deadline=1 end-usage=cbr") == "");
    CHECK(run("x264enc tune=zerolatency ! video/x-h264,profile=baseline") == "");
    CHECK(run("jpegenc").find("bit rate of \"jpegenc\" cannot be set") != std::string::npos);
}

TEST_CASE("patchsender: an encoder that holds frames back is paired all the same") {
    const TestEngine engine(planning_engine);
    Pipeline pipeline(sender_source +
                      "patchsender name=s lockstep=true "
                      "encoder=\"x264enc speed-preset=ultrafast bframes=2 b-adapt=false threads=1 "
                      "rc-lookahead=20\"" +
                      sender_sinks);
    Tap video;
    Tap patches;
    pipeline.tap("video", "sink", video);
    pipeline.tap("patches", "sink", patches);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    CHECK(video.buffers.size() == 50);
    CHECK(packets_of(patches).size() == 22);  // an announcement each second, and each offer's
    CHECK(pipeline.stat("frames-unpaired") == 0);
}

TEST_CASE("patchsender: MPEG-TS keeps packets whole and at their frames' running times") {
    const TestEngine engine(planning_engine);
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
                      " ! tsdemux name=d d. ! queue ! h264parse ! fakesink name=video d. ! queue ! "
                      "meta/x-klv ! fakesink async=false name=patches");
    Tap video;
    Tap patches;
    pipeline.tap("video", "sink", video);
    pipeline.tap("patches", "sink", patches);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    CHECK(video.buffers.size() == 50);
    const auto packets = packets_of(patches);
    REQUIRE(packets.size() == 22);
    const GstClockTime start = video.running_times[0];
    for (std::size_t i = 0; i < packets.size(); ++i) {
        const auto shown = static_cast<std::int64_t>(patches.running_times[i] - start);
        const auto meant = static_cast<std::int64_t>(packets[i].header.running_time_ns);
        CHECK(std::abs(shown - meant) < static_cast<std::int64_t>(GST_MSECOND));
    }
}
