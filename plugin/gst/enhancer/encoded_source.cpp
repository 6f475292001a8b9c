// See encoded_source.h.
#include "gst/enhancer/encoded_source.h"

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

}  // namespace livesr::gst
