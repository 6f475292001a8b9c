// patchsender with encoders that do not do as they are told: what goes out, and what is said.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "gst/sender/encoder_watch.h"
#include "gst/sender/frame_guard.h"
#include "sender_fixture.h"

using livesr::gst::EncoderWatch;
using livesr::gst::FrameGuard;
using livesr::test::Pipeline;
using livesr::test::Tap;
using livesr::test::TestEngine;

namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t frame_ns = 40 * ms;

// Gives the video all of an uplink that goes up and down.
const char* const stepping_engine = R"js(
function on(kind, head) {
  if (head.type === 'sender.start') plan(300000);
  if (head.type === 'time.tick') plan(Math.floor(head.mediaTimeNs / 3e9) % 2 ? 600000 : 300000);
  if (kind === 2) send(3, { type: head.type, id: head.id });
}
function plan(bps) {
  send(1, { type: 'plan.set', videoBitrateBps: bps * 0.98, patchBitrateBps: 0, estimatedUplinkBps: bps });
}
)js";

// The largest share of what the uplink carries that went out in 2 s, from the third second on.
double max_share(const Tap& video) {
    double most = 0;
    for (const GstClockTime end : video.running_times) {
        if (end < 4 * GST_SECOND) continue;
        double carried = 0;
        for (GstClockTime at = end - 2 * GST_SECOND; at < end; at += 40 * GST_MSECOND) {
            carried += ((at / (3 * GST_SECOND)) % 2 ? 600'000 : 300'000) * 0.04;
        }
        const std::size_t bytes = video.bytes_between(end - 2 * GST_SECOND, end);
        most = std::max(most, static_cast<double>(bytes) * 8 / carried);
    }
    return most;
}

std::string moving(int frames) {
    return "videotestsrc pattern=smpte horizontal-speed=6 num-buffers=" + std::to_string(frames) +
           " ! video/x-raw,format=I420,width=480,height=360,framerate=25/1 ! ";
}

}  // namespace

TEST_CASE("patchsender: an encoder that overshoots is kept to what the uplink carries in any 2 s") {
    for (const std::string encoder :
         {"x265enc speed-preset=ultrafast tune=zerolatency key-int-max=60",
          "vp8enc deadline=1 end-usage=cbr keyframe-max-dist=60", "openh264enc gop-size=60"}) {
        CAPTURE(encoder);
        const TestEngine engine(stepping_engine);
        Pipeline pipeline(moving(400) +
                          "patchsender name=s scale=1 patches=off lockstep=true "
                          "max-bitrate=600000 encoder=\"" +
                          encoder + "\" s.src ! fakesink name=video");
        Tap video;
        pipeline.tap("video", "sink", video);
        CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
        CHECK(max_share(video) < 1.03);
        CHECK(video.buffers.size() > 150);
        CHECK(video.buffers.size() + pipeline.stat("frames-left-out") == 400);
        CHECK(pipeline.warnings().find("gives more than the uplink carries") != std::string::npos);
    }
}

TEST_CASE("patchsender: av1enc lives through changes of its rate") {
    const TestEngine engine(stepping_engine);
    Pipeline pipeline(
        "videotestsrc pattern=snow num-buffers=200 ! "
        "video/x-raw,format=I420,width=160,height=120,framerate=25/1 ! patchsender name=s scale=1 "
        "patches=off lockstep=true encoder=\"av1enc usage-profile=realtime end-usage=cbr "
        "cpu-used=8\" s.src ! fakesink name=video");
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
}

TEST_CASE("patchsender: an encoder that gives out nothing, or leaves out frames, is named") {
    const auto warnings = [](const std::string& share) {
        const TestEngine engine(stepping_engine);
        Pipeline pipeline(moving(500) +
                          "patchsender name=s scale=3 patches=off lockstep=true encoder=\"x264enc "
                          "tune=zerolatency speed-preset=ultrafast ! identity drop-probability=" +
                          share + "\" s.src ! fakesink name=video async=false");
        CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
        return pipeline.warnings();
    };
    CHECK(warnings("1").find("gives out nothing") != std::string::npos);
    CHECK(warnings("0.5").find("leaves out frames") != std::string::npos);
    CHECK(warnings("0") == "");
}

TEST_CASE("frames are left out only where the uplink has no room for a usual one") {
    FrameGuard guard;
    std::uint64_t now = 0;
    const auto next = [&](double room_bits) {
        now += frame_ns;
        return guard.lets_through(now, room_bits);
    };
    // Nothing is known yet.
    CHECK(next(0));
    guard.frame_came(5000, true);
    for (int frame = 0; frame < 49; ++frame) {
        CHECK(next(20'000));
        guard.frame_came(1000, false);
    }
    CHECK_FALSE(next(9000));
    CHECK(next(20'000));
    guard.frame_came(5000, true);
    CHECK(guard.left_out() == 1);
    // A key frame is due 50 frames after the last one.
    for (int frame = 0; frame < 49; ++frame) {
        CHECK(next(20'000));
        guard.frame_came(1000, false);
    }
    CHECK_FALSE(next(20'000));
    CHECK(next(60'000));
}

TEST_CASE("a stream is not held for ever, and time that goes back holds nothing") {
    FrameGuard guard;
    CHECK(guard.lets_through(10'000 * ms, 0));
    guard.frame_came(100'000, true);
    guard.frame_came(100'000, false);
    std::uint64_t now = 10'000 * ms;
    int held = 0;
    while (!guard.lets_through(now += frame_ns, 1000)) ++held;
    CHECK(held == 49);
    CHECK(guard.lets_through(0, 0));
}

TEST_CASE("an encoder with look-ahead is not taken for one that gives out nothing") {
    EncoderWatch watch;
    for (int frame = 0; frame < 1000; ++frame) {
        CHECK_FALSE(watch.frame_in(frame * frame_ns));
        if (frame >= 120) watch.frame_out();
    }
    // A stream that begins anew.
    for (int frame = 0; frame < 100; ++frame) {
        CHECK_FALSE(watch.frame_in(frame * frame_ns));
        watch.frame_out();
    }
}
