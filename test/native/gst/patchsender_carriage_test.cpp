// Patches inside the pictures: the same packets as on the pad, named by pictures, whatever the
// codec.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <string>

#include "core/patch/carriage.h"
#include "core/patch/packet.h"
#include "gst/sender/patch_output.h"
#include "gst/sender/picture_carrier.h"
#include "gst/stream_format.h"
#include "sender_fixture.h"

using livesr::carriage_uuid;
using livesr::PartAssembler;
using livesr::PatchPacket;
using livesr::StreamFormat;
using livesr::test::packets_of;
using livesr::test::Pipeline;
using livesr::test::planning_engine;
using livesr::test::sender_source;
using livesr::test::Tap;
using livesr::test::TestEngine;

namespace {

using Bytes = std::vector<std::uint8_t>;

struct Carried {
    std::vector<Bytes> packets;
    std::vector<std::uint32_t> frames;  // that they name
    std::size_t parts = 0;
};

StreamFormat format_of(const Tap& video) {
    GstCaps* caps = gst_caps_from_string(video.caps.c_str());
    const auto format = livesr::gst::stream_format_of(caps);
    gst_caps_unref(caps);
    REQUIRE(format);
    return *format;
}

Carried carried_by(const Tap& video) {
    const StreamFormat format = format_of(video);
    PartAssembler assembler;
    Carried carried;
    for (const Bytes& picture : video.buffers) {
        const auto found = livesr::read_user_data(format, carriage_uuid, picture);
        CHECK(found.damaged == 0);
        for (const Bytes& payload : found.payloads) {
            const auto part = livesr::read_part(payload);
            REQUIRE(part);
            ++carried.parts;
            if (auto packet = assembler.add(*part)) {
                carried.packets.push_back(std::move(packet->bytes));
                carried.frames.push_back(packet->frame);
            }
        }
    }
    CHECK(assembler.incomplete() == 0);
    return carried;
}

struct Run {
    Tap video;
    Tap patches;
    std::map<std::string, guint64> stats;
};

void run(Run& run, const std::string& sender, const std::string& behind = "") {
    Pipeline pipeline(sender_source + "patchsender name=s lockstep=true " + sender + " s.src ! " +
                      behind +
                      "queue ! fakesink name=video s.patches ! queue ! fakesink name=patches");
    pipeline.tap("video", "sink", run.video);
    pipeline.tap("patches", "sink", run.patches);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    for (const char* name : {"patch-bytes", "patches", "announcement-bytes", "video-bytes"}) {
        run.stats[name] = pipeline.stat(name);
    }
}

}  // namespace

TEST_CASE("carriage: packets of frames that no receiver has are dropped while they wait") {
    const auto packet = [](GstClockTime time) {
        return livesr::gst::OutgoingPacket{Bytes(30, 7), time, time, 1};
    };
    SUBCASE("inside the pictures") {
        const StreamFormat format{livesr::Codec::h264, 0};
        livesr::gst::PictureCarrier carrier;
        carrier.set_format(format);
        carrier.count_by(40 * GST_MSECOND);
        for (const int frame : {1, 2, 3}) carrier.push(packet(frame * 40 * GST_MSECOND));
        carrier.drop_before(2 * 40 * GST_MSECOND);
        CHECK(carrier.dropped_late() == 1);
        const Bytes slice = {0, 0, 0, 1, 0x65, 1, 2, 3};
        GstBuffer* picture = carrier.carry(gst_buffer_new_memdup(slice.data(), slice.size()),
                                           4 * 40 * GST_MSECOND, 4 * 40 * GST_MSECOND);
        GstMapInfo map;
        REQUIRE(gst_buffer_map(picture, &map, GST_MAP_READ));
        const auto found =
            livesr::read_user_data(format, carriage_uuid, {map.data, map.data + map.size});
        gst_buffer_unmap(picture, &map);
        gst_buffer_unref(picture);
        REQUIRE(found.payloads.size() == 2);
        CHECK(livesr::read_part(found.payloads[0])->back == 2);
        CHECK(livesr::read_part(found.payloads[1])->back == 1);
    }
    SUBCASE("on the pad") {
        GstPad* pad = gst_pad_new("patches", GST_PAD_SRC);
        {
            livesr::gst::PatchOutput output(pad);
            output.wait_for_video();
            gst_pad_set_active(pad, TRUE);
            output.start();
            for (const int frame : {1, 2, 3}) CHECK(output.push(packet(frame * GST_SECOND)));
            output.drop_before(3 * GST_SECOND);
            CHECK(output.dropped_late() == 2);
            output.stop();
        }
        gst_pad_set_active(pad, FALSE);
        gst_object_unref(pad);
    }
}

TEST_CASE("carriage: pictures carry what the pad would, and name its frames") {
    const TestEngine engine(planning_engine);
    for (const std::string encoder :
         {"",
          "encoder=\"x264enc speed-preset=veryfast bframes=3 b-adapt=false key-int-max=25 "
          "rc-lookahead=5\"",
          "encoder=\"x265enc tune=zerolatency speed-preset=ultrafast\"",
          "encoder=\"av1enc usage-profile=realtime cpu-used=8\""}) {
        CAPTURE(encoder);
        Run inside;
        Run beside;
        run(inside, encoder);
        run(beside, encoder + " carriage=klv");
        const Carried carried = carried_by(inside.video);
        CHECK(carried.packets.size() > 10);
        CHECK(inside.patches.buffers.empty());
        // With a look-ahead the last pictures have left before the last patches are chosen.
        CHECK(carried.packets.size() <= beside.patches.buffers.size());
        std::vector<GstClockTime> shown = inside.video.running_times;
        std::ranges::sort(shown);
        for (std::size_t i = 0; i < carried.packets.size(); ++i) {
            CHECK(carried.packets[i] == beside.patches.buffers[i]);
            std::span<const std::uint8_t> bytes(carried.packets[i]);
            PatchPacket packet;
            REQUIRE(livesr::read_packet(bytes, packet) == livesr::PacketError::none);
            REQUIRE(carried.frames[i] < shown.size());
            CHECK(shown[carried.frames[i]] == packet.header.running_time_ns);
        }
    }
}

TEST_CASE("carriage: pictures with lengths carry patches too, and bits are counted as they are") {
    const TestEngine engine(planning_engine);
    Run inside;
    Run beside;
    // What follows takes lengths in place of start codes.
    const std::string avc = "video/x-h264,stream-format=avc ! ";
    run(inside, "carriage=sei", avc);
    run(beside, "carriage=klv", avc);
    CHECK(format_of(inside.video).length_bytes == 4);
    CHECK(carried_by(inside.video).packets == beside.patches.buffers);
    CHECK(inside.stats["patches"] == beside.stats["patches"]);
    CHECK(inside.stats["patch-bytes"] + inside.stats["announcement-bytes"] ==
          inside.video.bytes() - beside.video.bytes());
    CHECK(inside.stats["video-bytes"] == beside.video.bytes());
}

TEST_CASE("carriage: a codec without a place sends KLV, or says so") {
    const TestEngine engine(planning_engine);
    const std::string vp8 = "encoder=\"vp8enc deadline=1\"";
    Run automatic;
    run(automatic, vp8);
    CHECK(automatic.patches.buffers.size() > 10);
    Pipeline pipeline(
        sender_source + "patchsender name=s carriage=sei " + vp8 +
        " s.src ! queue ! fakesink name=video s.patches ! queue ! fakesink name=patches");
    CHECK_FALSE(pipeline.runs_to_the_end());
    CHECK(pipeline.error().find("carriage=sei needs an encoder of H.264") != std::string::npos);
}

TEST_CASE("carriage=none sends no packet at all") {
    const TestEngine engine(planning_engine);
    Run none;
    run(none, "carriage=none");
    CHECK(none.patches.buffers.empty());
    CHECK(carried_by(none.video).packets.empty());
    CHECK(none.video.buffers.size() == 50);
}

TEST_CASE("patchinserter: patches of a pad go into pictures that were coded elsewhere") {
    const TestEngine engine(planning_engine);
    for (const std::string encoder :
         {"x264enc tune=zerolatency speed-preset=ultrafast",
          "x264enc speed-preset=veryfast bframes=2 b-adapt=false rc-lookahead=5"}) {
        CAPTURE(encoder);
        // Pictures wait, so that patches come in time for one.
        Pipeline pipeline(sender_source +
                          "patchsender name=s lockstep=true carriage=klv encoder=\"" + encoder +
                          "\" s.src ! h264parse ! queue min-threshold-buffers=8 ! i.sink s.patches "
                          "! queue ! i.patches patchinserter name=i ! fakesink name=video");
        Tap video;
        Tap patches;
        pipeline.tap("video", "sink", video);
        pipeline.tap("i", "patches", patches);
        CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
        CHECK(video.buffers.size() == 50);
        const Carried carried = carried_by(video);
        CHECK(carried.packets.size() > 10);
        REQUIRE(carried.packets.size() <= patches.buffers.size());
        std::vector<GstClockTime> shown = video.running_times;
        std::ranges::sort(shown);
        // Of a count that begins anywhere.
        const std::uint32_t first = carried.frames[0];
        for (std::size_t i = 0; i < carried.packets.size(); ++i) {
            CHECK(carried.packets[i] == patches.buffers[i]);
            std::span<const std::uint8_t> bytes(carried.packets[i]);
            PatchPacket packet;
            REQUIRE(livesr::read_packet(bytes, packet) == livesr::PacketError::none);
            const std::uint32_t frame = carried.frames[i] - first;
            REQUIRE(frame < shown.size());
            CHECK(shown[frame] - shown[0] == packet.header.running_time_ns);
        }
    }
}
