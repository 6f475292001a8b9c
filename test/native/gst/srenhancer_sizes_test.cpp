// srenhancer's sizes: caps that change and are asked for, sizes that packets announce.
#include "core/model/model_file.h"
#include "core/patch/packet.h"
#include "enhancer_checks.h"
#include "test_engine.h"

using livesr::Network;
using namespace livesr::test;

TEST_CASE("input caps may change in mid-stream") {
    EnhancerHarness harness("training=off model=bicubic scale=2");
    int number = 0;
    for (const auto& [format, width, height] : {std::tuple{GST_VIDEO_FORMAT_I420, 32, 24},
                                                {GST_VIDEO_FORMAT_I420, 64, 20},
                                                {GST_VIDEO_FORMAT_NV12, 64, 20},
                                                {GST_VIDEO_FORMAT_I420, 17, 16}}) {
        harness.set_caps(format, width, height);
        for (int i = 0; i < 3; ++i) {
            GstBuffer* out = harness.enhance(number++);
            REQUIRE(out != nullptr);
            CHECK(gst_buffer_get_size(out) >= static_cast<gsize>(width * height * 4));
            gst_buffer_unref(out);
        }
        CHECK(harness.output_size() == std::pair{width * 2, height * 2});
    }
    CHECK(harness.count("frames") == 12);
}

TEST_CASE("a change of size in mid-stream asks nothing that a queue answers when it has drained") {
    EnhancerHarness harness("training=off model=bicubic scale=2");
    int allocations = 0;
    gst_pad_add_probe(
        harness.video()->sinkpad, GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM,
        [](GstPad*, GstPadProbeInfo* info, gpointer count) {
            const GstQuery* query = GST_PAD_PROBE_INFO_QUERY(info);
            if (GST_QUERY_TYPE(query) == GST_QUERY_ALLOCATION) ++*static_cast<int*>(count);
            return GST_PAD_PROBE_OK;
        },
        &allocations, nullptr);
    harness.set_caps(GST_VIDEO_FORMAT_I420, 64, 48);
    gst_buffer_unref(harness.enhance(0));
    const int at_start = allocations;
    CHECK(at_start > 0);
    harness.set_caps(GST_VIDEO_FORMAT_I420, 32, 24);
    gst_buffer_unref(harness.enhance(1));
    CHECK(harness.output_size() == std::pair{64, 48});
    CHECK(allocations == at_start);
    // A flush empties every queue.
    gst_harness_push_event(harness.video(), gst_event_new_flush_start());
    gst_harness_push_event(harness.video(), gst_event_new_flush_stop(FALSE));
    harness.set_caps(GST_VIDEO_FORMAT_I420, 64, 48);
    gst_buffer_unref(harness.enhance(2));
    CHECK(allocations > at_start);
}

TEST_CASE("caps queries answer with scaled sizes, and downstream's wishes reach upstream") {
    EnhancerHarness harness("training=off model=bicubic scale=3");
    GstPad* sink = gst_element_get_static_pad(harness.element(), "sink");
    GstPad* src = gst_element_get_static_pad(harness.element(), "src");
    const auto answer = [](GstPad* pad, const char* text) {
        GstCaps* filter = gst_caps_from_string(text);
        GstCaps* caps = gst_pad_query_caps(pad, filter);
        const bool accepted = !gst_caps_is_empty(caps);
        gst_caps_unref(caps);
        gst_caps_unref(filter);
        return accepted;
    };
    CHECK(answer(sink, "video/x-raw,format=I420,width=16,height=16"));
    CHECK_FALSE(answer(sink, "video/x-raw,format=I420,width=15,height=16"));
    CHECK_FALSE(answer(sink, "video/x-raw,format=RGB,width=64,height=64"));
    CHECK(answer(src, "video/x-raw,format=NV12,width=1920,height=1080"));
    CHECK_FALSE(answer(src, "video/x-raw,format=NV12,width=20,height=1080"));
    gst_harness_set_sink_caps_str(harness.video(), "video/x-raw,format=I420,width=192,height=96");
    CHECK(answer(sink, "video/x-raw,format=I420,width=64,height=32"));
    CHECK_FALSE(answer(sink, "video/x-raw,format=I420,width=100,height=32"));
    gst_object_unref(sink);
    gst_object_unref(src);
}

TEST_CASE("colours that follow from the height stay what they were in the low-resolution picture") {
    const auto colorimetry = [](EnhancerHarness& harness) {
        GstPad* pad = gst_element_get_static_pad(harness.element(), "src");
        GstCaps* caps = gst_pad_get_current_caps(pad);
        GstVideoInfo info;
        CHECK(gst_video_info_from_caps(&info, caps));
        gst_caps_unref(caps);
        gst_object_unref(pad);
        gchar* text = gst_video_colorimetry_to_string(&info.colorimetry);
        const std::string result = text;
        g_free(text);
        return result;
    };
    EnhancerHarness harness("training=off model=bicubic scale=4");
    harness.set_caps(GST_VIDEO_FORMAT_I420, 32, 180);
    gst_buffer_unref(harness.enhance(0));
    CHECK(harness.output_size() == std::pair{128, 720});
    CHECK(colorimetry(harness) == "bt601");

    // A next element that insists on others gets them.
    EnhancerHarness insistent("training=off model=bicubic scale=4");
    gst_harness_set_sink_caps_str(insistent.video(), "video/x-raw,colorimetry=bt709");
    insistent.set_caps(GST_VIDEO_FORMAT_I420, 32, 180);
    gst_buffer_unref(insistent.enhance(0));
    CHECK(colorimetry(insistent) == "bt709");
}

TEST_CASE(
    "the size that the patches announce is what the output is cropped to, from its frame on") {
    EnhancerHarness harness("training=off model=bicubic scale=2");
    harness.set_caps(GST_VIDEO_FORMAT_I420, 64, 48);
    harness.push_patch_bytes(harness.announcement(127, 94), 2);
    for (int number = 0; number < 5; ++number) {
        CAPTURE(number);
        GstBuffer* in =
            video_buffer(GST_VIDEO_FORMAT_I420, 64, 48, number,
                         static_cast<GstClockTime>(number) * frame_duration, frame_duration);
        const auto planes_in = planes(in, GST_VIDEO_FORMAT_I420, 64, 48);
        GstBuffer* out = harness.enhance(in);
        const auto expected = number < 2 ? std::pair{128, 96} : std::pair{127, 94};
        CHECK(harness.output_size() == expected);
        check_planes(out, GST_VIDEO_FORMAT_I420, planes_in, 2, expected.first, expected.second,
                     nullptr);
        gst_buffer_unref(out);
    }
    CHECK(harness.count("announcements") == 1);
    CHECK(harness.count("true-width") == 127);

    SUBCASE("another announcement changes it again") {
        harness.push_patch_bytes(harness.announcement(125, 96), 6);
        gst_buffer_unref(harness.enhance(6));
        CHECK(harness.output_size() == std::pair{125, 96});
    }
    SUBCASE("one that does not fit the picture waits for the picture that it fits") {
        harness.push_patch_bytes(harness.announcement(99, 93), 6);
        gst_buffer_unref(harness.enhance(6));
        CHECK(harness.output_size() == std::pair{127, 94});
        harness.set_caps(GST_VIDEO_FORMAT_I420, 50, 48);
        gst_buffer_unref(harness.enhance(7));
        CHECK(harness.output_size() == std::pair{99, 93});
    }
    SUBCASE("a flush does not forget it") {
        gst_harness_push_event(harness.video(), gst_event_new_flush_start());
        gst_harness_push_event(harness.video(), gst_event_new_flush_stop(TRUE));
        GstSegment segment;
        gst_segment_init(&segment, GST_FORMAT_TIME);
        gst_harness_push_event(harness.video(), gst_event_new_segment(&segment));
        gst_buffer_unref(harness.enhance(0));
        CHECK(harness.output_size() == std::pair{127, 94});
    }
}

TEST_CASE("packets that run ahead of the frames do not put off the sizes that they tell") {
    EnhancerHarness harness("training=off model=bicubic scale=2");
    harness.set_caps(GST_VIDEO_FORMAT_I420, 64, 48);
    harness.push_patch_bytes(harness.announcement(127, 94), 0);
    harness.push_patch_bytes(harness.announcement(127, 94), 3);
    harness.push_patch_bytes(harness.announcement(125, 96), 4);
    harness.push_patch_bytes(harness.announcement(127, 94), 5);
    const std::pair<int, int> sizes[] = {{127, 94}, {127, 94}, {127, 94},
                                         {127, 94}, {125, 96}, {127, 94}};
    for (int number = 0; number < 6; ++number) {
        CAPTURE(number);
        gst_buffer_unref(harness.enhance(number));
        CHECK(harness.output_size() == sizes[number]);
    }
}

TEST_CASE("a next element that takes the padded size only gets it, announced or not") {
    EnhancerHarness harness("training=off model=bicubic scale=2");
    gst_harness_set_sink_caps_str(harness.video(), "video/x-raw,width=128,height=96");
    harness.set_caps(GST_VIDEO_FORMAT_I420, 64, 48);
    harness.push_patch_bytes(harness.announcement(127, 94), 0);
    for (int number = 0; number < 3; ++number) {
        GstBuffer* out = harness.enhance(number);
        REQUIRE(out != nullptr);
        gst_buffer_unref(out);
        CHECK(harness.output_size() == std::pair{128, 96});
    }
}
