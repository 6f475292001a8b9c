// srloopsrc: order, time stamps and pixels of what it plays, and what it says of files it cannot
// play.
#include "gst/measure/loopsrc.h"

#include <doctest/doctest.h>
#include <gst/video/video.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>

#include "gst/measure/y4m.h"

using livesr::gst::loop_frame;
using livesr::gst::parse_y4m_header;
using livesr::gst::Y4mError;

namespace {

// A file in a folder of its own.
struct TemporaryFile {
    std::filesystem::path path;

    explicit TemporaryFile(const std::string& bytes) {
        std::string name = (std::filesystem::temp_directory_path() / "livesr-y4m-XXXXXX").string();
        REQUIRE(mkdtemp(name.data()));
        path = std::filesystem::path(name) / "clip.y4m";
        std::ofstream(path, std::ios::binary) << bytes;
    }
    ~TemporaryFile() {
        std::error_code error;
        std::filesystem::remove_all(path.parent_path(), error);
    }
};

// Frame n has luma n * 10 + x, chroma 100 + n and 200 + n.
std::string clip(int width, int height, int frames, const std::string& rest) {
    std::string bytes =
        "YUV4MPEG2 W" + std::to_string(width) + " H" + std::to_string(height) + " " + rest + "\n";
    for (int n = 0; n < frames; ++n) {
        bytes += n % 2 ? "FRAME Ixyz\n" : "FRAME\n";
        for (int y = 0; y < height; ++y) {
            for (int x = 0; x < width; ++x) bytes += static_cast<char>(n * 10 + x);
        }
        const auto chroma = static_cast<std::size_t>((width + 1) / 2 * ((height + 1) / 2));
        bytes += std::string(chroma, static_cast<char>(100 + n));
        bytes += std::string(chroma, static_cast<char>(200 + n));
    }
    return bytes;
}

struct Played {
    std::vector<GstSample*> samples;
    std::string error;
    bool ended = false;

    ~Played() {
        for (GstSample* sample : samples) gst_sample_unref(sample);
    }
};

// What srloopsrc with these properties gives, up to `most` frames.
void play(const std::string& properties, std::size_t most, Played& played) {
    GstElement* pipeline = gst_parse_launch(
        ("srloopsrc " + properties + " ! fakesink name=sink signal-handoffs=true").c_str(),
        nullptr);
    REQUIRE(pipeline);
    GstElement* sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
    struct Context {
        Played* played;
        std::size_t most;
        GstElement* pipeline;
    } context{&played, most, pipeline};
    const auto take = +[](GstElement*, GstBuffer* buffer, GstPad* pad, gpointer data) {
        auto& c = *static_cast<Context*>(data);
        if (c.played->samples.size() >= c.most) return;
        GstCaps* caps = gst_pad_get_current_caps(pad);
        c.played->samples.push_back(gst_sample_new(buffer, caps, nullptr, nullptr));
        gst_caps_unref(caps);
        if (c.played->samples.size() == c.most) {
            gst_element_post_message(
                c.pipeline, gst_message_new_application(GST_OBJECT(c.pipeline),
                                                        gst_structure_new_empty("enough")));
        }
    };
    g_signal_connect(sink, "handoff", G_CALLBACK(take), &context);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    GstBus* bus = gst_element_get_bus(pipeline);
    GstMessage* message = gst_bus_timed_pop_filtered(
        bus, 20 * GST_SECOND,
        static_cast<GstMessageType>(GST_MESSAGE_ERROR | GST_MESSAGE_EOS | GST_MESSAGE_APPLICATION));
    REQUIRE(message);
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
        GError* error = nullptr;
        gst_message_parse_error(message, &error, nullptr);
        played.error = error->message;
        g_error_free(error);
    }
    played.ended = GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS;
    gst_message_unref(message);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(bus);
    gst_object_unref(sink);
    gst_object_unref(pipeline);
}

int luma_at(GstSample* sample, int x, int y) {
    GstVideoInfo info;
    REQUIRE(gst_video_info_from_caps(&info, gst_sample_get_caps(sample)));
    GstVideoFrame frame;
    REQUIRE(gst_video_frame_map(&frame, &info, gst_sample_get_buffer(sample), GST_MAP_READ));
    const int value = static_cast<const std::uint8_t*>(
        GST_VIDEO_FRAME_PLANE_DATA(&frame, 0))[y * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0) + x];
    gst_video_frame_unmap(&frame);
    return value;
}

int chroma_at(GstSample* sample, guint plane) {
    GstVideoInfo info;
    REQUIRE(gst_video_info_from_caps(&info, gst_sample_get_caps(sample)));
    GstVideoFrame frame;
    REQUIRE(gst_video_frame_map(&frame, &info, gst_sample_get_buffer(sample), GST_MAP_READ));
    const int last = GST_VIDEO_FRAME_COMP_HEIGHT(&frame, plane) - 1;
    const int value = static_cast<const std::uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(
        &frame, plane))[last * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, plane) +
                        GST_VIDEO_FRAME_COMP_WIDTH(&frame, plane) - 1];
    gst_video_frame_unmap(&frame);
    return value;
}

std::string problem_of(const std::string& bytes) {
    const TemporaryFile file(bytes);
    Played played;
    play("location=" + file.path.string(), 1, played);
    return played.error;
}

bool says(const std::string& text, const std::string& what) {
    return text.find(what) != std::string::npos;
}

}  // namespace

TEST_CASE("clips take turns, each going on where its last turn ended") {
    const std::uint64_t frames[] = {3, 2};
    std::vector<livesr::gst::LoopPlace> places;
    for (std::uint64_t n = 0; n < 12; ++n) {
        places.push_back(livesr::gst::loop_place(n, 2, frames));
    }
    using Place = livesr::gst::LoopPlace;
    const std::vector<Place> expected = {{0, 0}, {0, 1}, {1, 0}, {1, 1}, {0, 2}, {0, 1},
                                         {1, 0}, {1, 1}, {0, 0}, {0, 1}, {1, 0}, {1, 1}};
    CHECK(places == expected);
    CHECK(livesr::gst::loop_place(3, 0, frames) == Place{0, 1});
}

TEST_CASE("files with | between them are switched after the stated time") {
    const TemporaryFile first(clip(4, 2, 3, "F25:1"));
    const TemporaryFile second(clip(4, 2, 1, "F25:1"));
    Played played;
    play("switch-every=0.08 location=\"" + first.path.string() + "|" + second.path.string() + "\"",
         5, played);
    CHECK(played.error.empty());
    REQUIRE(played.samples.size() == 5);
    const auto luma = [&](std::size_t index) {
        guint8 value = 255;
        gst_buffer_extract(gst_sample_get_buffer(played.samples[index]), 0, &value, 1);
        return static_cast<int>(value);
    };
    CHECK(std::vector<int>{luma(0), luma(1), luma(2), luma(3), luma(4)} ==
          std::vector<int>{0, 10, 0, 0, 20});
}

TEST_CASE("a file of another size than the first is refused by name") {
    const TemporaryFile first(clip(4, 2, 3, "F25:1"));
    const TemporaryFile second(clip(4, 4, 1, "F25:1"));
    Played played;
    play("switch-every=1 location=\"" + first.path.string() + "|" + second.path.string() + "\"", 5,
         played);
    CHECK(played.error.find(second.path.string()) != std::string::npos);
    CHECK(played.error.find("another size") != std::string::npos);
}

TEST_CASE("srloopsrc: frames go forward and backward without a frame shown twice") {
    std::vector<std::uint64_t> order;
    for (std::uint64_t n = 0; n < 10; ++n) order.push_back(loop_frame(n, 4));
    CHECK(order == std::vector<std::uint64_t>{0, 1, 2, 3, 2, 1, 0, 1, 2, 3});
    CHECK(loop_frame(7, 1) == 0);
    CHECK(loop_frame(7, 2) == 1);
}

TEST_CASE("srloopsrc: it plays the file's pixels at exact times, odd sizes too") {
    const TemporaryFile file(clip(7, 5, 3, "F30000:1001 Ip A4:3 C420jpeg XYSCSS=420JPEG"));
    Played played;
    play("location=" + file.path.string(), 6, played);
    REQUIRE(played.samples.size() == 6);
    const int order[] = {0, 1, 2, 1, 0, 1};
    for (std::size_t n = 0; n < 6; ++n) {
        CHECK(luma_at(played.samples[n], 6, 4) == order[n] * 10 + 6);
        CHECK(chroma_at(played.samples[n], 1) == 100 + order[n]);
        CHECK(chroma_at(played.samples[n], 2) == 200 + order[n]);
        GstBuffer* buffer = gst_sample_get_buffer(played.samples[n]);
        CHECK(GST_BUFFER_PTS(buffer) == n * 1001 * GST_SECOND / 30000);
        CHECK(GST_BUFFER_PTS(buffer) + GST_BUFFER_DURATION(buffer) ==
              (n + 1) * 1001 * GST_SECOND / 30000);
    }
    GstVideoInfo info;
    REQUIRE(gst_video_info_from_caps(&info, gst_sample_get_caps(played.samples[0])));
    CHECK(info.width == 7);
    CHECK(info.height == 5);
    CHECK(info.fps_n == 30000);
    CHECK(info.par_n == 4);
    CHECK(info.chroma_site == GST_VIDEO_CHROMA_SITE_JPEG);
}

TEST_CASE("srloopsrc: duration ends the stream after the frames that lie within it") {
    const TemporaryFile file(clip(16, 16, 2, "F25:1"));
    Played played;
    play("location=" + file.path.string() + " duration=2.4", 1000, played);
    CHECK(played.ended);
    CHECK(played.samples.size() == 60);
}

TEST_CASE("srloopsrc: full range is kept in the caps") {
    const TemporaryFile file(clip(16, 16, 1, "F25:1 XCOLORRANGE=FULL"));
    Played played;
    play("location=" + file.path.string(), 1, played);
    GstVideoInfo info;
    REQUIRE(played.samples.size() == 1);
    REQUIRE(gst_video_info_from_caps(&info, gst_sample_get_caps(played.samples[0])));
    CHECK(info.colorimetry.range == GST_VIDEO_COLOR_RANGE_0_255);
}

TEST_CASE("srloopsrc: a file that cannot be played is refused with the reason and a remedy") {
    const std::string good = clip(16, 16, 2, "F25:1");
    Played played;
    play("location=/nowhere/clip.y4m", 1, played);
    CHECK(says(played.error, "No such file"));
    Played unset;
    play("", 1, unset);
    CHECK(says(unset.error, "location"));
    CHECK(says(problem_of(""), "empty"));
    CHECK(says(problem_of("RIFF....AVI "), "YUV4MPEG2"));
    CHECK(says(problem_of(good.substr(0, good.size() - 1)), "frame 1 is cut off"));
    CHECK(says(problem_of(good + "x"), "frame 2 does not begin with FRAME"));
    CHECK(says(problem_of(good.substr(0, good.find('\n') + 1)), "no frames"));
    CHECK(says(problem_of(clip(16, 16, 1, "F25:1 C444")), "its pictures are 444"));
    CHECK(says(problem_of(clip(16, 16, 1, "F25:1 C420p10")), "not 8-bit 4:2:0"));
    CHECK(says(problem_of(clip(16, 16, 1, "F25:1 It")), "interlaced"));
    CHECK(says(problem_of(clip(16, 16, 1, "F0:0")), "no frame rate"));
    CHECK(says(problem_of(clip(16, 16, 1, "F25:1 C444")), "ffmpeg"));
    CHECK(says(problem_of("YUV4MPEG2 W99999 H16 F25:1\nFRAME\n"), "99999x16"));
}

TEST_CASE("srloopsrc: hostile headers are refused, not believed") {
    for (const char* line : {"YUV4MPEG2 W-1 H1 F1:1", "YUV4MPEG2 W99999999999999999999 H1 F1:1",
                             "YUV4MPEG2 W1 H1 F1", "YUV4MPEG2 W1 H1 Fx:y", "YUV4MPEG2 H1 F1:1",
                             "YUV4MPEG2", "", "YUV4MPEG2 W1x H1 F1:1", "YUV4MPEG2 Q"}) {
        CAPTURE(line);
        CHECK_THROWS_AS(parse_y4m_header(line), Y4mError);
    }
}
