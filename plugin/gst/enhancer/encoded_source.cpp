// See reception.h.
#include "gst/enhancer/reception.h"

namespace livesr::gst {

namespace {

// Longer chains are no pipeline, and a loop must end.
constexpr int most_elements = 64;

bool is_raw_video(GstPad* pad) {
    GstCaps* caps = gst_pad_get_current_caps(pad);
    const bool raw = caps && !gst_caps_is_any(caps) && gst_caps_get_size(caps) > 0 &&
                     gst_structure_has_name(gst_caps_get_structure(caps, 0), "video/x-raw");
    if (caps) gst_caps_unref(caps);
    return raw;
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

GstPadProbeReturn count(GstPad*, GstPadProbeInfo* info, gpointer user_data) {
    std::size_t size = 0;
    if (GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER_LIST) {
        size = gst_buffer_list_calculate_size(GST_PAD_PROBE_INFO_BUFFER_LIST(info));
    } else {
        size = gst_buffer_get_size(GST_PAD_PROBE_INFO_BUFFER(info));
    }
    *static_cast<std::atomic<std::uint64_t>*>(user_data) += size;
    return GST_PAD_PROBE_OK;
}

}  // namespace

GstPad* find_encoded_source(GstPad* raw) {
    GstPad* source = before(raw);
    for (int i = 0; source && i < most_elements; ++i) {
        if (!is_raw_video(source)) return source;
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

void EncodedVideoCounter::watch(GstPad* raw) {
    GstPad* found = find_encoded_source(raw);
    const std::lock_guard lock(mutex_);
    if (!found || found == pad_) {
        if (found) gst_object_unref(found);
        return;
    }
    // Another decoder: what the one before has counted stays.
    release();
    pad_ = found;
    constexpr auto buffers =
        static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST);
    probe_ = gst_pad_add_probe(pad_, buffers, count, &bytes_, nullptr);
}

// With mutex_ held.
void EncodedVideoCounter::release() {
    if (!pad_) return;
    gst_pad_remove_probe(pad_, probe_);
    gst_object_unref(pad_);
    pad_ = nullptr;
}

void EncodedVideoCounter::stop() {
    const std::lock_guard lock(mutex_);
    release();
}

std::optional<std::uint64_t> EncodedVideoCounter::bytes() const {
    const std::lock_guard lock(mutex_);
    if (!pad_) return std::nullopt;
    return bytes_.load();
}

}  // namespace livesr::gst
