// A real decoder with srenhancer behind it, and streams whose pictures carry patches.
#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>

#include "carried_stream.h"
#include "engine_fixture.h"

namespace livesr::test {

constexpr int frames = 50;

// Answers ticks, as lockstep asks for.
inline const std::string answers = common + R"js(
function on(kind, head, blob) {
  if (head.type === 'enhancer.start') { begin(head, blob); swap(1, 'generic', generic); return; }
  if (head.type === 'patch.pair') note({ sequence: head.sequence, mediaTimeNs: head.mediaTimeNs });
  if (head.type === 'time.tick') send(3, { type: head.type, id: head.id });
}
)js";

inline std::uint64_t count_of(GstElement* element, const char* name) {
    GstStructure* stats = nullptr;
    g_object_get(element, "stats", &stats, nullptr);
    guint64 value = 0;
    const bool is_known = gst_structure_get_uint64(stats, name, &value) != FALSE;
    gst_structure_free(stats);
    if (!is_known) throw std::runtime_error(std::string("no such count: ") + name);
    return value;
}

// A decoder with srenhancer behind it.
class Receiver {
  public:
    Receiver(const CarriedStream& stream, const std::string& decoder, const std::string& properties)
        : stream_(stream) {
        EnhancerHarness registers("");
        harness_ = gst_harness_new_parse(
            (decoder + " ! srenhancer name=e max-latency=10000 " + properties).c_str());
        element_ = gst_bin_get_by_name(GST_BIN(harness_->element), "e");
        gst_harness_set_src_caps(harness_, gst_caps_ref(stream.caps()));
    }
    ~Receiver() {
        gst_object_unref(element_);
        gst_harness_teardown(harness_);
    }
    Receiver(const Receiver&) = delete;
    Receiver& operator=(const Receiver&) = delete;

    GstHarness* harness() { return harness_; }
    GstElement* element() { return element_; }
    // later_ns: than the stream says.
    void push(const CarriedStream::Picture& picture, GstClockTime later_ns = 0) {
        GstBuffer* buffer = stream_.buffer(picture);
        GST_BUFFER_PTS(buffer) += later_ns;
        gst_harness_push(harness_, buffer);
        drain();
    }
    void push_all(GstClockTime later_ns = 0) {
        for (const auto& picture : stream_.pictures()) push(picture, later_ns);
    }
    void end() {
        gst_harness_push_event(harness_, gst_event_new_eos());
        drain();
    }
    int shown() const { return shown_; }
    std::uint64_t count(const char* name) { return count_of(element_, name); }
    std::pair<int, int> output_size() {
        GstCaps* caps = gst_pad_get_current_caps(harness_->sinkpad);
        std::pair<int, int> size{0, 0};
        if (caps == nullptr) return size;
        const GstStructure* structure = gst_caps_get_structure(caps, 0);
        gst_structure_get_int(structure, "width", &size.first);
        gst_structure_get_int(structure, "height", &size.second);
        gst_caps_unref(caps);
        return size;
    }

  private:
    void drain() {
        while (GstBuffer* buffer = gst_harness_try_pull(harness_)) {
            ++shown_;
            gst_buffer_unref(buffer);
        }
    }

    const CarriedStream& stream_;
    GstHarness* harness_;
    GstElement* element_;
    int shown_ = 0;
};

struct Way {
    const char* encoder;
    const char* decoder;
};

inline const Way in_order = {
    "x264enc speed-preset=veryfast tune=zerolatency key-int-max=20 ! "
    "capsfilter caps=video/x-h264,stream-format=byte-stream",
    "h264parse ! avdec_h264"};
inline const Way with_b_frames = {
    "x264enc speed-preset=veryfast bframes=3 b-adapt=false b-pyramid=true key-int-max=20 ! "
    "capsfilter caps=video/x-h264,stream-format=byte-stream",
    "h264parse ! avdec_h264"};
inline const Way hevc = {
    "x265enc speed-preset=veryfast option-string=bframes=3:log-level=none ! "
    "capsfilter caps=video/x-h265,stream-format=byte-stream",
    "h265parse ! avdec_h265"};

// A residual of each third frame, in the picture coded three after its own, every second in three
// parts. How many.
inline std::uint64_t carry_residuals(CarriedStream& stream, const std::map<int, Plane>& decoded,
                                     std::uint16_t first_sequence = 0) {
    std::uint16_t sequence = first_sequence;
    for (std::size_t i = 0; i + 6 < stream.pictures().size(); i += 3) {
        const int number = stream.pictures()[i].number;
        stream.carry(CarriedStream::residual_packet(decoded.at(number), number, sequence), number,
                     i + 3, sequence, sequence % 2 == 0 ? 1 : 3);
        ++sequence;
    }
    return sequence - first_sequence;
}

}  // namespace livesr::test
