// livesrmux: the first table of programs names every track, whichever comes first.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "sender_fixture.h"

using livesr::test::Pipeline;

namespace {

const std::string picture =
    "videotestsrc is-live=true num-buffers=25 ! video/x-raw,width=64,height=64,framerate=25/1 ! "
    "identity sleep-time=SLEEP ! x264enc tune=zerolatency ! h264parse ! queue ! m. ";
const std::string sound =
    "audiotestsrc is-live=true num-buffers=21 samplesperbuffer=1024 ! "
    "audio/x-raw,rate=22050,channels=1 ! avenc_aac ! aacparse ! queue ! m. ";
const std::string patches =
    "fakesrc is-live=true num-buffers=10 format=time sizetype=fixed sizemax=100 filltype=zero "
    "datarate=1000 ! meta/x-klv,parsed=(boolean)true ! queue ! m. ";

std::string with_sleep(std::string tracks, const char* microseconds) {
    return tracks.replace(tracks.find("SLEEP"), 5, microseconds);
}

struct Table {
    std::size_t streams = 0;
    std::size_t pictures_before = 0;  // packets of pictures before it
};

struct Seen {
    std::vector<Table> tables;
    std::size_t picture_packets = 0;
};

// How many streams the table of programs in this packet names.
std::size_t streams_in(const std::uint8_t* packet) {
    const std::uint8_t* section = packet + 4 + ((packet[3] & 0x20) ? 1 + packet[4] : 0);
    section += 1 + section[0];
    const std::size_t end = 3 + (((section[1] & 15u) << 8) | section[2]) - 4;
    std::size_t at = 12 + (((section[10] & 15u) << 8) | section[11]);
    std::size_t count = 0;
    for (; at + 5 <= end; ++count) at += 5 + (((section[at + 3] & 15u) << 8) | section[at + 4]);
    return count;
}

void look_at(Seen& seen, GstBuffer* buffer) {
    GstMapInfo map;
    gst_buffer_map(buffer, &map, GST_MAP_READ);
    for (gsize i = 0; i + 188 <= map.size; i += 188) {
        const std::uint8_t* packet = map.data + i;
        const int pid = (packet[1] & 31) << 8 | packet[2];
        if (pid == 0x20) seen.tables.push_back({streams_in(packet), seen.picture_packets});
        if (pid == 0x41) ++seen.picture_packets;
    }
    gst_buffer_unmap(buffer, &map);
}

GstPadProbeReturn look(GstPad*, GstPadProbeInfo* info, gpointer seen) {
    if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
        look_at(*static_cast<Seen*>(seen), GST_PAD_PROBE_INFO_BUFFER(info));
    } else {
        GstBufferList* list = GST_PAD_PROBE_INFO_BUFFER_LIST(info);
        for (guint i = 0; i < gst_buffer_list_length(list); ++i) {
            look_at(*static_cast<Seen*>(seen), gst_buffer_list_get(list, i));
        }
    }
    return GST_PAD_PROBE_OK;
}

Seen multiplexed(const std::string& tracks) {
    Pipeline pipeline("livesrmux name=m ! fakesink name=out sync=false " + tracks);
    Seen seen;
    GstPad* pad = gst_element_get_static_pad(pipeline.get("out"), "sink");
    gst_pad_add_probe(
        pad,
        static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
        look, &seen, nullptr);
    gst_object_unref(pad);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    return seen;
}

}  // namespace

TEST_CASE("livesrmux: the first table names all tracks, however late the picture begins") {
    // 10 ms a frame: half a second until the encoder has the first picture's size is not unusual.
    const Seen seen = multiplexed(with_sleep(picture, "10000") + sound + patches);
    REQUIRE_FALSE(seen.tables.empty());
    CHECK(seen.tables.front().streams == 3);
    CHECK(seen.tables.front().pictures_before == 0);
    CHECK(seen.picture_packets > 20);
}

TEST_CASE(
    "livesrmux: a track that never says what it is holds nobody for long, and fails nothing") {
    const Seen seen = multiplexed(
        with_sleep(picture, "0") +
        "audiotestsrc is-live=true num-buffers=21 ! valve drop=true ! avenc_aac ! queue ! m. ");
    REQUIRE_FALSE(seen.tables.empty());
    CHECK(seen.tables.front().streams == 1);
    CHECK(seen.picture_packets > 20);
}

TEST_CASE("livesrmux: a track that comes late is in a later table") {
    // The picture's first buffer comes after the two seconds for which the sound waits for it.
    Pipeline pipeline(
        "livesrmux name=m ! fakesink name=out sync=false "
        "videotestsrc is-live=true num-buffers=120 ! video/x-raw,width=64,height=64,framerate=25/1 "
        "! "
        "valve name=v drop=true ! x264enc tune=zerolatency ! h264parse ! queue ! m. "
        "audiotestsrc is-live=true num-buffers=103 samplesperbuffer=1024 ! "
        "audio/x-raw,rate=22050,channels=1 ! avenc_aac ! aacparse ! queue ! m. ");
    Seen seen;
    GstPad* pad = gst_element_get_static_pad(pipeline.get("out"), "sink");
    gst_pad_add_probe(
        pad,
        static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
        look, &seen, nullptr);
    gst_object_unref(pad);
    struct Valve {
        GstElement* element;
        int frames = 0;
    } valve{pipeline.get("v")};
    GstPad* in = gst_element_get_static_pad(valve.element, "sink");
    gst_pad_add_probe(
        in, GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad*, GstPadProbeInfo*, gpointer data) {
            Valve& seen_by = *static_cast<Valve*>(data);
            if (++seen_by.frames == 75) g_object_set(seen_by.element, "drop", FALSE, nullptr);
            return GST_PAD_PROBE_OK;
        },
        &valve, nullptr);
    gst_object_unref(in);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    REQUIRE(seen.tables.size() > 10);
    CHECK(seen.tables.front().streams == 1);
    CHECK(seen.tables.back().streams == 2);
    CHECK(seen.picture_packets > 20);
}

TEST_CASE("livesrmux: caps that say the same again go no further than here") {
    Pipeline pipeline("livesrmux name=m ! fakesink sync=false " + patches);
    GstElement* mux = pipeline.get("m");
    GstPad* pad = gst_element_get_static_pad(mux, "sink_65");
    if (pad == nullptr) pad = GST_PAD(g_list_first(mux->sinkpads)->data), gst_object_ref(pad);
    gst_pad_add_probe(
        pad, GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad* sink, GstPadProbeInfo*, gpointer) {
            GstCaps* caps = gst_caps_from_string("meta/x-klv,parsed=(boolean)true");
            CHECK(gst_pad_send_event(sink, gst_event_new_caps(caps)));
            gst_caps_unref(caps);
            return GST_PAD_PROBE_OK;
        },
        nullptr, nullptr);
    gst_object_unref(pad);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
}
