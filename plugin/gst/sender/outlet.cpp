// See outlet.h.
#include "gst/sender/outlet.h"

#include <cstring>
#include <set>

namespace livesr::gst {

namespace {

// A pipeline that is longer goes in circles.
constexpr std::size_t max_pads = 256;

bool is_network_sink(GstElement* element) {
    GstElementFactory* factory = gst_element_get_factory(element);
    if (!factory) return false;
    const gchar* kind = gst_element_factory_get_metadata(factory, GST_ELEMENT_METADATA_KLASS);
    return kind && std::strstr(kind, "Sink") && std::strstr(kind, "Network");
}

GstPad* find(GstPad* src, std::set<GstPad*>& seen);

// From a sink pad on.
GstPad* find_behind(GstPad* sink, std::set<GstPad*>& seen) {
    GstElement* element = gst_pad_get_parent_element(sink);
    const bool is_here = element && is_network_sink(element);
    gst_clear_object(&element);
    if (is_here) return GST_PAD_CAST(gst_object_ref(sink));
    GstPad* found = nullptr;
    GstIterator* links = gst_pad_iterate_internal_links(sink);
    GValue item = G_VALUE_INIT;
    while (links && !found && gst_iterator_next(links, &item) == GST_ITERATOR_OK) {
        found = find(GST_PAD_CAST(g_value_get_object(&item)), seen);
        g_value_reset(&item);
    }
    g_value_unset(&item);
    if (links) gst_iterator_free(links);
    return found;
}

GstPad* find(GstPad* src, std::set<GstPad*>& seen) {
    if (seen.size() >= max_pads || !seen.insert(src).second) return nullptr;
    GstPad* peer = gst_pad_get_peer(src);
    if (!peer) return nullptr;
    GstPad* found = find_behind(peer, seen);
    gst_object_unref(peer);
    return found;
}

}  // namespace

GstPad* find_network_pad(GstPad* src) {
    std::set<GstPad*> seen;
    return find(src, seen);
}

}  // namespace livesr::gst
