// See decoder_input.h.
#include "gst/enhancer/decoder_input.h"

#include <gst/video/video.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <utility>

#include "gst/enhancer/encoded_source.h"
#include "gst/enhancer/media_time.h"
#include "gst/stream_format.h"

namespace livesr::gst {

struct DecoderInput::State {
    std::atomic<std::uint64_t> bytes{0};

    std::mutex mutex;  // guards the next block
    std::optional<StreamFormat> format;
    GstSegment segment;
    PictureReader reader;

    // Held while a packet is handed out, so that none is after stop(). Taken alone.
    std::mutex handing_out_mutex;
    OnPacket on_packet;

    void take_caps(const GstCaps* caps) {
        const std::lock_guard lock(mutex);
        format = stream_format_of(caps);
    }
    void take(GstEvent* event);
    void take(GstBuffer* buffer);
    std::vector<CarriedPacket> read(GstBuffer* buffer);
};

void DecoderInput::State::take(GstEvent* event) {
    switch (GST_EVENT_TYPE(event)) {
        case GST_EVENT_CAPS: {
            GstCaps* caps = nullptr;
            gst_event_parse_caps(event, &caps);
            take_caps(caps);
            break;
        }
        case GST_EVENT_SEGMENT: {
            const std::lock_guard lock(mutex);
            gst_event_copy_segment(event, &segment);
            break;
        }
        case GST_EVENT_FLUSH_STOP: {
            const std::lock_guard lock(mutex);
            gst_segment_init(&segment, GST_FORMAT_UNDEFINED);
            reader.restart();
            break;
        }
        default:
            break;
    }
}

std::vector<CarriedPacket> DecoderInput::State::read(GstBuffer* buffer) {
    const std::lock_guard lock(mutex);
    if (!format) return {};
    std::optional<std::uint64_t> running_time_ns;
    const GstClockTime time = GST_BUFFER_PTS(buffer);
    if (segment.format == GST_FORMAT_TIME && GST_CLOCK_TIME_IS_VALID(time)) {
        running_time_ns =
            possible_time(gst_segment_to_running_time(&segment, GST_FORMAT_TIME, time));
    }
    GstMapInfo map;
    if (!gst_buffer_map(buffer, &map, GST_MAP_READ)) {
        reader.note_unread();
        return {};
    }
    std::vector<CarriedPacket> packets;
    try {
        packets = reader.read_coded(*format, {map.data, map.size}, running_time_ns);
    } catch (const std::exception&) {
        // No memory for it: the picture goes on.
        reader.note_unread();
    }
    gst_buffer_unmap(buffer, &map);
    return packets;
}

void DecoderInput::State::take(GstBuffer* buffer) {
    bytes += gst_buffer_get_size(buffer);
    const std::vector<CarriedPacket> packets = read(buffer);
    if (packets.empty()) return;
    const std::lock_guard lock(handing_out_mutex);
    if (!on_packet) return;
    for (const CarriedPacket& packet : packets) on_packet(packet);
}

GstPadProbeReturn DecoderInput::on_item(GstPad*, GstPadProbeInfo* info, gpointer data) {
    State& state = **static_cast<std::shared_ptr<State>*>(data);
    try {
        if (info->type & GST_PAD_PROBE_TYPE_BUFFER_LIST) {
            GstBufferList* list = GST_PAD_PROBE_INFO_BUFFER_LIST(info);
            for (guint i = 0; i < gst_buffer_list_length(list); ++i) {
                state.take(gst_buffer_list_get(list, i));
            }
        } else if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
            state.take(GST_PAD_PROBE_INFO_BUFFER(info));
        } else {
            state.take(GST_PAD_PROBE_INFO_EVENT(info));
        }
    } catch (const std::exception&) {
        // Nothing may be thrown through GStreamer.
        const std::lock_guard lock(state.mutex);
        state.reader.note_unread();
    }
    return GST_PAD_PROBE_OK;
}

DecoderInput::DecoderInput(OnPacket on_packet) : state_(std::make_shared<State>()) {
    gst_segment_init(&state_->segment, GST_FORMAT_UNDEFINED);
    state_->on_packet = std::move(on_packet);
}

DecoderInput::~DecoderInput() { stop(); }

void DecoderInput::watch(GstPad* raw) {
    GstPad* found = find_encoded_source(raw);
    const std::lock_guard lock(mutex_);
    if (!found || found == pad_) {
        if (found) gst_object_unref(found);
        return;
    }
    // Another decoder: what the one before has counted stays.
    release();
    pad_ = found;
    constexpr auto kinds = static_cast<GstPadProbeType>(
        GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST |
        GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM | GST_PAD_PROBE_TYPE_EVENT_FLUSH);
    // Events that come while this lasts wait for it, and then have the last word.
    const std::lock_guard state_lock(state_->mutex);
    probe_ =
        gst_pad_add_probe(pad_, kinds, &DecoderInput::on_item, new std::shared_ptr<State>(state_),
                          [](gpointer data) { delete static_cast<std::shared_ptr<State>*>(data); });
    state_->reader.restart();
    state_->format.reset();
    gst_segment_init(&state_->segment, GST_FORMAT_UNDEFINED);
    if (GstCaps* caps = gst_pad_get_current_caps(pad_)) {
        state_->format = stream_format_of(caps);
        gst_caps_unref(caps);
    }
    if (GstEvent* event = gst_pad_get_sticky_event(pad_, GST_EVENT_SEGMENT, 0)) {
        gst_event_copy_segment(event, &state_->segment);
        gst_event_unref(event);
    }
}

// With mutex_ held.
void DecoderInput::release() {
    if (!pad_) return;
    gst_pad_remove_probe(pad_, probe_);
    gst_object_unref(pad_);
    pad_ = nullptr;
}

void DecoderInput::stop() {
    {
        const std::lock_guard lock(mutex_);
        release();
    }
    const std::lock_guard lock(state_->handing_out_mutex);
    state_->on_packet = nullptr;
}

std::optional<std::uint64_t> DecoderInput::bytes() const {
    const std::lock_guard lock(mutex_);
    if (!pad_) return std::nullopt;
    return state_->bytes.load();
}

DecoderInput::Counts DecoderInput::counts() const {
    const std::lock_guard lock(state_->mutex);
    Counts counts{state_->reader.counts(), state_->reader.incomplete()};
    return counts;
}

// The meta's bytes are without UUID and without emulation prevention: the parsers take it out.
std::vector<CarriedPacket> DecoderInput::read_decoded(
    [[maybe_unused]] GstBuffer* picture,
    [[maybe_unused]] std::optional<std::uint64_t> running_time_ns) {
    std::vector<CarriedPacket> packets;
#if GST_CHECK_VERSION(1, 22, 0)
    std::size_t read = 0;
    gpointer state = nullptr;
    while (GstMeta* item = gst_buffer_iterate_meta_filtered(
               picture, &state, GST_VIDEO_SEI_USER_DATA_UNREGISTERED_META_API_TYPE)) {
        const auto* meta = reinterpret_cast<const GstVideoSEIUserDataUnregisteredMeta*>(item);
        if (!std::equal(carriage_uuid.begin(), carriage_uuid.end(), meta->uuid)) continue;
        const std::lock_guard lock(state_->mutex);
        if (++read > max_payloads) {
            state_->reader.note_unread();
            break;
        }
        for (CarriedPacket& packet :
             state_->reader.read_decoded({meta->data, meta->size}, running_time_ns)) {
            packets.push_back(std::move(packet));
        }
    }
#endif
    return packets;
}

}  // namespace livesr::gst
