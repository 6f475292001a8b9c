// srmeter: matching of frames, figures, the file, and pipelines that must not stand still.
#include <doctest/doctest.h>
#include <gst/gst.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/picture/metrics.h"
#include "enhancer_harness.h"
#include "gst/measure/frame_matcher.h"
#include "gst/measure/measurement.h"

using livesr::gst::FrameMatcher;
using livesr::gst::Measurement;
using livesr::gst::MeteredFrame;
using livesr::test::EnhancerHarness;
using livesr::test::Folder;
using livesr::test::Plane;
using livesr::test::texture;
using livesr::test::video_buffer;
using nlohmann::json;

namespace {

MeteredFrame at(std::int64_t moment) { return {moment, moment, 1, 1, {0}}; }

MeteredFrame luma(const Plane& plane, std::int64_t moment = 0) {
    return {moment, moment, plane.width, plane.height, plane.pixels};
}

std::vector<json> lines(const std::string& path) {
    std::ifstream file(path);
    std::vector<json> result;
    for (std::string line; std::getline(file, line);) result.push_back(json::parse(line));
    return result;
}

// Runs a pipeline to its end; the text of its first error or warning, if any.
std::string run(const std::string& description) {
    const EnhancerHarness registers_elements("");
    GError* error = nullptr;
    GstElement* pipeline = gst_parse_launch(description.c_str(), &error);
    REQUIRE_MESSAGE(error == nullptr, (error ? error->message : ""));
    GstBus* bus = gst_element_get_bus(pipeline);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    std::string complaint;
    bool ended = false;
    while (!ended) {
        GstMessage* message = gst_bus_timed_pop_filtered(
            bus, 60 * GST_SECOND,
            static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_WARNING));
        REQUIRE_MESSAGE(message != nullptr, "the pipeline stands still");
        GError* fault = nullptr;
        if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
            gst_message_parse_error(message, &fault, nullptr);
        } else if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING) {
            gst_message_parse_warning(message, &fault, nullptr);
        }
        if (fault != nullptr && complaint.empty()) complaint = fault->message;
        ended = GST_MESSAGE_TYPE(message) != GST_MESSAGE_WARNING;
        g_clear_error(&fault);
        gst_message_unref(message);
    }
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(bus);
    gst_object_unref(pipeline);
    return complaint;
}

const std::string source =
    "videotestsrc num-buffers=40 pattern=zone-plate kx2=30 ky2=30 kt=2 ! "
    "video/x-raw,format=I420,width=128,height=96,framerate=25/1 ";

}  // namespace

TEST_CASE("frames match within the tolerance and in order") {
    FrameMatcher matcher(false);
    matcher.set_tolerance(5);
    for (const int moment : {0, 40, 80, 120}) matcher.push(FrameMatcher::test, at(moment));
    CHECK_FALSE(matcher.next());
    matcher.push(FrameMatcher::reference, at(-20));
    CHECK_FALSE(matcher.next());
    matcher.push(FrameMatcher::reference, at(4));
    matcher.push(FrameMatcher::reference, at(46));  // too late for 40
    auto match = matcher.next();
    REQUIRE(match);
    CHECK(match->number == 0);
    CHECK(match->reference.moment == 4);
    CHECK_FALSE(match->lowres);
    CHECK_FALSE(matcher.next());
    CHECK(matcher.unmatched() == 1);
    matcher.push(FrameMatcher::reference, at(75));
    match = matcher.next();
    REQUIRE(match);
    CHECK(match->number == 2);
    CHECK(match->reference.moment == 75);
    matcher.end(FrameMatcher::reference);
    CHECK_FALSE(matcher.next());
    CHECK(matcher.unmatched() == 2);
    CHECK(matcher.test_frames() == 4);
    CHECK(matcher.waiting(FrameMatcher::test) == 0);
}

TEST_CASE("a low-resolution frame is waited for, and done without when it cannot come") {
    FrameMatcher matcher(true);
    for (const int moment : {0, 40}) {
        matcher.push(FrameMatcher::test, at(moment));
        matcher.push(FrameMatcher::reference, at(moment));
    }
    CHECK_FALSE(matcher.next());
    matcher.push(FrameMatcher::lowres, at(40));
    auto match = matcher.next();
    REQUIRE(match);
    CHECK_FALSE(match->lowres);
    match = matcher.next();
    REQUIRE(match);
    REQUIRE(match->lowres);
    CHECK(match->lowres->moment == 40);
}

TEST_CASE("after the end of the test picture nothing is kept for it") {
    FrameMatcher matcher(true);
    for (const int moment : {0, 40, 80}) matcher.push(FrameMatcher::reference, at(moment));
    matcher.end(FrameMatcher::test);
    CHECK_FALSE(matcher.next());
    CHECK(matcher.waiting(FrameMatcher::reference) == 0);
}

TEST_CASE("a frame's line has the figures of the test picture and of the baselines") {
    const Plane truth = texture(96, 64, 0);
    const Plane low = livesr::test::shrink(truth, 2);
    const Plane bicubic = livesr::test::enlarge(low, 2);
    Plane test = truth;
    for (std::uint8_t& pixel : test.pixels)
        pixel = static_cast<std::uint8_t>(pixel + (pixel < 200 ? 3 : -3));

    Measurement measurement({livesr::gst::parse_baselines("bilinear,bicubic,lanczos"), 2, 2});
    FrameMatcher::Match match;
    match.number = 7;
    match.test = luma(test, 1234);
    match.reference = luma(truth);
    match.lowres = luma(low);
    const json line = json::parse(measurement.measure(match));
    CHECK(line["frame"] == 7);
    CHECK(line["timeNs"] == 1234);
    const json& schemes = line["schemes"];
    CHECK(schemes.size() == 4);
    CHECK(schemes["test"]["mse"] == 9.0);
    CHECK(schemes["test"]["psnrDb"].get<double>() == doctest::Approx(38.588).epsilon(1e-4));
    const double squares = static_cast<double>(
        livesr::squared_error(bicubic.pixels.data(), 96, truth.pixels.data(), 96, 96, 64));
    CHECK(schemes["bicubic"]["mse"].get<double>() == doctest::Approx(squares / 96 / 64));
    CHECK(
        schemes["bicubic"]["ssim"].get<double>() ==
        doctest::Approx(livesr::ssim(bicubic.pixels.data(), 96, truth.pixels.data(), 96, 96, 64)));
    CHECK(schemes["bilinear"]["mse"].get<double>() > schemes["bicubic"]["mse"].get<double>());

    // Every second frame has an SSIM.
    CHECK_FALSE(json::parse(measurement.measure(match))["schemes"]["test"].contains("ssim"));
    CHECK(json::parse(measurement.measure(match))["schemes"]["test"].contains("ssim"));

    match.test = match.reference;
    const json exact = json::parse(measurement.measure(match));
    CHECK(exact["schemes"]["test"]["psnrDb"] == 100.0);
    const json summary = json::parse(measurement.summary(5, 1));
    CHECK(summary["frames"] == 5);
    CHECK(summary["measured"] == 4);
    CHECK(summary["unmatched"] == 1);
    CHECK(summary["schemes"]["test"]["mse"] == doctest::Approx(9.0 * 3 / 4));
    CHECK(summary["schemes"]["test"]["psnrDb"].get<double>() ==
          doctest::Approx((3 * 38.5884 + 100.0) / 4).epsilon(1e-4));
}

TEST_CASE("baselines of a padded picture are cropped to the true size") {
    const Plane padded = texture(96, 64, 0);
    const Plane low = livesr::test::shrink(padded, 2);
    const Plane truth = livesr::test::crop(padded, 0, 0, 93, 62);
    const Plane expected = livesr::test::crop(livesr::test::enlarge(low, 2), 0, 0, 93, 62);
    const double squares = static_cast<double>(
        livesr::squared_error(expected.pixels.data(), 93, truth.pixels.data(), 93, 93, 62));
    FrameMatcher::Match match;
    match.test = luma(truth);
    match.reference = luma(truth);
    match.lowres = luma(low);
    Measurement cropping({livesr::gst::parse_baselines("bicubic"), 2, 0});
    const json line = json::parse(cropping.measure(match));
    CHECK(line["schemes"]["bicubic"]["mse"].get<double>() == doctest::Approx(squares / 93 / 62));
    // Without a scale the picture is stretched to the reference, which is another picture.
    Measurement stretching({livesr::gst::parse_baselines("bicubic"), 0, 0});
    const json stretched = json::parse(stretching.measure(match));
    CHECK(stretched["schemes"]["bicubic"]["mse"].get<double>() > 2 * squares / 93 / 62);
    // And a scale that is too small cannot give the reference's size.
    match.lowres = luma(livesr::test::shrink(padded, 4));
    CHECK_THROWS_AS(cropping.measure(match), livesr::gst::MeasurementError);
}

TEST_CASE("a baseline that is not known is refused by name") {
    CHECK(livesr::gst::parse_baselines("").empty());
    CHECK_THROWS_WITH_AS(livesr::gst::parse_baselines("bicubic,nearest"),
                         doctest::Contains("nearest"), livesr::gst::MeasurementError);
    CHECK(run("videotestsrc ! srmeter baselines=nearest ! fakesink").find("nearest") !=
          std::string::npos);
}

TEST_CASE("a pipeline fed from one tee is measured to its last frame") {
    const Folder folder;
    const std::string location = (folder.path() / "q.jsonl").string();
    const std::string meter =
        " srmeter name=m scale=2 baselines=bicubic ssim-every=10 location=" + location;
    std::string options;
    std::string pipeline;
    int measured = 40;
    SUBCASE("with an encoder that delays in one branch") {
        pipeline = source +
                   "! tee name=t  t. ! queue ! m.reference  t. ! queue ! videoscale ! "
                   "video/x-raw,width=64,height=48 ! x264enc rc-lookahead=20 ! avdec_h264 ! "
                   "tee name=l  l. ! queue ! m.lowres  "
                   "l. ! queue ! srenhancer training=off model=bicubic ! m.sink";
    }
    SUBCASE("with fewer frames allowed to wait than the encoder holds back") {
        pipeline =
            source +
            "! tee name=t  t. ! queue max-size-buffers=1 ! m.reference  t. ! queue ! videoscale ! "
            "video/x-raw,width=64,height=48 ! x264enc rc-lookahead=20 ! avdec_h264 ! "
            "tee name=l  l. ! queue ! m.lowres  "
            "l. ! queue ! srenhancer training=off model=bicubic ! m.sink";
        options = " max-frames=16";
    }
    SUBCASE("with a reference that is longer than the test picture") {
        pipeline =
            "videotestsrc num-buffers=400 pattern=zone-plate kx2=30 ky2=30 kt=2 ! "
            "video/x-raw,format=I420,width=128,height=96,framerate=25/1 ! m.reference " +
            source +
            "! videoscale ! video/x-raw,width=64,height=48 ! tee name=l  "
            "l. ! queue ! m.lowres  "
            "l. ! queue ! srenhancer training=off model=bicubic ! m.sink";
    }
    SUBCASE("with a reference that ends before it") {
        pipeline =
            "videotestsrc num-buffers=25 pattern=zone-plate kx2=30 ky2=30 kt=2 ! "
            "video/x-raw,format=I420,width=128,height=96,framerate=25/1 ! m.reference " +
            source +
            "! videoscale ! video/x-raw,width=64,height=48 ! tee name=l  "
            "l. ! queue ! m.lowres  "
            "l. ! queue ! srenhancer training=off model=bicubic ! m.sink";
        measured = 25;
    }
    CHECK(run(pipeline + meter + options + " ! fakesink") == "");
    const auto result = lines(location);
    REQUIRE(result.size() == static_cast<std::size_t>(measured) + 1);
    for (int number = 0; number < measured; ++number) {
        const json& line = result[static_cast<std::size_t>(number)];
        CHECK(line["frame"] == number);
        CHECK(line["timeNs"] == number * 40'000'000LL);
        CHECK(line["schemes"]["test"]["mse"] == line["schemes"]["bicubic"]["mse"]);
        CHECK(line["schemes"]["test"].contains("ssim") == (number % 10 == 0));
    }
    CHECK(result.back()["summary"] == true);
    CHECK(result.back()["frames"] == 40);
    CHECK(result.back()["measured"] == measured);
    CHECK(result.back()["unmatched"] == 40 - measured);
}

TEST_CASE("a constant offset of the reference is allowed for, by time or by count") {
    const Folder folder;
    const std::string location = (folder.path() / "q.jsonl").string();
    std::string late = source;
    late.insert(late.find(' '), " timestamp-offset=2000000000");
    const std::string both = source + "! m.sink " + late +
                             "! m.reference srmeter name=m ssim-every=0 location=" + location;
    CHECK(run(both + " ! fakesink") == "No frame found its reference.");
    CHECK(lines(location).back()["unmatched"] == 40);
    for (const char* remedy : {" reference-offset=-2000000000", " match=count"}) {
        CHECK(run(both + remedy + " ! fakesink") == "");
        const json summary = lines(location).back();
        CHECK(summary["measured"] == 40);
        CHECK(summary["schemes"]["test"]["mse"] == 0.0);
    }
}

TEST_CASE("sizes that differ are an error that names both") {
    const std::string why = run(source +
                                "! m.sink videotestsrc num-buffers=10 ! "
                                "video/x-raw,format=I420,width=64,height=48,framerate=25/1 ! "
                                "m.reference srmeter name=m ! fakesink");
    CHECK(why.find("128x96") != std::string::npos);
    CHECK(why.find("64x48") != std::string::npos);
}

TEST_CASE("a location that cannot be written is an error at the start") {
    CHECK(run(source + "! srmeter location=/no/such/folder/q.jsonl ! fakesink")
              .find("/no/such/folder") != std::string::npos);
}

TEST_CASE("the picture passes unchanged, with or without a reference") {
    GstHarness* harness = gst_harness_new_with_padnames("srmeter", "sink", "src");
    gst_harness_set_src_caps_str(harness,
                                 "video/x-raw,format=I420,width=32,height=32,framerate=25/1");
    for (int number = 0; number < 5; ++number) {
        GstBuffer* in =
            video_buffer(GST_VIDEO_FORMAT_I420, 32, 32, number,
                         static_cast<GstClockTime>(number) * 40 * GST_MSECOND, 40 * GST_MSECOND);
        GstBuffer* out = gst_harness_push_and_pull(harness, gst_buffer_ref(in));
        CHECK(out == in);
        gst_buffer_unref(out);
        gst_buffer_unref(in);
    }
    gst_harness_set_upstream_latency(harness, 30 * GST_MSECOND);
    CHECK(gst_harness_query_latency(harness) == 30 * GST_MSECOND);
    gst_harness_push_event(harness, gst_event_new_eos());
    gst_harness_teardown(harness);
}
