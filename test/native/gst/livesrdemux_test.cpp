// livesrdemux with streams of real multiplexers: its pads stay, whatever comes in.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "sender_fixture.h"

using livesr::test::Pipeline;

namespace {

using Bytes = std::vector<std::vector<std::uint8_t>>;

constexpr GstClockTime second = GST_SECOND;

const std::string picture =
    "videotestsrc num-buffers=50 pattern=ball ! video/x-raw,width=64,height=64,framerate=25/1 ! "
    "x264enc tune=zerolatency key-int-max=10 ! h264parse ! queue ! m. ";
const std::string sound =
    "audiotestsrc num-buffers=43 samplesperbuffer=1024 ! audio/x-raw,rate=22050,channels=1 ! "
    "avenc_aac ! aacparse ! queue ! m. ";
// A buffer each 100 ms.
const std::string patches =
    "fakesrc num-buffers=20 format=time sizetype=fixed sizemax=100 filltype=zero datarate=1000 ! "
    "meta/x-klv,parsed=(boolean)true ! queue ! m. ";

void keep(Bytes& bytes, GstBuffer* buffer) {
    GstMapInfo map;
    gst_buffer_map(buffer, &map, GST_MAP_READ);
    bytes.emplace_back(map.data, map.data + map.size);
    gst_buffer_unmap(buffer, &map);
}

GstPadProbeReturn keep_all(GstPad*, GstPadProbeInfo* info, gpointer bytes) {
    if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
        keep(*static_cast<Bytes*>(bytes), GST_PAD_PROBE_INFO_BUFFER(info));
    } else {
        GstBufferList* list = GST_PAD_PROBE_INFO_BUFFER_LIST(info);
        for (guint i = 0; i < gst_buffer_list_length(list); ++i) {
            keep(*static_cast<Bytes*>(bytes), gst_buffer_list_get(list, i));
        }
    }
    return GST_PAD_PROBE_OK;
}

// What a multiplexer makes of two seconds of these tracks; in which order decides on its PIDs.
Bytes multiplexed(const std::string& tracks) {
    Pipeline pipeline("mpegtsmux name=m alignment=7 ! fakesink name=out sync=false " + tracks);
    Bytes bytes;
    GstPad* pad = gst_element_get_static_pad(pipeline.get("out"), "sink");
    gst_pad_add_probe(
        pad,
        static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
        keep_all, &bytes, nullptr);
    gst_object_unref(pad);
    REQUIRE_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    return bytes;
}

struct Out {
    std::size_t buffers = 0;
    std::size_t ends = 0;
    std::size_t starts = 0;
    std::vector<GstClockTime> times;

    bool rises() const { return std::is_sorted(times.begin(), times.end()); }
};

GstPadProbeReturn watch(GstPad*, GstPadProbeInfo* info, gpointer out) {
    Out& seen = *static_cast<Out*>(out);
    if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
        GstBuffer* buffer = GST_PAD_PROBE_INFO_BUFFER(info);
        ++seen.buffers;
        seen.times.push_back(GST_BUFFER_DTS_OR_PTS(buffer));
    } else {
        const GstEventType type = GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info));
        seen.ends += type == GST_EVENT_EOS ? 1 : 0;
        seen.starts += type == GST_EVENT_STREAM_START ? 1 : 0;
    }
    return GST_PAD_PROBE_OK;
}

// A livesrdemux in a pipeline, and a pad that feeds it.
class Receiver {
  public:
    Out video, audio, klv;

    explicit Receiver(const std::string& behind_video = "")
        : pipeline_("livesrdemux name=d d.video ! " + behind_video +
                    "fakesink name=video sync=false async=false "
                    "d.audio_0 ! fakesink name=audio sync=false async=false "
                    "d.patches ! fakesink name=patches sync=false async=false") {
        observe("video", video);
        observe("audio_0", audio);
        observe("patches", klv);
        pipeline_.play();
        pad_ = gst_pad_new("feed", GST_PAD_SRC);
        GstPad* sink = gst_element_get_static_pad(pipeline_.get("d"), "sink");
        gst_pad_link_full(pad_, sink, GST_PAD_LINK_CHECK_NOTHING);
        gst_object_unref(sink);
        gst_pad_set_active(pad_, TRUE);
        gst_pad_push_event(pad_, gst_event_new_stream_start("test"));
    }
    ~Receiver() {
        pipeline_.stop();
        gst_object_unref(pad_);
    }
    Receiver(const Receiver&) = delete;
    Receiver& operator=(const Receiver&) = delete;

    // Two seconds of a stream, that arrive from `arrival` on; without one: from a file.
    GstFlowReturn feed(const Bytes& stream, GstClockTime arrival = GST_CLOCK_TIME_NONE) {
        GstFlowReturn flow = GST_FLOW_OK;
        for (std::size_t i = 0; i < stream.size(); ++i) {
            GstBuffer* buffer = gst_buffer_new_memdup(stream[i].data(), stream[i].size());
            if (GST_CLOCK_TIME_IS_VALID(arrival)) {
                GST_BUFFER_PTS(buffer) = arrival + i * 2 * second / stream.size();
            }
            flow = gst_pad_push(pad_, buffer);
        }
        return flow;
    }
    void segment(GstFormat format) {
        GstSegment segment;
        gst_segment_init(&segment, format);
        gst_pad_push_event(pad_, gst_event_new_segment(&segment));
    }
    void end() { gst_pad_push_event(pad_, gst_event_new_eos()); }
    guint64 stat(const char* name) const { return pipeline_.stat(name, "d"); }
    std::string warnings() {
        std::string all;
        GstBus* bus = gst_element_get_bus(pipeline_.element());
        while (GstMessage* message = gst_bus_pop_filtered(
                   bus, static_cast<GstMessageType>(GST_MESSAGE_WARNING | GST_MESSAGE_ERROR))) {
            GError* error = nullptr;
            if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
                gst_message_parse_error(message, &error, nullptr);
                all += "ERROR ";
            } else {
                gst_message_parse_warning(message, &error, nullptr);
            }
            all += std::string(error->message) + "\n";
            g_error_free(error);
            gst_message_unref(message);
        }
        gst_object_unref(bus);
        return all;
    }

  private:
    void observe(const char* name, Out& out) {
        GstPad* pad = gst_element_get_static_pad(pipeline_.get("d"), name);
        gst_pad_add_probe(pad,
                          static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER |
                                                       GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM),
                          watch, &out, nullptr);
        gst_object_unref(pad);
    }

    Pipeline pipeline_;
    GstPad* pad_;
};

}  // namespace

TEST_CASE("livesrdemux: picture, sound and patches of a live stream, in the order of the tracks") {
    for (const std::string& tracks :
         {picture + sound + patches, patches + sound + picture, sound + picture + patches}) {
        const Bytes stream = multiplexed(tracks);
        Receiver receiver;
        receiver.segment(GST_FORMAT_TIME);
        CHECK(receiver.feed(stream, 5 * second) == GST_FLOW_OK);
        receiver.end();
        CHECK(receiver.video.buffers == 50);
        CHECK(receiver.audio.buffers >= 42);
        CHECK(receiver.klv.buffers == 20);
        CHECK(receiver.video.rises());
        CHECK(receiver.audio.rises());
        REQUIRE(receiver.video.buffers > 0);
        // Two seconds that begin when they arrive.
        CHECK(receiver.video.times.front() > 4'500 * GST_MSECOND);
        CHECK(receiver.video.times.back() < 7'500 * GST_MSECOND);
        // A patch has the time of the frame that it was sent with, every 200 ms; the first may come
        // before anything that has a time.
        for (std::size_t i = 2; i < receiver.klv.times.size(); i += 2) {
            const auto& times = receiver.video.times;
            const GstClockTime wanted = receiver.klv.times[i];
            CHECK(std::any_of(times.begin(), times.end(), [&](GstClockTime time) {
                return time + 100'000 > wanted && time < wanted + 100'000;
            }));
        }
        CHECK(receiver.video.ends == 1);
        CHECK(receiver.warnings() == "");
    }
}

TEST_CASE("livesrdemux: a sender that comes back with another program map is on the same pads") {
    const Bytes first = multiplexed(picture + sound + patches);
    const std::vector<std::string> returns = {picture + sound + patches, patches + picture + sound,
                                              sound + patches + picture, picture + patches,
                                              sound + picture};
    for (const std::string& tracks : returns) {
        CAPTURE(tracks);
        const Bytes second_stream = multiplexed(tracks);
        Receiver receiver;
        receiver.segment(GST_FORMAT_TIME);
        CHECK(receiver.feed(first, 5 * second) == GST_FLOW_OK);
        CHECK(receiver.feed(second_stream, 10 * second) == GST_FLOW_OK);
        CHECK(receiver.feed(first, 15 * second) == GST_FLOW_OK);
        CHECK(receiver.video.ends + receiver.audio.ends + receiver.klv.ends == 0);
        CHECK(receiver.video.rises());
        CHECK(receiver.audio.rises());
        // Of each connection at most the frame that was on its way is missing, and what came before
        // the second table of programs.
        CHECK(receiver.video.buffers >= 140);
        CHECK(receiver.video.times.back() > 16'500 * GST_MSECOND);
        CHECK(receiver.audio.times.back() > 16'500 * GST_MSECOND);
        CHECK(receiver.klv.times.back() > 16'000 * GST_MSECOND);
        const auto fifth = [](const Out& out) {
            return std::count_if(out.times.begin(), out.times.end(), [](GstClockTime time) {
                return time > 9'500 * GST_MSECOND && time < 13 * second;
            });
        };
        CHECK(fifth(receiver.video) >= 45);
        if (tracks.find("audiotestsrc") != std::string::npos) CHECK(fifth(receiver.audio) >= 38);
        if (tracks.find("x-klv") != std::string::npos) CHECK(fifth(receiver.klv) >= 17);
        CHECK(receiver.warnings() == "");
    }
}

TEST_CASE("livesrdemux: a lost table of programs is no beginning of the video") {
    Bytes stream = multiplexed(picture);
    // The tables are sent each 100 ms; those after one second are lost.
    constexpr std::size_t packet_bytes = 188;
    constexpr int program_map = 0x20;
    int lost = 0;
    for (std::size_t i = stream.size() / 2; i < stream.size() && lost < 2; ++i) {
        for (std::size_t at = 0; at + packet_bytes <= stream[i].size(); at += packet_bytes) {
            std::uint8_t* packet = stream[i].data() + at;
            const int pid = (packet[1] & 0x1f) << 8 | packet[2];
            if (pid != 0 && pid != program_map) continue;
            packet[1] |= 0x1f;
            packet[2] = 0xff;
            ++lost;
        }
    }
    REQUIRE(lost == 2);
    Receiver receiver;
    receiver.segment(GST_FORMAT_TIME);
    CHECK(receiver.feed(stream, 5 * second) == GST_FLOW_OK);
    receiver.end();
    CHECK(receiver.video.buffers == 50);
    // A decoder drops what it has at a start, and the pictures that build on it are damaged.
    CHECK(receiver.video.starts == 1);
}

TEST_CASE("livesrdemux: a file that is not live comes out whole, and jumps in it are closed") {
    const Bytes stream = multiplexed(picture + sound + patches);
    Receiver receiver;
    receiver.segment(GST_FORMAT_BYTES);
    CHECK(receiver.feed(stream) == GST_FLOW_OK);
    CHECK(receiver.feed(stream) == GST_FLOW_OK);
    receiver.end();
    CHECK(receiver.video.buffers >= 99);
    CHECK(receiver.video.rises());
    CHECK(receiver.audio.rises());
    CHECK(receiver.video.times.back() < 6 * second);
    CHECK(receiver.stat("timeline-restarts") == 1);
}

TEST_CASE(
    "livesrdemux: what the pipeline behind a pad does not take is left out and said, not fatal") {
    const Bytes with_h264 = multiplexed(picture + patches);
    std::string other = picture;
    other.replace(other.find("x264enc"), other.find(" ! queue") - other.find("x264enc"),
                  "avenc_mpeg4 ! mpeg4videoparse");
    const Bytes with_mpeg4 = multiplexed(other + patches);
    Receiver receiver("h264parse ! ");
    receiver.segment(GST_FORMAT_TIME);
    CHECK(receiver.feed(with_h264, 5 * second) == GST_FLOW_OK);
    CHECK(receiver.feed(with_mpeg4, 10 * second) == GST_FLOW_OK);
    const std::string said = receiver.warnings();
    CHECK(said.find("ERROR") == std::string::npos);
    CHECK(said.find("video/mpeg") != std::string::npos);
    CHECK(receiver.stat("video-dropped") > 30);
    const auto before = receiver.video.buffers;
    CHECK(receiver.feed(with_h264, 15 * second) == GST_FLOW_OK);
    CHECK(receiver.video.buffers >= before + 40);
}

TEST_CASE(
    "livesrdemux: a stream without video for five seconds says so, once; one without a track of "
    "patches may have them inside its pictures") {
    const Bytes only_sound = multiplexed(sound);
    const Bytes without_patches = multiplexed(picture + sound);
    Receiver receiver;
    receiver.segment(GST_FORMAT_TIME);
    for (GstClockTime at = 5; at < 15; at += 2) receiver.feed(only_sound, at * second);
    const std::string said = receiver.warnings();
    CHECK(said.find("no picture") != std::string::npos);
    CHECK(said.find("no picture") == said.rfind("no picture"));
    CHECK(receiver.audio.buffers > 150);
    for (GstClockTime at = 15; at < 41; at += 2) receiver.feed(without_patches, at * second);
    CHECK(receiver.warnings() == "");
    CHECK(receiver.video.buffers > 550);
    CHECK(receiver.video.rises());
}

TEST_CASE("livesrdemux: bytes that are no stream end nothing, and the next sender is shown") {
    std::vector<std::uint8_t> noise(1316);
    for (std::size_t i = 0; i < noise.size(); ++i)
        noise[i] = static_cast<std::uint8_t>(i * 7919 >> 3);
    Receiver receiver;
    receiver.segment(GST_FORMAT_TIME);
    CHECK(receiver.feed(Bytes(100, noise), second) == GST_FLOW_OK);
    CHECK(receiver.feed(multiplexed(picture + sound + patches), 5 * second) == GST_FLOW_OK);
    CHECK(receiver.video.buffers >= 48);
    CHECK(receiver.warnings() == "");
}
