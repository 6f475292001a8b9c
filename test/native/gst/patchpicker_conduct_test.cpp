// patchpicker when things go wrong or end: no engine, a bad one, sizes that do not fit, flushes,
// states.
#include <doctest/doctest.h>
#include <gst/video/video.h>

#include <thread>

#include "picker_fixture.h"

using livesr::test::frame_time;
using livesr::test::log_of;
using livesr::test::PickerFixture;
using livesr::test::picking_engine;
using livesr::test::TestEngine;

TEST_CASE("patchpicker: without an engine frames pass and gaps go on") {
    PickerFixture picker("engine=off");
    picker.push(0, 50);
    CHECK(picker.reaches(50 * frame_time));
    CHECK(picker.stat("frames") == 51);
    CHECK(picker.stat("offers") == 0);
    CHECK(picker.stat("patches") == 0);
    guint video = 0;
    g_object_get(picker.element(), "video-bitrate", &video, nullptr);
    CHECK(video == 1'000'000);
}

TEST_CASE("patchpicker: gaps do not wait for pictures when it is not in lockstep") {
    PickerFixture picker("engine=off");
    for (int n = 0; n < 100; ++n) CHECK(picker.push_high(n) == GST_FLOW_OK);
    CHECK(picker.reaches(99 * frame_time));
}

TEST_CASE("patchpicker: an engine that never answers costs memory for ten frames, no more") {
    const TestEngine engine(picking_engine("return undefined;"));
    PickerFixture picker("");
    picker.push(0, 99);
    CHECK(picker.stat("offers") == 40);
    CHECK(picker.stat("offers-unanswered") == 30);
    CHECK(picker.reaches(99 * frame_time));
}

TEST_CASE("patchpicker: a selection of a frame that is gone is counted, not sent") {
    const TestEngine engine(picking_engine(
        "if (head.offer === 1) send(1, { type: 'patch.select', offer: 0, cells: [0] });\n"
        "return [];"));
    PickerFixture picker("lockstep=true");
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
        rule = "plan.set has videoBitrateBps below zero";
    }
    SUBCASE("a message for somebody else") {
        cells = "send(1, { type: 'model.swap' });";
        rule = "message model.swap is none that a sender takes";
    }
    const TestEngine engine(picking_engine(cells));
    PickerFixture picker("");
    picker.push(0, 0);
    const std::string told = picker.warning();
    CAPTURE(told);
    CHECK(told.find(rule) != std::string::npos);
    CHECK(told.find("video goes on") != std::string::npos);
    CHECK(picker.push_high(1) == GST_FLOW_OK);
    CHECK(picker.stat("patches") == 0);
}

TEST_CASE("patchpicker: pictures of another size than scale says are counted and left alone") {
    const TestEngine engine(picking_engine("return [0];"));
    PickerFixture picker("lockstep=true");
    picker.set_low_size(242, 180);
    picker.push(0, 10);
    CHECK(picker.stat("size-mismatches") == 5);
    CHECK(picker.stat("offers") == 0);
    CHECK(picker.reaches(10 * frame_time));
}

TEST_CASE("patchpicker: frames smaller than a cell are offered with no cells") {
    const TestEngine engine(picking_engine("return [];"));
    PickerFixture picker("lockstep=true", 100, 100);
    picker.push(0, 0);
    const auto offers = log_of(engine, "frame.offer");
    REQUIRE(offers.size() == 1);
    CHECK(offers[0]["columns"] == 0);
    CHECK(offers[0]["errors"].empty());
}

TEST_CASE("patchpicker: frames without a time stamp pass unused") {
    PickerFixture picker("engine=off");
    GstBuffer* buffer =
        livesr::test::video_buffer(GST_VIDEO_FORMAT_I420, picker.picture(0), 0, frame_time);
    GST_BUFFER_PTS(buffer) = GST_CLOCK_TIME_NONE;
    CHECK(gst_harness_push(picker.high(), buffer) == GST_FLOW_OK);
    CHECK(picker.stat("frames") == 0);
}

TEST_CASE("patchpicker: the end comes when both inputs have ended") {
    const TestEngine engine(picking_engine("return [];"));
    PickerFixture picker("lockstep=true");
    picker.push(0, 3);
    CHECK(gst_harness_push_event(picker.high(), gst_event_new_eos()));
    REQUIRE(picker.reaches(3 * frame_time));
    CHECK(gst_harness_push_event(picker.low(), gst_event_new_eos()));
    CHECK(picker.ends());
}

TEST_CASE("patchpicker: after a flush it starts anew, from any time") {
    const TestEngine engine(picking_engine("return [0];"));
    PickerFixture picker("lockstep=true");
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
    const TestEngine engine(picking_engine("return [0];"));
    for (int round = 0; round < 3; ++round) {
        PickerFixture picker("lockstep=true");
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
    const TestEngine engine(picking_engine("process.kill(process.pid, 'SIGSTOP'); return [0];"));
    PickerFixture picker("lockstep=true");
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
        // Messages hold the element that posted them, and the element its bus.
        gst_element_set_bus(element, nullptr);
        gst_object_unref(element);
        gst_object_unref(bus);
        return text;
    };
    CHECK(refusal("engine=maybe").find("use auto, off or unix:PATH") != std::string::npos);
    CHECK(refusal("uplink=fixed:-3").find("fixed:KBITS") != std::string::npos);
    CHECK(refusal("uplink=fast").find("trace:FILE") != std::string::npos);
    CHECK(refusal("uplink=trace:/nowhere").find("not a file") != std::string::npos);
}
