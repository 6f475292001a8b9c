// srenhancer without an engine: pictures, states, events, bad input. Sizes:
// srenhancer_sizes_test.cpp; with an engine: srenhancer_engine_test.cpp.
#include "core/model/model_file.h"
#include "core/patch/packet.h"
#include "enhancer_checks.h"
#include "test_engine.h"

using livesr::Network;
using namespace livesr::test;

TEST_CASE("every plane of I420 and NV12 is enlarged, odd sizes and small ones included") {
    Folder folder;
    for (const int scale : {2, 3, 4}) {
        const Network network = random_network(scale, 5);
        const std::string model = folder.write_model("m.onnx", network);
        for (const bool neural : {false, true}) {
            for (const auto format : {GST_VIDEO_FORMAT_I420, GST_VIDEO_FORMAT_NV12}) {
                for (const auto& [width, height] :
                     {std::pair{16, 16}, {17, 19}, {64, 36}, {33, 48}}) {
                    CAPTURE(scale);
                    CAPTURE(width);
                    CAPTURE(neural);
                    EnhancerHarness harness("training=off scale=" + std::to_string(scale) +
                                            " model=" + (neural ? model : "bicubic"));
                    harness.set_caps(format, width, height);
                    GstBuffer* in = video_buffer(format, width, height, 5, 0, frame_duration);
                    const auto planes_in = planes(in, format, width, height);
                    GstBuffer* out = harness.enhance(in);
                    check_planes(out, format, planes_in, scale, width * scale, height * scale,
                                 neural ? &network : nullptr);
                    CHECK(harness.output_size() == std::pair{width * scale, height * scale});
                    gst_buffer_unref(out);
                }
            }
        }
    }
}

TEST_CASE("several threads give the same picture as one") {
    Folder folder;
    const std::string model = folder.write_model("m.onnx", random_network(3, 9));
    std::vector<std::vector<Plane>> results;
    for (const int threads : {1, 2, 5}) {
        EnhancerHarness harness("training=off scale=3 model=" + model +
                                " threads=" + std::to_string(threads));
        harness.set_caps(GST_VIDEO_FORMAT_I420, 100, 37);
        for (int number = 0; number < 20; ++number) {
            GstBuffer* out = harness.enhance(number);
            REQUIRE(out != nullptr);
            if (number == 19) results.push_back(planes(out, GST_VIDEO_FORMAT_I420, 300, 111));
            gst_buffer_unref(out);
        }
    }
    CHECK(results[1] == results[0]);
    CHECK(results[2] == results[0]);
}

TEST_CASE("time stamps, durations and flags pass") {
    EnhancerHarness harness("training=off model=bicubic");
    harness.set_caps(GST_VIDEO_FORMAT_I420, 32, 32);
    GstBuffer* in = video_buffer(GST_VIDEO_FORMAT_I420, 32, 32, 0, 123456789, frame_duration);
    GST_BUFFER_FLAG_SET(in, GST_BUFFER_FLAG_DISCONT);
    GstBuffer* out = harness.enhance(in);
    REQUIRE(out != nullptr);
    CHECK(GST_BUFFER_PTS(out) == 123456789);
    CHECK(GST_BUFFER_DURATION(out) == frame_duration);
    CHECK(GST_BUFFER_FLAG_IS_SET(out, GST_BUFFER_FLAG_DISCONT));
    gst_buffer_unref(out);
    GstBuffer* without =
        video_buffer(GST_VIDEO_FORMAT_I420, 32, 32, 0, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE);
    out = harness.enhance(without);
    REQUIRE(out != nullptr);
    CHECK(!GST_BUFFER_PTS_IS_VALID(out));
    gst_buffer_unref(out);
}

TEST_CASE("a buffer with strides of its own is read as its meta says") {
    EnhancerHarness harness("training=off model=bicubic");
    harness.set_caps(GST_VIDEO_FORMAT_I420, 32, 16);
    // 48 bytes a row of luma, 40 of chroma, 100 bytes between planes.
    gsize offsets[GST_VIDEO_MAX_PLANES] = {64, 64 + 48 * 16 + 100,
                                           64 + 48 * 16 + 100 + 40 * 8 + 100};
    gint strides[GST_VIDEO_MAX_PLANES] = {48, 40, 40};
    GstBuffer* in = gst_buffer_new_allocate(nullptr, 4096, nullptr);
    gst_buffer_memset(in, 0, 255, 4096);
    gst_buffer_add_video_meta_full(in, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_I420, 32, 16, 3,
                                   offsets, strides);
    GstVideoInfo info;
    gst_video_info_set_format(&info, GST_VIDEO_FORMAT_I420, 32, 16);
    GstVideoFrame frame;
    REQUIRE(gst_video_frame_map(&frame, &info, in, GST_MAP_WRITE));
    for (int plane = 0; plane < 3; ++plane) {
        for (int y = 0; y < GST_VIDEO_FRAME_COMP_HEIGHT(&frame, plane); ++y) {
            auto* row = static_cast<std::uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, plane)) +
                        y * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, plane);
            for (int x = 0; x < GST_VIDEO_FRAME_COMP_WIDTH(&frame, plane); ++x) {
                row[x] = static_cast<std::uint8_t>(x * 5 + y * 3 + plane * 40);
            }
        }
    }
    gst_video_frame_unmap(&frame);
    const auto planes_in = planes(in, GST_VIDEO_FORMAT_I420, 32, 16);
    GstBuffer* out = harness.enhance(in);
    check_planes(out, GST_VIDEO_FORMAT_I420, planes_in, 2, 64, 32, nullptr);
    gst_buffer_unref(out);
}

TEST_CASE("garbage on the patches pad is counted by its fault and stops nothing") {
    EnhancerHarness harness("training=off model=bicubic scale=2");
    harness.set_caps(GST_VIDEO_FORMAT_I420, 64, 48);
    const auto good = harness.patch_packet(0, 0);
    REQUIRE(good.size() > 30);
    const auto push = [&](std::vector<std::uint8_t> bytes) {
        CHECK(harness.push_patch_bytes(bytes, 0) == GST_FLOW_OK);
    };
    push({good.begin(), good.begin() + 30});
    CHECK(harness.count("packets-dropped-truncated") == 1);

    auto foreign = good;
    foreign[12] ^= 0xFFU;
    push(foreign);
    CHECK(harness.count("packets-dropped-foreign") == 1);

    auto flipped = good;
    flipped[flipped.size() / 2] ^= 1U;
    push(flipped);
    CHECK(harness.count("packets-dropped-checksum") == 1);

    push(std::vector<std::uint8_t>(5000, 0x55));
    push({});

    // A picture that is no JPEG, in a packet that is right in all else.
    livesr::PacketHeader header;
    header.frame_width = 128;
    header.frame_height = 96;
    livesr::CodedPatch patch;
    patch.quality = 95;
    patch.width = 32;
    patch.height = 32;
    const std::vector<std::uint8_t> noise(100, 7);
    patch.payload = noise;
    header.sequence = 1;
    push(livesr::write_packet(header, {&patch, 1}));
    CHECK(harness.count("patches-dropped-bad-image") == 1);
    // A JPEG that is not as large as its header says.
    const Plane large = livesr::test::texture(40, 40, 0);
    const auto jpeg = livesr::encode_jpeg_luma(large.pixels.data(), 40, 40, 40, 90);
    patch.payload = jpeg;
    header.sequence = 2;
    push(livesr::write_packet(header, {&patch, 1}));
    CHECK(harness.count("patches-dropped-bad-image") == 2);

    // Two in a buffer, the first of another scale.
    header.scale = 3;
    header.sequence = 3;
    auto two = livesr::write_packet(header, {});
    two.insert(two.end(), good.begin(), good.end());
    push(two);
    CHECK(harness.count("packets-dropped-other-scale") == 1);
    const std::string warning = text_of(harness.message(GST_MESSAGE_WARNING));
    CHECK(warning.find("scale=3") != std::string::npos);
    push(two);
    CHECK(harness.message(GST_MESSAGE_WARNING) == nullptr);

    for (int number = 0; number < 3; ++number) {
        GstBuffer* out = harness.enhance(number);
        REQUIRE(out != nullptr);
        gst_buffer_unref(out);
    }
}

TEST_CASE("the element goes through its states again and again, and begins anew each time") {
    EnhancerHarness harness("training=off model=bicubic scale=2");
    for (int round = 0; round < 3; ++round) {
        harness.set_caps(GST_VIDEO_FORMAT_I420, 32, 32);
        for (int number = 0; number < 4; ++number) gst_buffer_unref(harness.enhance(number));
        CHECK(harness.count("frames") == 4);
        CHECK(gst_element_set_state(harness.element(), GST_STATE_NULL) == GST_STATE_CHANGE_SUCCESS);
        gst_harness_play(harness.video());
        gst_element_set_state(harness.element(), GST_STATE_PLAYING);
        // A pad that was deactivated has forgotten its stream.
        gst_harness_push_event(harness.video(), gst_event_new_stream_start("again"));
        harness.set_caps(GST_VIDEO_FORMAT_I420, 32, 32);
        GstSegment segment;
        gst_segment_init(&segment, GST_FORMAT_TIME);
        gst_harness_push_event(harness.video(), gst_event_new_segment(&segment));
    }
}

TEST_CASE("a live pipeline is told how long a frame may stay: a frame time, or max-latency") {
    for (const auto& [properties, own_ms] : {std::pair<const char*, guint64>{" max-latency=0", 40},
                                             {" max-latency=15", 15},
                                             {" lockstep=true", 0}}) {
        CAPTURE(properties);
        EnhancerHarness harness(std::string("training=off model=bicubic") + properties);
        harness.set_caps(GST_VIDEO_FORMAT_I420, 32, 32);
        gst_harness_set_upstream_latency(harness.video(), 70 * GST_MSECOND);
        gst_buffer_unref(harness.enhance(0));
        CHECK(gst_harness_query_latency(harness.video()) == (70 + own_ms) * GST_MSECOND);
    }
}

TEST_CASE("when sinks are late the small network steps in, where there is one") {
    Folder folder;
    const livesr::Network small = livesr::make_network({.scale = 2, .channels = 8, .layers = 3}, 5);
    const std::string model = folder.write_model("x2.onnx", random_network(2, 3));
    folder.write_model("generic-x2-small.onnx", small);
    const Environment models("LIVESR_MODELS", folder.path().string());
    EnhancerHarness harness("training=off model=" + model);
    harness.set_caps(GST_VIDEO_FORMAT_I420, 32, 32);
    gst_buffer_unref(harness.enhance(0));
    gst_harness_push_upstream_event(
        harness.video(), gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 1.5, 50 * GST_MSECOND, 0));
    gst_buffer_unref(harness.enhance(1));
    CHECK(harness.count("frames-network") == 1);
    CHECK(harness.count("frames-small") == 1);
    CHECK(harness.count("frames-governed") == 0);
}

TEST_CASE("when sinks are late the picture is bicubic for a while, and the stats say so") {
    Folder folder;
    const Environment models("LIVESR_MODELS", folder.path().string());  // without a small network
    const std::string model = folder.write_model("x2.onnx", random_network(2, 3));
    EnhancerHarness harness("training=off model=" + model);
    harness.set_caps(GST_VIDEO_FORMAT_I420, 32, 32);
    gst_buffer_unref(harness.enhance(0));
    gst_harness_push_upstream_event(
        harness.video(), gst_event_new_qos(GST_QOS_TYPE_OVERFLOW, 1.0, 50 * GST_MSECOND, 0));
    gst_harness_push_upstream_event(
        harness.video(),
        gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 1.0, -5 * GST_MSECOND, GST_SECOND));
    gst_buffer_unref(harness.enhance(1));
    CHECK(harness.count("frames-network") == 2);
    gst_harness_push_upstream_event(
        harness.video(), gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 1.5, 50 * GST_MSECOND, 0));
    gst_buffer_unref(harness.enhance(2));
    gst_buffer_unref(harness.enhance(3));
    CHECK(harness.count("frames-network") == 2);
    CHECK(harness.count("frames-governed") == 2);
    CHECK(harness.count("frames-bicubic") == 0);
    CHECK(harness.count("frames") == 4);
    CHECK(harness.count("sink-late") == 1);
    CHECK(harness.count("governor-retreats") == 1);
}

TEST_CASE("quality-of-service events go upstream and no frame is dropped for them") {
    EnhancerHarness harness("training=off model=bicubic");
    harness.set_caps(GST_VIDEO_FORMAT_I420, 32, 32);
    gst_buffer_unref(harness.enhance(0));
    gst_harness_push_upstream_event(
        harness.video(), gst_event_new_qos(GST_QOS_TYPE_UNDERFLOW, 3.0, 10 * GST_SECOND, 0));
    bool passed = false;
    while (GstEvent* event = gst_harness_try_pull_upstream_event(harness.video())) {
        passed = passed || GST_EVENT_TYPE(event) == GST_EVENT_QOS;
        gst_event_unref(event);
    }
    CHECK(passed);
    for (int number = 1; number < 5; ++number) {
        GstBuffer* out = harness.enhance(number);
        REQUIRE(out != nullptr);
        gst_buffer_unref(out);
    }
}

TEST_CASE("the end of the stream passes, and the end of the patches does not end the video") {
    EnhancerHarness harness("training=off model=bicubic");
    harness.set_caps(GST_VIDEO_FORMAT_I420, 32, 32);
    gst_buffer_unref(harness.enhance(0));
    gst_harness_push_event(harness.patches(), gst_event_new_eos());
    gst_buffer_unref(harness.enhance(1));
    const auto ended = [&] {
        bool eos = false;
        while (GstEvent* event = gst_harness_try_pull_event(harness.video())) {
            eos = eos || GST_EVENT_TYPE(event) == GST_EVENT_EOS;
            gst_event_unref(event);
        }
        return eos;
    };
    CHECK_FALSE(ended());
    gst_harness_push_event(harness.video(), gst_event_new_eos());
    CHECK(ended());
}

TEST_CASE("the patches pad can be released and requested again in mid-stream") {
    EnhancerHarness harness("training=off model=bicubic");
    harness.set_caps(GST_VIDEO_FORMAT_I420, 32, 32);
    GstPad* first = gst_element_request_pad_simple(harness.element(), "patches");
    REQUIRE(first != nullptr);
    gst_element_release_request_pad(harness.element(), first);
    gst_object_unref(first);
    gst_buffer_unref(harness.enhance(0));
    GstPad* second = gst_element_request_pad_simple(harness.element(), "patches");
    REQUIRE(second != nullptr);
    gst_element_release_request_pad(harness.element(), second);
    gst_object_unref(second);
}

TEST_CASE("a model named by path must be there, be ours and have the scale") {
    Folder folder;
    GstBus* bus = gst_bus_new();
    const auto error_with = [&](const std::string& properties) {
        CHECK(start_alone(properties, bus) == GST_STATE_CHANGE_FAILURE);
        return text_of(gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR));
    };
    for (const char* training : {"off", "continuous"}) {
        const std::string setting = std::string(" training=") + training;
        CHECK(error_with("model=/no/such/file.onnx" + setting).find("No such file") !=
              std::string::npos);
        const std::string text = folder.write("text.onnx", {'h', 'e', 'l', 'l', 'o'});
        CHECK(error_with("model=" + text + setting).find("not a livesr network") !=
              std::string::npos);
        CHECK(error_with("model=" + folder.path().string() + setting).find("cannot be read") !=
              std::string::npos);
        const std::string other = folder.write_model("x3.onnx", random_network(3, 1));
        const std::string why = error_with("scale=2 model=" + other + setting);
        CHECK(why.find("enlarges 3 times") != std::string::npos);
        CHECK(why.find("Set scale=3") != std::string::npos);
    }
    CHECK(error_with("engine=somewhere").find("use auto, off or unix:PATH") != std::string::npos);
    gst_object_unref(bus);
}

TEST_CASE(
    "the generic model comes from LIVESR_MODELS; without it a warning is given and bicubic runs") {
    Folder folder;
    const Environment models("LIVESR_MODELS", folder.path().string());
    for (const bool present : {false, true}) {
        const Network network = random_network(2, 3);
        if (present) folder.write_model("generic-x2.onnx", network);
        EnhancerHarness harness("training=off scale=2");
        harness.set_caps(GST_VIDEO_FORMAT_I420, 32, 32);
        GstBuffer* in = video_buffer(GST_VIDEO_FORMAT_I420, 32, 32, 0, 0, frame_duration);
        const auto planes_in = planes(in, GST_VIDEO_FORMAT_I420, 32, 32);
        GstBuffer* out = harness.enhance(in);
        check_planes(out, GST_VIDEO_FORMAT_I420, planes_in, 2, 64, 64,
                     present ? &network : nullptr);
        gst_buffer_unref(out);
        CHECK(harness.text("model-in-use") == (present ? "generic" : "bicubic"));
        CHECK(harness.text("training-state") == "off");
        GstMessage* warning = harness.message(GST_MESSAGE_WARNING);
        if (present) {
            CHECK(warning == nullptr);
        } else {
            CHECK(text_of(warning).find("LIVESR_MODELS") != std::string::npos);
        }
    }
}

TEST_CASE("properties out of range are refused") {
    EnhancerHarness harness("");
    // GLib tells of it by a warning; here it is the refusal that counts.
    const auto silent = [](const gchar*, GLogLevelFlags, const gchar*, gpointer) {};
    const GLogFunc before = g_log_set_default_handler(silent, nullptr);
    g_object_set(harness.element(), "scale", 5, nullptr);
    g_object_set(harness.element(), "threads", 0, nullptr);
    g_log_set_default_handler(before, nullptr);
    int scale = 0;
    int threads = 0;
    g_object_get(harness.element(), "scale", &scale, "threads", &threads, nullptr);
    CHECK(scale == 0);
    CHECK(threads == 1);
}
