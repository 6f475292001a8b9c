// See encoded_source.h.
#include "gst/enhancer/encoded_source.h"

#include <cstddef>
#include <string_view>

namespace livesr::gst {

namespace {

// Longer chains are no pipeline, and a loop must end.
constexpr int most_elements = 64;

enum class Video { raw, encoded, unknown };

Video kind_of(const GstCaps* caps) {
    if (gst_caps_is_any(caps)) return Video::unknown;
    const guint size = gst_caps_get_size(caps);
    guint raw = 0;
    for (guint i = 0; i < size; ++i) {
        if (gst_structure_has_name(gst_caps_get_structure(caps, i), "video/x-raw")) ++raw;
    }
    if (size == 0 || (raw != 0 && raw != size)) return Video::unknown;
    return raw == 0 ? Video::encoded : Video::raw;
}

Video kind_of(GstPad* source) {
    GstCaps* caps = gst_pad_get_current_caps(source);
    if (!caps) caps = gst_pad_query_caps(source, nullptr);
    const Video kind = kind_of(caps);
    gst_caps_unref(caps);
    return kind;
}

// The pad that feeds this source pad from inside of its element; owned, null at a source.
GstPad* feeding(GstPad* source) {
    if (GST_IS_GHOST_PAD(source)) return gst_ghost_pad_get_target(GST_GHOST_PAD(source));
    GstIterator* links = gst_pad_iterate_internal_links(source);
    if (!links) return nullptr;
    GValue item = G_VALUE_INIT;
    GstPad* found = nullptr;
    if (gst_iterator_next(links, &item) == GST_ITERATOR_OK) {
        found = GST_PAD(g_value_dup_object(&item));
        g_value_unset(&item);
    }
    gst_iterator_free(links);
    return found;
}

// What is on the other side of a sink pad, through the walls of bins; owned, null when unlinked.
GstPad* before(GstPad* sink) {
    GstPad* peer = gst_pad_get_peer(sink);
    while (peer && GST_IS_PROXY_PAD(peer) && !GST_IS_GHOST_PAD(peer)) {
        GstProxyPad* wall = gst_proxy_pad_get_internal(GST_PROXY_PAD(peer));
        gst_object_unref(peer);
        peer = wall ? gst_pad_get_peer(GST_PAD(wall)) : nullptr;
        if (wall) gst_object_unref(wall);
    }
    return peer;
}

// Bytes of the length before each NAL unit, by the record that caps carry; 0: it does not say.
int length_bytes(const GstStructure* structure, std::size_t place) {
    const GValue* value = gst_structure_get_value(structure, "codec_data");
    GstBuffer* record = value ? gst_value_get_buffer(value) : nullptr;
    guint8 byte = 0;
    if (!record || gst_buffer_extract(record, place, &byte, 1) != 1) return 0;
    return (byte & 3) + 1;
}

// Places of that byte in the two records.
constexpr std::size_t avc_length_place = 4;
constexpr std::size_t hevc_length_place = 21;

}  // namespace

GstPad* find_encoded_source(GstPad* raw) {
    GstPad* source = before(raw);
    for (int i = 0; source && i < most_elements; ++i) {
        const Video kind = kind_of(source);
        if (kind == Video::encoded) return source;
        if (kind == Video::unknown) break;
        GstPad* inside = feeding(source);
        const bool same_way = inside && GST_PAD_IS_SRC(inside);  // a bin's wall
        GstPad* next = !inside || same_way ? inside : before(inside);
        if (inside && !same_way) gst_object_unref(inside);
        gst_object_unref(source);
        source = next;
    }
    if (source) gst_object_unref(source);
    return nullptr;
}

std::optional<StreamFormat> stream_format(const GstCaps* caps) {
    if (gst_caps_get_size(caps) == 0) return std::nullopt;
    const GstStructure* structure = gst_caps_get_structure(caps, 0);
    const gchar* told = gst_structure_get_string(structure, "stream-format");
    const std::string_view written = told ? told : "";
    if (gst_structure_has_name(structure, "video/x-av1")) {
        if (written == "annexb") return std::nullopt;
        return StreamFormat{Codec::av1, 0};
    }
    const bool is_h264 = gst_structure_has_name(structure, "video/x-h264");
    if (!is_h264 && !gst_structure_has_name(structure, "video/x-h265")) return std::nullopt;
    StreamFormat format{is_h264 ? Codec::h264 : Codec::h265, 0};
    const bool has_record = gst_structure_has_field(structure, "codec_data");
    if (written == "byte-stream" || (written.empty() && !has_record)) return format;
    format.length_bytes = length_bytes(structure, is_h264 ? avc_length_place : hevc_length_place);
    if (format.length_bytes == 0) return std::nullopt;
    return format;
}

}  // namespace livesr::gst
