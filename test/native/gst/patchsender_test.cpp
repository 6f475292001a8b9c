// patchsender in whole pipelines: what comes out, what the plan does to the encoder, and that
// nothing that happens to patches, decoder or engine happens to the video.
#include "gst/sender/patchsender.h"

#include <doctest/doctest.h>
#include <gst/check/gstharness.h>
#include <gst/video/video.h>
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "core/patch/packet.h"
#include "pictures.h"
#include "test_engine.h"

using livesr::test::TestEngine;

namespace {

constexpr GstClockTime deadline = 60 * GST_SECOND;

// Chooses one cell of each offer and plans 200 kbit/s of video from the first second on.
const char* const planning = R"js(
function plan(videoBitrateBps) {
  send(1, { type: 'plan.set', videoBitrateBps, patchBitrateBps: 50000, estimatedUplinkBps: 600000 });
}
function on(kind, head) {
  if (head.type === 'sender.start') plan(550000);
  if (head.type === 'time.tick' && head.mediaTimeNs >= 1e9) plan(200000);
  if (head.type === 'frame.offer') {
    const cells = head.columns * head.rows;
    send(1, { type: 'patch.select', offer: head.offer, cells: cells ? [head.offer % cells] : [] });
  }
  if (kind === 2) send(3, { type: head.type, id: head.id });
}
)js";

const std::string source =
    "videotestsrc pattern=ball num-buffers=50 ! "
    "video/x-raw,format=I420,width=480,height=360,framerate=25/1 ! ";

// Buffers of one pad as they went by.
struct Tap {
    std::mutex mutex;
    std::vector<std::vector<std::uint8_t>> buffers;
    std::vector<GstClockTime> running_times;
    std::vector<GstClockTime> gaps;
    std::string caps;
    std::size_t list_bytes = 0;
    std::function<void(std::size_t count)> on_buffer;

    std::size_t bytes() const {
        std::size_t sum = 0;
        for (const auto& buffer : buffers) sum += buffer.size();
        return sum;
    }
    std::size_t bytes_between(GstClockTime from, GstClockTime to) const {
        std::size_t sum = 0;
        for (std::size_t i = 0; i < buffers.size(); ++i) {
            if (running_times[i] >= from && running_times[i] < to) sum += buffers[i].size();
        }
        return sum;
    }
};

GstPadProbeReturn tap_probe(GstPad* pad, GstPadProbeInfo* info, gpointer data) {
    auto& tap = *static_cast<Tap*>(data);
    if (info->type & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM) {
        GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
        if (GST_EVENT_TYPE(event) == GST_EVENT_GAP) {
            GstClockTime start = 0;
            gst_event_parse_gap(event, &start, nullptr);
            const std::lock_guard lock(tap.mutex);
            tap.gaps.push_back(start);
        }
        return GST_PAD_PROBE_OK;
    }
    if (info->type & GST_PAD_PROBE_TYPE_BUFFER_LIST) {
        // A multiplexer's packets: only how much there is matters.
        const std::lock_guard lock(tap.mutex);
        tap.list_bytes += gst_buffer_list_calculate_size(GST_PAD_PROBE_INFO_BUFFER_LIST(info));
        return GST_PAD_PROBE_OK;
    }
    GstBuffer* buffer = GST_PAD_PROBE_INFO_BUFFER(info);
    GstEvent* segment_event = gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0);
    const GstSegment* segment = nullptr;
    gst_event_parse_segment(segment_event, &segment);
    const GstClockTime time =
        gst_segment_to_running_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
    gst_event_unref(segment_event);
    GstMapInfo map;
    gst_buffer_map(buffer, &map, GST_MAP_READ);
    std::size_t count = 0;
    {
        const std::lock_guard lock(tap.mutex);
        tap.buffers.emplace_back(map.data, map.data + map.size);
        tap.running_times.push_back(time);
        count = tap.buffers.size();
        GstCaps* caps = gst_pad_get_current_caps(pad);
        gchar* text = gst_caps_to_string(caps);
        tap.caps = text;
        g_free(text);
        gst_caps_unref(caps);
    }
    gst_buffer_unmap(buffer, &map);
    if (tap.on_buffer) tap.on_buffer(count);
    return GST_PAD_PROBE_OK;
}

// A pipeline from text, its messages collected.
class Pipeline {
  public:
    explicit Pipeline(const std::string& text) {
        GError* error = nullptr;
        pipeline_ = gst_parse_launch(text.c_str(), &error);
        const std::string why = error ? error->message : "";
        REQUIRE_MESSAGE(!error, why);
        bus_ = gst_element_get_bus(pipeline_);
    }
    ~Pipeline() {
        stop();
        gst_object_unref(bus_);
        gst_object_unref(pipeline_);
    }
    Pipeline(const Pipeline&) = delete;
    Pipeline& operator=(const Pipeline&) = delete;

    GstElement* get(const char* name) const {
        GstElement* element = gst_bin_get_by_name(GST_BIN(pipeline_), name);
        REQUIRE(element);
        gst_object_unref(element);  // the pipeline holds it
        return element;
    }
    void tap(const char* element, const char* pad_name, Tap& tap) const {
        GstPad* pad = gst_element_get_static_pad(get(element), pad_name);
        REQUIRE(pad);
        gst_pad_add_probe(pad,
                          static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER |
                                                       GST_PAD_PROBE_TYPE_BUFFER_LIST |
                                                       GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM),
                          tap_probe, &tap, nullptr);
        gst_object_unref(pad);
    }
    GstStateChangeReturn play() { return gst_element_set_state(pipeline_, GST_STATE_PLAYING); }
    void stop() { gst_element_set_state(pipeline_, GST_STATE_NULL); }
    // Until the end or an error; true at the end. Warnings go by.
    bool runs_to_the_end() {
        play();
        return wait_for_end();
    }
    bool wait_for_end() {
        for (;;) {
            GstMessage* message = gst_bus_timed_pop_filtered(
                bus_, deadline,
                static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR |
                                            GST_MESSAGE_WARNING));
            if (!message) return false;
            const GstMessageType type = GST_MESSAGE_TYPE(message);
            GError* error = nullptr;
            if (type == GST_MESSAGE_ERROR) gst_message_parse_error(message, &error, nullptr);
            if (type == GST_MESSAGE_WARNING) gst_message_parse_warning(message, &error, nullptr);
            if (error) (type == GST_MESSAGE_ERROR ? error_ : warnings_) += error->message;
            g_clear_error(&error);
            gst_message_unref(message);
            if (type != GST_MESSAGE_WARNING) return type == GST_MESSAGE_EOS;
        }
    }
    const std::string& error() const { return error_; }
    const std::string& warnings() const { return warnings_; }
    guint64 stat(const char* name) const {
        GstStructure* stats = nullptr;
        g_object_get(get("s"), "stats", &stats, nullptr);
        guint64 value = 0;
        REQUIRE(gst_structure_get_uint64(stats, name, &value));
        gst_structure_free(stats);
        return value;
    }
    GstElement* element() const { return pipeline_; }

  private:
    GstElement* pipeline_ = nullptr;
    GstBus* bus_ = nullptr;
    std::string error_;
    std::string warnings_;
};

const std::string sinks =
    " s.src ! queue ! fakesink name=video s.patches ! queue ! fakesink name=patches";

// Every triplet of these buffers.
std::vector<livesr::PatchHeader> packets_of(const Tap& tap) {
    std::vector<livesr::PatchHeader> headers;
    for (const auto& buffer : tap.buffers) {
        std::span<const std::uint8_t> bytes(buffer);
        while (!bytes.empty()) {
            livesr::PatchPacket packet;
            REQUIRE(livesr::read_packet(bytes, packet) == livesr::PacketError::none);
            headers.push_back(packet.header);
        }
    }
    return headers;
}

std::size_t elements_of(GstElement* bin, const char* factory) {
    std::size_t count = 0;
    GstIterator* iterator = gst_bin_iterate_recurse(GST_BIN(bin));
    GValue item = G_VALUE_INIT;
    while (gst_iterator_next(iterator, &item) == GST_ITERATOR_OK) {
        GstElementFactory* made = gst_element_get_factory(GST_ELEMENT(g_value_get_object(&item)));
        if (made && std::string(GST_OBJECT_NAME(made)) == factory) ++count;
        g_value_reset(&item);
    }
    g_value_unset(&item);
    gst_iterator_free(iterator);
    return count;
}

}  // namespace

TEST_CASE(
    "patchsender: every frame comes out encoded at a fraction of its size, with patches beside") {
    const TestEngine engine(planning);
    Pipeline pipeline(source + "patchsender name=s scale=3 lockstep=true" + sinks);
    Tap video;
    Tap patches;
    pipeline.tap("video", "sink", video);
    pipeline.tap("patches", "sink", patches);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    CHECK(video.buffers.size() == 50);
    CHECK(video.caps.find("video/x-h264") != std::string::npos);
    CHECK(video.caps.find("width=(int)160") != std::string::npos);
    CHECK(video.caps.find("height=(int)120") != std::string::npos);
    const auto packets = packets_of(patches);
    REQUIRE(packets.size() == 21);  // an announcement and one for each offer
    for (std::size_t i = 0; i < packets.size(); ++i) {
        CHECK(packets[i].sequence == i);
        CHECK(packets[i].scale == 3);
        // Each belongs to a frame of the video.
        const auto& times = video.running_times;
        CHECK(std::find(times.begin(), times.end(), packets[i].running_time_ns) != times.end());
        CHECK(patches.running_times[i] == packets[i].running_time_ns);
    }
    CHECK(patches.gaps.size() > 0);
    CHECK(pipeline.stat("frames-unpaired") == 0);
    CHECK(pipeline.stat("video-bytes") == video.bytes());
}

TEST_CASE("patchsender: in lockstep the same input gives the same bytes") {
    const TestEngine engine(planning);
    Tap video[2];
    Tap patches[2];
    for (int run = 0; run < 2; ++run) {
        Pipeline pipeline(source + "patchsender name=s lockstep=true" + sinks);
        pipeline.tap("video", "sink", video[run]);
        pipeline.tap("patches", "sink", patches[run]);
        CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    }
    CHECK(video[0].buffers == video[1].buffers);
    CHECK(patches[0].buffers == patches[1].buffers);
    CHECK(patches[0].buffers.size() > 10);
}

TEST_CASE("patchsender: the encoder follows the plan while it runs") {
    const TestEngine engine(planning);
    Pipeline pipeline(
        "videotestsrc pattern=snow num-buffers=100 ! "
        "video/x-raw,format=I420,width=480,height=360,framerate=25/1 ! "
        "patchsender name=s lockstep=true max-bitrate=600000" +
        sinks);
    Tap video;
    pipeline.tap("video", "sink", video);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    guint bitrate = 0;
    g_object_get(pipeline.get("s"), "video-bitrate", &bitrate, nullptr);
    CHECK(bitrate == 200'000);
    // Noise takes whatever rate it is given. The second after the change is the encoder's own.
    const double before = 8.0 * static_cast<double>(video.bytes_between(0, GST_SECOND));
    const double after =
        4.0 * static_cast<double>(video.bytes_between(2 * GST_SECOND, 4 * GST_SECOND));
    CAPTURE(before);
    CAPTURE(after);
    CHECK(after < 0.55 * before);
    CHECK(after < 260'000);
}

TEST_CASE("patchsender: before an engine answers, the video has what the patches leave") {
    const TestEngine engine("function on() {}\n");
    Pipeline pipeline(source + "patchsender name=s max-bitrate=600000 patch-bitrate=70000" + sinks);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    guint bitrate = 0;
    guint patches = 0;
    g_object_get(pipeline.get("s"), "video-bitrate", &bitrate, "patch-bitrate-now", &patches,
                 nullptr);
    CHECK(bitrate == 530'000);
    CHECK(patches == 70'000);
}

TEST_CASE("patchsender: without node the video goes on, and the user is told what to install") {
    const livesr::test::Environment node("LIVESR_NODE", "/nowhere/node");
    Pipeline pipeline(source + "patchsender name=s" + sinks);
    Tap video;
    pipeline.tap("video", "sink", video);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    CHECK(video.buffers.size() == 50);
    CHECK(pipeline.warnings().find("LIVESR_NODE") != std::string::npos);
}

TEST_CASE("patchsender: an engine that dies in mid-stream costs no frame and comes back") {
    const TestEngine engine(R"js(
import fs from 'node:fs';
fs.appendFileSync(process.argv[1].replace('engine.mjs', 'pids'), process.pid + '\n');
)js" + std::string(planning));
    Pipeline pipeline(
        "videotestsrc is-live=true num-buffers=75 ! "
        "video/x-raw,format=I420,width=480,height=360,framerate=25/1 ! "
        "patchsender name=s" +
        sinks);
    Tap video;
    pipeline.tap("video", "sink", video);
    std::atomic<pid_t> killed{0};
    video.on_buffer = [&](std::size_t) {
        if (killed != 0 || pipeline.stat("patches") == 0) return;
        std::ifstream pids(engine.folder() / "pids");
        pid_t pid = 0;
        pids >> pid;
        killed = pid;
        kill(pid, SIGKILL);
    };
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    CHECK(killed != 0);
    CHECK(video.buffers.size() == 75);
    CHECK(pipeline.warnings().find("killed by signal 9") != std::string::npos);
    GstStructure* stats = nullptr;
    g_object_get(pipeline.get("s"), "stats", &stats, nullptr);
    guint restarts = 0;
    CHECK(gst_structure_get_uint(stats, "engine-restarts", &restarts));
    CHECK(restarts >= 1);
    gst_structure_free(stats);
}

TEST_CASE("patchsender: encoder=none gives the padded low-resolution picture out raw") {
    const TestEngine engine(planning);
    Pipeline pipeline(
        "videotestsrc num-buffers=10 ! "
        "video/x-raw,format=RGB,width=475,height=359,framerate=25/1 ! "
        "patchsender name=s encoder=none lockstep=true" +
        sinks);
    Tap video;
    Tap patches;
    pipeline.tap("video", "sink", video);
    pipeline.tap("patches", "sink", patches);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    CHECK(video.buffers.size() == 10);
    for (const char* part : {"format=(string)I420", "width=(int)238", "height=(int)180"}) {
        CHECK(video.caps.find(part) != std::string::npos);
    }
    const auto packets = packets_of(patches);
    REQUIRE(packets.size() > 1);
    CHECK(packets[0].frame_width == 475);
    CHECK(packets[0].frame_height == 359);
    CHECK(packets[1].codec == livesr::PatchCodec::jpeg_luma);
    CHECK(pipeline.stat("video-bytes") == 0);
}

TEST_CASE("patchsender: width and height give any size, without patches") {
    const TestEngine engine(planning);
    const auto output = [](const std::string& size) {
        Pipeline pipeline(source + "patchsender name=s lockstep=true encoder=none " + size + sinks);
        Tap video;
        Tap patches;
        pipeline.tap("video", "sink", video);
        pipeline.tap("patches", "sink", patches);
        CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
        CHECK(patches.buffers.empty());
        CHECK(patches.gaps.size() > 0);
        guint bitrate = 0;
        g_object_get(pipeline.get("s"), "patch-bitrate-now", &bitrate, nullptr);
        return video.caps;
    };
    CHECK(output("width=320 height=240").find("width=(int)320, height=(int)240") !=
          std::string::npos);
    CHECK(output("height=240").find("width=(int)320, height=(int)240") != std::string::npos);
    CHECK(output("width=270").find("width=(int)270, height=(int)202") != std::string::npos);
    const std::string squeezed = output("width=240 height=360");
    CHECK(squeezed.find("width=(int)240, height=(int)360") != std::string::npos);
    CHECK(squeezed.find("pixel-aspect-ratio=(fraction)2/1") != std::string::npos);
}

TEST_CASE("patchsender: with patches off or scale 1 nothing is decoded, and gaps go on") {
    const TestEngine engine(planning);
    const auto run = [](const std::string& properties) {
        Pipeline pipeline(source + "patchsender name=s lockstep=true " + properties + sinks);
        Tap video;
        Tap patches;
        pipeline.tap("video", "sink", video);
        pipeline.tap("patches", "sink", patches);
        std::size_t decoders = 99;
        video.on_buffer = [&](std::size_t) {
            decoders = elements_of(pipeline.get("s"), "avdec_h264");
        };
        CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
        CHECK(video.buffers.size() == 50);
        CHECK(pipeline.stat("offers") == 0);
        CHECK(pipeline.stat("patches") == 0);
        CHECK(patches.gaps.size() > 0);
        return decoders;
    };
    CHECK(run("patches=off") == 0);
    CHECK(run("scale=1") == 0);
}

TEST_CASE("patchsender: other encoders follow the plan and are decoded") {
    const TestEngine engine(planning);
    const auto run = [](const std::string& encoder) {
        Pipeline pipeline(source + "patchsender name=s lockstep=true encoder=\"" + encoder + "\"" +
                          sinks);
        Tap video;
        pipeline.tap("video", "sink", video);
        CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
        CHECK(video.buffers.size() == 50);
        CHECK(pipeline.stat("patches") == 20);
        return pipeline.warnings();
    };
    CHECK(run("vp8enc deadline=1 end-usage=cbr") == "");
    CHECK(run("x264enc tune=zerolatency ! video/x-h264,profile=baseline") == "");
    CHECK(run("jpegenc").find("bit rate of \"jpegenc\" is not ours to set") != std::string::npos);
}

TEST_CASE("patchsender: an encoder that holds frames back is paired all the same") {
    const TestEngine engine(planning);
    Pipeline pipeline(source +
                      "patchsender name=s lockstep=true "
                      "encoder=\"x264enc speed-preset=ultrafast bframes=2 b-adapt=false threads=1 "
                      "rc-lookahead=20\"" +
                      sinks);
    Tap video;
    Tap patches;
    pipeline.tap("video", "sink", video);
    pipeline.tap("patches", "sink", patches);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    CHECK(video.buffers.size() == 50);
    CHECK(packets_of(patches).size() == 21);
    CHECK(pipeline.stat("frames-unpaired") == 0);
}

TEST_CASE("patchsender: an encoder that cannot be used is refused with a remedy") {
    const auto refusal = [](const std::string& encoder) {
        Pipeline pipeline(source + "patchsender name=s encoder=\"" + encoder + "\"" + sinks);
        CHECK_FALSE(pipeline.runs_to_the_end());
        return pipeline.error();
    };
    const std::string missing = refusal("nosuchenc bitrate=5");
    CAPTURE(missing);
    CHECK(missing.find("nosuchenc") != std::string::npos);
    CHECK(missing.find("Set encoder to") != std::string::npos);
    CHECK(refusal("x264enc nosuch=1").find("nosuch") != std::string::npos);
    CHECK(refusal("fakesink").find("cannot be used") != std::string::npos);
    CHECK(refusal("videotestsrc").find("one free sink pad and one free source pad") !=
          std::string::npos);
    CHECK(refusal("x264enc !").find("Set encoder to") != std::string::npos);
}

TEST_CASE("patchsender: a stream that its own decoder cannot read costs the patches only") {
    const TestEngine engine(planning);
    // Raw pictures that call themselves H.264.
    Pipeline pipeline(source +
                      "patchsender name=s encoder=\"capssetter replace=true join=false "
                      "caps=video/x-h264,stream-format=byte-stream,alignment=au ! "
                      "video/x-h264,stream-format=byte-stream,alignment=au\"" +
                      sinks);
    Tap video;
    pipeline.tap("video", "sink", video);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    CHECK(video.buffers.size() == 50);
    CHECK(pipeline.stat("patches") == 0);
}

TEST_CASE("patchsender: a stream that nothing here decodes is sent without patches") {
    Pipeline pipeline(source +
                      "patchsender name=s engine=off encoder=\"capssetter replace=true join=false "
                      "caps=video/x-unheard-of ! video/x-unheard-of\"" +
                      sinks);
    Tap video;
    pipeline.tap("video", "sink", video);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    CHECK(video.buffers.size() == 50);
    CHECK(pipeline.warnings().find("no decoder for video/x-unheard-of") != std::string::npos);
}

TEST_CASE("patchsender: neither output linked is a mistake, and is called one") {
    Pipeline pipeline(source + "patchsender name=s engine=off");
    CHECK_FALSE(pipeline.runs_to_the_end());
    CHECK(pipeline.error().find("Neither src nor patches is linked") != std::string::npos);
}

TEST_CASE("patchsender: either output may be left unlinked") {
    const TestEngine engine(planning);
    Pipeline video_only(source + "patchsender name=s lockstep=true s.src ! fakesink name=video");
    Tap video;
    video_only.tap("video", "sink", video);
    CHECK(video_only.runs_to_the_end());
    CHECK(video.buffers.size() == 50);
    Pipeline patches_only(source +
                          "patchsender name=s lockstep=true s.patches ! fakesink name=patches");
    Tap patches;
    patches_only.tap("patches", "sink", patches);
    CHECK(patches_only.runs_to_the_end());
    CHECK(patches.buffers.size() == 21);
}

TEST_CASE("patchsender: a multiplexer that waits for both pads never stalls, engine or not") {
    for (const char* property : {"lockstep=true", "engine=off", "patches=off", ""}) {
        CAPTURE(std::string(property));
        const TestEngine engine(planning);
        Pipeline pipeline(source + "patchsender name=s " + property +
                          " s.src ! h264parse ! queue ! mpegtsmux name=m alignment=7 ! "
                          "fakesink name=ts s.patches ! queue ! m.");
        Tap ts;
        pipeline.tap("ts", "sink", ts);
        CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
        CHECK(ts.list_bytes > 10'000);
    }
}

TEST_CASE("patchsender: MPEG-TS keeps packets whole and at their frames' running times") {
    const TestEngine engine(planning);
    const auto file = engine.folder() / "out.ts";
    {
        Pipeline pipeline(source +
                          "patchsender name=s lockstep=true s.src ! h264parse ! queue ! mpegtsmux "
                          "name=m alignment=7 ! filesink location=" +
                          file.string() + " s.patches ! queue ! m.");
        CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    }
    Pipeline pipeline("filesrc location=" + file.string() +
                      " ! tsdemux name=d d. ! queue ! h264parse ! fakesink name=video d. ! queue ! "
                      "meta/x-klv ! fakesink async=false name=patches");
    Tap video;
    Tap patches;
    pipeline.tap("video", "sink", video);
    pipeline.tap("patches", "sink", patches);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    CHECK(video.buffers.size() == 50);
    const auto packets = packets_of(patches);
    REQUIRE(packets.size() == 21);
    const GstClockTime start = video.running_times[0];
    for (std::size_t i = 0; i < packets.size(); ++i) {
        const auto shown = static_cast<std::int64_t>(patches.running_times[i] - start);
        const auto meant = static_cast<std::int64_t>(packets[i].running_time_ns);
        CHECK(std::abs(shown - meant) < static_cast<std::int64_t>(GST_MSECOND));
    }
}

TEST_CASE("patchsender: the input may change its size in mid-stream") {
    const TestEngine engine(planning);
    GstHarness* harness = gst_harness_new_parse(
        "patchsender name=s lockstep=true ! h264parse config-interval=-1 ! avdec_h264 "
        "max-threads=1");
    const auto size = [harness](int width, int height) {
        gst_harness_set_src_caps_str(
            harness, ("video/x-raw,format=I420,framerate=25/1,width=" + std::to_string(width) +
                      ",height=" + std::to_string(height))
                         .c_str());
    };
    const auto push = [harness](int width, int height, int first, int last) {
        for (int n = first; n <= last; ++n) {
            CHECK(gst_harness_push(harness, livesr::test::video_buffer(
                                                GST_VIDEO_FORMAT_I420, width, height, n,
                                                static_cast<GstClockTime>(n) * 40 * GST_MSECOND,
                                                40 * GST_MSECOND)) == GST_FLOW_OK);
        }
    };
    const auto last_width = [harness] {
        GstCaps* caps = gst_pad_get_current_caps(harness->sinkpad);
        int width = 0;
        gst_structure_get_int(gst_caps_get_structure(caps, 0), "width", &width);
        gst_caps_unref(caps);
        return width;
    };
    gst_harness_play(harness);
    size(480, 360);
    push(480, 360, 0, 19);
    CHECK(last_width() == 240);
    size(641, 479);
    push(641, 479, 20, 39);
    CHECK(last_width() == 322);
    size(240, 240);
    push(240, 240, 40, 59);
    CHECK(last_width() == 120);
    gst_harness_push_event(harness, gst_event_new_eos());
    CHECK(gst_harness_buffers_received(harness) == 60);
    gst_harness_teardown(harness);
}

TEST_CASE("patchsender: seeking with a flush goes on from the new place") {
    const TestEngine engine(planning);
    Pipeline pipeline(
        "videotestsrc num-buffers=60 ! "
        "video/x-raw,format=I420,width=480,height=360,framerate=25/1 ! "
        "patchsender name=s s.src ! queue ! fakesink name=video "
        "s.patches ! queue ! fakesink name=patches");
    gst_element_set_state(pipeline.element(), GST_STATE_PAUSED);
    CHECK(gst_element_get_state(pipeline.element(), nullptr, nullptr, deadline) ==
          GST_STATE_CHANGE_SUCCESS);
    for (int round = 0; round < 3; ++round) {
        CHECK(gst_element_seek_simple(pipeline.element(), GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
                                      static_cast<gint64>(GST_SECOND)));
        CHECK(gst_element_get_state(pipeline.element(), nullptr, nullptr, deadline) ==
              GST_STATE_CHANGE_SUCCESS);
    }
    Tap video;
    pipeline.tap("video", "sink", video);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    CHECK(video.buffers.size() > 20);
    CHECK(pipeline.stat("frames-unpaired") == 0);
}

TEST_CASE("patchsender: it prerolls, says its latency and can be started over and over") {
    const TestEngine engine(planning);
    Pipeline pipeline(
        "videotestsrc is-live=true ! "
        "video/x-raw,format=I420,width=480,height=360,framerate=25/1 ! "
        "patchsender name=s s.src ! queue ! fakesink sync=true "
        "s.patches ! queue ! fakesink sync=true");
    for (int round = 0; round < 5; ++round) {
        pipeline.play();
        CHECK(gst_element_get_state(pipeline.element(), nullptr, nullptr, deadline) ==
              GST_STATE_CHANGE_SUCCESS);
        GstQuery* query = gst_query_new_latency();
        CHECK(gst_element_query(pipeline.element(), query));
        gboolean live = FALSE;
        GstClockTime least = GST_CLOCK_TIME_NONE;
        gst_query_parse_latency(query, &live, &least, nullptr);
        CHECK(live);
        CHECK(least < GST_SECOND);
        gst_query_unref(query);
        pipeline.stop();
        CHECK(elements_of(pipeline.get("s"), "x264enc") == 0);
    }
}

TEST_CASE("patchsender: properties out of range are refused, and settings survive a restart") {
    Pipeline pipeline(source + "patchsender name=s engine=off max-bitrate=700000" + sinks);
    GstElement* sender = pipeline.get("s");
    GParamSpec* scale = g_object_class_find_property(G_OBJECT_GET_CLASS(sender), "scale");
    CHECK(G_PARAM_SPEC_INT(scale)->minimum == 1);
    CHECK(G_PARAM_SPEC_INT(scale)->maximum == 4);
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    pipeline.stop();
    CHECK_MESSAGE(pipeline.runs_to_the_end(), pipeline.error());
    guint bitrate = 0;
    g_object_get(sender, "max-bitrate", &bitrate, nullptr);
    CHECK(bitrate == 700'000);
}
