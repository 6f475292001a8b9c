// See sender_fixture.h.
#include "sender_fixture.h"

#include <doctest/doctest.h>

#include <span>

namespace livesr::test {

const char* const planning_engine = R"js(
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

const std::string sender_source =
    "videotestsrc pattern=ball num-buffers=50 ! "
    "video/x-raw,format=I420,width=480,height=360,framerate=25/1 ! ";

const std::string sender_sinks =
    " carriage=klv s.src ! queue ! fakesink name=video s.patches ! queue ! fakesink name=patches";

namespace {

constexpr GstClockTime deadline = 60 * GST_SECOND;

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

}  // namespace

std::size_t Tap::bytes() const {
    std::size_t sum = 0;
    for (const auto& buffer : buffers) sum += buffer.size();
    return sum;
}

std::size_t Tap::bytes_between(GstClockTime from, GstClockTime to) const {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < buffers.size(); ++i) {
        if (running_times[i] >= from && running_times[i] < to) sum += buffers[i].size();
    }
    return sum;
}

Pipeline::Pipeline(const std::string& text) {
    GError* error = nullptr;
    pipeline_ = gst_parse_launch(text.c_str(), &error);
    const std::string why = error ? error->message : "";
    REQUIRE_MESSAGE(!error, why);
    bus_ = gst_element_get_bus(pipeline_);
}

Pipeline::~Pipeline() {
    stop();
    gst_object_unref(bus_);
    gst_object_unref(pipeline_);
}

GstElement* Pipeline::get(const char* name) const {
    GstElement* element = gst_bin_get_by_name(GST_BIN(pipeline_), name);
    REQUIRE(element);
    gst_object_unref(element);
    return element;
}

void Pipeline::tap(const char* element, const char* pad_name, Tap& tap) const {
    GstPad* pad = gst_element_get_static_pad(get(element), pad_name);
    REQUIRE(pad);
    gst_pad_add_probe(
        pad,
        static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST |
                                     GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM),
        tap_probe, &tap, nullptr);
    gst_object_unref(pad);
}

GstStateChangeReturn Pipeline::play() {
    return gst_element_set_state(pipeline_, GST_STATE_PLAYING);
}

void Pipeline::stop() { gst_element_set_state(pipeline_, GST_STATE_NULL); }

bool Pipeline::settles() const {
    const GstStateChangeReturn result =
        gst_element_get_state(pipeline_, nullptr, nullptr, deadline);
    return result == GST_STATE_CHANGE_SUCCESS || result == GST_STATE_CHANGE_NO_PREROLL;
}

bool Pipeline::runs_to_the_end() {
    play();
    for (;;) {
        GstMessage* message = gst_bus_timed_pop_filtered(
            bus_, deadline,
            static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_WARNING));
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

guint64 Pipeline::stat(const char* name, const char* element) const {
    GstStructure* stats = nullptr;
    g_object_get(get(element), "stats", &stats, nullptr);
    guint64 value = 0;
    REQUIRE(gst_structure_get_uint64(stats, name, &value));
    gst_structure_free(stats);
    return value;
}

double Pipeline::scale() const {
    GstStructure* stats = nullptr;
    g_object_get(get("s"), "stats", &stats, nullptr);
    double value = 0.0;
    REQUIRE(gst_structure_get_double(stats, "scale", &value));
    gst_structure_free(stats);
    return value;
}

guint Pipeline::number(const char* property) const {
    guint value = 0;
    g_object_get(get("s"), property, &value, nullptr);
    return value;
}

std::vector<PatchPacket> packets_of(const Tap& tap) {
    std::vector<PatchPacket> packets;
    for (const auto& buffer : tap.buffers) {
        std::span<const std::uint8_t> bytes(buffer);
        while (!bytes.empty()) {
            PatchPacket packet;
            REQUIRE(read_packet(bytes, packet) == PacketError::none);
            packets.push_back(std::move(packet));
        }
    }
    return packets;
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

}  // namespace livesr::test
