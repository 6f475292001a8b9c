// The private elements inside patchsender by themselves: the scaler and the side branch; and what
// is known about encoders.
#include <doctest/doctest.h>
#include <gst/check/gstharness.h>

#include <algorithm>
#include <atomic>

#include "core/picture/resample.h"
#include "gst/sender/encoder.h"
#include "gst/sender/lowres_scaler.h"
#include "gst/sender/patches.h"
#include "gst/sender/settings.h"
#include "gst/sender/side_branch.h"
#include "pictures.h"

using livesr::lowres_side;
using livesr::padded_side;
using livesr::Scale;
using livesr::gst::initial_plan;
using livesr::gst::Plan;
using livesr::gst::SenderSettings;
using livesr::test::Plane;

namespace {

std::string i420(int width, int height) {
    return "video/x-raw,format=I420,framerate=25/1,width=" + std::to_string(width) +
           ",height=" + std::to_string(height);
}

// The plane padded by its edges, then scaled down.
Plane expected(const Plane& plane, int padded_width, int padded_height, const Scale& scale) {
    Plane padded{padded_width, padded_height, 1, {}};
    for (int y = 0; y < padded_height; ++y) {
        for (int x = 0; x < padded_width; ++x) {
            const int from_x = std::min(x, plane.width - 1);
            const int from_y = std::min(y, plane.height - 1);
            padded.pixels.push_back(
                plane.pixels[static_cast<std::size_t>(from_y * plane.width + from_x)]);
        }
    }
    Plane low{padded_width / scale.up * scale.down, padded_height / scale.up * scale.down, 1, {}};
    low.pixels.resize(static_cast<std::size_t>(low.width * low.height));
    livesr::resample(livesr::Filter::lanczos, padded.pixels.data(), padded.width, padded.width,
                     padded.height, low.pixels.data(), low.width, low.width, low.height);
    return low;
}

GstBuffer* coded(int n, bool key_frame) {
    GstBuffer* buffer = gst_buffer_new_allocate(nullptr, 10, nullptr);
    GST_BUFFER_PTS(buffer) = static_cast<GstClockTime>(n) * 40 * GST_MSECOND;
    if (!key_frame) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
    return buffer;
}

}  // namespace

TEST_CASE("sender parts: a side is padded so that half of it is whole at either end") {
    CHECK(padded_side(1280, 2) == 1280);
    CHECK(padded_side(1281, 2) == 1284);
    CHECK(padded_side(1280, 3) == 1284);
    CHECK(padded_side(1, 4) == 8);
    CHECK(lowres_side(719, 3) == 240);
    CHECK(padded_side(1280, Scale(3, 2)) == 1284);
    CHECK(lowres_side(1280, Scale(3, 2)) == 856);
    CHECK(lowres_side(720, Scale(3, 2)) == 480);
    CHECK(lowres_side(1080, Scale(3, 2)) == 720);
    CHECK(lowres_side(540, Scale(3, 2)) == 360);
}

TEST_CASE("sender parts: the scaler pads by the edge and scales every plane") {
    for (const auto& [width, height, scale] : {std::tuple{64, 48, Scale(2)},
                                               {63, 47, Scale(2)},
                                               {64, 46, Scale(3)},
                                               {65, 41, Scale(4)},
                                               {7, 5, Scale(2)},
                                               {33, 31, Scale(1)},
                                               {60, 48, Scale(3, 2)},
                                               {64, 47, Scale(3, 2)}}) {
        CAPTURE(width);
        CAPTURE(height);
        CAPTURE(name(scale));
        GstElement* scaler = livesr::gst::make_lowres_scaler();
        livesr::gst::configure_lowres_scaler(scaler, scale, 0, 0);
        GstHarness* harness = gst_harness_new_with_element(scaler, "sink", "src");
        gst_harness_set_src_caps_str(harness, i420(width, height).c_str());
        GstBuffer* input = livesr::test::video_buffer(GST_VIDEO_FORMAT_I420, width, height, 3, 0,
                                                      40 * GST_MSECOND);
        const std::vector<Plane> from =
            livesr::test::planes(input, GST_VIDEO_FORMAT_I420, width, height);
        GstBuffer* output = gst_harness_push_and_pull(harness, input);
        REQUIRE(output);
        const int padded_width = padded_side(width, scale);
        const int padded_height = padded_side(height, scale);
        const std::vector<Plane> to = livesr::test::planes(
            output, GST_VIDEO_FORMAT_I420, lowres_side(width, scale), lowres_side(height, scale));
        CHECK(to[0] == expected(from[0], padded_width, padded_height, scale));
        CHECK(to[1] == expected(from[1], padded_width / 2, padded_height / 2, scale));
        CHECK(to[2] == expected(from[2], padded_width / 2, padded_height / 2, scale));
        gst_buffer_unref(output);
        gst_harness_teardown(harness);
        gst_object_unref(scaler);
    }
}

TEST_CASE("sender parts: a picture of the right size passes the scaler untouched") {
    GstElement* scaler = livesr::gst::make_lowres_scaler();
    livesr::gst::configure_lowres_scaler(scaler, 1, 0, 0);
    GstHarness* harness = gst_harness_new_with_element(scaler, "sink", "src");
    gst_harness_set_src_caps_str(harness, i420(64, 48).c_str());
    GstBuffer* input =
        livesr::test::video_buffer(GST_VIDEO_FORMAT_I420, 64, 48, 3, 0, 40 * GST_MSECOND);
    gst_buffer_ref(input);
    GstBuffer* output = gst_harness_push_and_pull(harness, input);
    CHECK(output == input);
    gst_buffer_unref(input);
    gst_buffer_unref(output);
    gst_harness_teardown(harness);
    gst_object_unref(scaler);
}

TEST_CASE("sender parts: a side branch that falls behind goes on with the next key frame") {
    GstElement* pipeline = gst_pipeline_new(nullptr);
    GstElement* branch = livesr::gst::make_side_branch([] {});
    GstElement* queue = gst_element_factory_make("queue", nullptr);
    g_object_set(queue, "max-size-buffers", 0, "max-size-bytes", 0, "max-size-time",
                 static_cast<guint64>(0), nullptr);
    GstElement* sink = gst_element_factory_make("fakesink", nullptr);
    g_object_set(sink, "async", FALSE, nullptr);
    gst_bin_add_many(GST_BIN(pipeline), branch, queue, sink, nullptr);
    REQUIRE(gst_element_link_many(branch, queue, sink, nullptr));
    livesr::gst::set_branch_queue(branch, queue);
    GstPad* end = gst_element_get_static_pad(sink, "sink");
    struct Seen {
        std::vector<GstClockTime> times;
    } seen;
    gst_pad_add_probe(
        end, GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad*, GstPadProbeInfo* info, gpointer data) {
            static_cast<Seen*>(data)->times.push_back(
                GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info)) / (40 * GST_MSECOND));
            return GST_PAD_PROBE_OK;
        },
        &seen, nullptr);
    const gulong block = gst_pad_add_probe(
        end, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM,
        [](GstPad*, GstPadProbeInfo*, gpointer) { return GST_PAD_PROBE_OK; }, nullptr, nullptr);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    GstPad* first = gst_element_get_static_pad(branch, "sink");
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_pad_send_event(first, gst_event_new_stream_start("test"));
    gst_pad_send_event(first, gst_event_new_segment(&segment));
    for (int n = 0; n < 100; ++n) CHECK(gst_pad_chain(first, coded(n, n == 0)) == GST_FLOW_OK);
    CHECK(livesr::gst::frames_skipped(branch) >= 39);
    gst_pad_remove_probe(end, block);
    guint level = 1;
    while (level > 0) g_object_get(queue, "current-level-buffers", &level, nullptr);
    // There is room again, but what comes builds on frames that were skipped.
    CHECK(gst_pad_chain(first, coded(100, false)) == GST_FLOW_OK);
    CHECK(gst_pad_chain(first, coded(101, true)) == GST_FLOW_OK);
    CHECK(gst_pad_chain(first, coded(102, false)) == GST_FLOW_OK);
    gst_pad_send_event(first, gst_event_new_eos());
    GstBus* bus = gst_element_get_bus(pipeline);
    GstMessage* message = gst_bus_timed_pop_filtered(bus, 20 * GST_SECOND, GST_MESSAGE_EOS);
    REQUIRE(message);
    gst_message_unref(message);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    REQUIRE(seen.times.size() > 60);
    for (std::size_t n = 0; n < 60; ++n) CHECK(seen.times[n] == n);
    CHECK(std::count(seen.times.begin(), seen.times.end(), 100) == 0);
    CHECK(seen.times.back() == 102);
    CHECK(seen.times[seen.times.size() - 2] == 101);
    gst_object_unref(bus);
    gst_object_unref(first);
    gst_object_unref(end);
    gst_object_unref(pipeline);
}

TEST_CASE("sender parts: an encoder's bit rate is set in its own unit, within its range") {
    const auto bitrate_of = [](const char* fragment, const char* property, std::uint32_t bps) {
        GstElement* bin = gst_parse_bin_from_description(fragment, TRUE, nullptr);
        const auto control = livesr::gst::find_bitrate_control(bin);
        REQUIRE(control);
        livesr::gst::set_bitrate(*control, bps);
        GValue value = G_VALUE_INIT;
        g_object_get_property(G_OBJECT(control->encoder), property, &value);
        GValue number = G_VALUE_INIT;
        g_value_init(&number, G_TYPE_INT64);
        REQUIRE(g_value_transform(&value, &number));
        const gint64 set = g_value_get_int64(&number);
        g_value_unset(&value);
        gst_object_unref(gst_object_ref_sink(bin));
        return set;
    };
    CHECK(bitrate_of("videoconvert ! x264enc ! identity", "bitrate", 512'000) == 512);
    CHECK(bitrate_of("x264enc", "bitrate", 100) == 1);
    CHECK(bitrate_of("vp8enc", "target-bitrate", 512'000) == 512'000);
    CHECK(bitrate_of("openh264enc", "bitrate", 512'000) == 512'000);
    GstElement* none = gst_parse_bin_from_description("jpegenc", TRUE, nullptr);
    CHECK_FALSE(livesr::gst::find_bitrate_control(none));
    gst_object_unref(gst_object_ref_sink(none));
}

TEST_CASE("sender parts: the decoder follows from what the encoder gives out") {
    const auto decoder_of = [](const char* caps_text) {
        GstCaps* caps = gst_caps_from_string(caps_text);
        const std::string fragment = livesr::gst::decoder_for(caps);
        gst_caps_unref(caps);
        return fragment;
    };
    CHECK(decoder_of("video/x-h264,stream-format=avc").find("h264parse ! ") == 0);
    CHECK(decoder_of("video/x-vp8").find("vp8") != std::string::npos);
    // Not in our table: the registry knows.
    CHECK(decoder_of("video/x-theora").find("theoradec") != std::string::npos);
    CHECK(decoder_of("video/x-unheard-of") == "");
    CHECK(decoder_of("ANY") == "");
}

TEST_CASE("sender parts: the first plan never gives out more than the uplink carries") {
    const auto plan = [](std::uint32_t max_bps, std::uint32_t patch_bps, const char* uplink) {
        SenderSettings settings;
        settings.max_bitrate_bps = max_bps;
        settings.patch_bitrate_bps = patch_bps;
        settings.uplink = uplink;
        return initial_plan(settings);
    };
    CHECK(plan(600'000, 50'000, "auto") == Plan{550'000, 50'000, 600'000, 550'000});
    CHECK(plan(600'000, 50'000, "fixed:400") == Plan{350'000, 50'000, 400'000, 350'000});
    CHECK(plan(600'000, 50'000, "fixed:4000") == Plan{550'000, 50'000, 600'000, 550'000});
    CHECK(plan(220'000, 50'000, "auto") == Plan{200'000, 20'000, 220'000, 200'000});
    CHECK(plan(150'000, 50'000, "auto") == Plan{150'000, 0, 150'000, 150'000});
    SenderSettings settings;
    settings.scale = 1;
    CHECK(initial_plan(settings).patch_bitrate_bps == 0);
    settings.scale = 2;
    settings.unrelated_sizes = true;
    CHECK(initial_plan(settings).patch_bitrate_bps == 0);
}
