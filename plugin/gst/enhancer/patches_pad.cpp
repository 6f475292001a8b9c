// The patches pad of srenhancer: bytes and their running times go to the Enhancer, nothing goes on
// from here.
#include "gst/enhancer/srenhancer.h"

GST_DEBUG_CATEGORY_EXTERN(sr_enhancer_debug);
#define GST_CAT_DEFAULT sr_enhancer_debug

namespace livesr::gst {
namespace {

GstFlowReturn chain(GstPad*, GstObject* parent, GstBuffer* buffer) {
    GstSrEnhancer* self = GST_SR_ENHANCER(parent);
    const auto enhancer = running(self);
    GstMapInfo map;
    if (enhancer && gst_buffer_map(buffer, &map, GST_MAP_READ)) {
        enhancer->feed_patches({map.data, map.size},
                               running_time(*self->patches_segment, GST_BUFFER_PTS(buffer)));
        gst_buffer_unmap(buffer, &map);
    }
    gst_buffer_unref(buffer);
    return GST_FLOW_OK;
}

gboolean on_event(GstPad*, GstObject* parent, GstEvent* event) {
    GstSrEnhancer* self = GST_SR_ENHANCER(parent);
    const auto enhancer = running(self);
    switch (GST_EVENT_TYPE(event)) {
        case GST_EVENT_SEGMENT:
            gst_event_copy_segment(event, self->patches_segment);
            break;
        case GST_EVENT_GAP: {
            GstClockTime begin = GST_CLOCK_TIME_NONE;
            GstClockTime duration = GST_CLOCK_TIME_NONE;
            gst_event_parse_gap(event, &begin, &duration);
            if (GST_CLOCK_TIME_IS_VALID(begin) && GST_CLOCK_TIME_IS_VALID(duration)) {
                begin += duration;
            }
            const auto time = running_time(*self->patches_segment, begin);
            if (enhancer && time) enhancer->patches_reached(*time);
            break;
        }
        case GST_EVENT_EOS:
            if (enhancer) enhancer->patches_ended();
            break;
        case GST_EVENT_FLUSH_STOP:
            gst_segment_init(self->patches_segment, GST_FORMAT_UNDEFINED);
            if (enhancer) enhancer->patches_restarted();
            break;
        case GST_EVENT_STREAM_START:
            if (enhancer) enhancer->patches_restarted();
            break;
        default:
            break;
    }
    // None of them concerns the video.
    gst_event_unref(event);
    return TRUE;
}

}  // namespace

GstPad* request_patches_pad(GstElement* element, GstPadTemplate* pad_template, const gchar*,
                            const GstCaps*) {
    GstSrEnhancer* self = GST_SR_ENHANCER(element);
    GST_OBJECT_LOCK(self);
    const bool taken = self->patches_pad != nullptr;
    GST_OBJECT_UNLOCK(self);
    if (taken) {
        GST_WARNING_OBJECT(self, "there is one patches pad, and it is in use");
        return nullptr;
    }
    GstPad* pad = gst_pad_new_from_template(pad_template, "patches");
    gst_pad_set_chain_function(pad, GST_DEBUG_FUNCPTR(chain));
    gst_pad_set_event_function(pad, GST_DEBUG_FUNCPTR(on_event));
    gst_segment_init(self->patches_segment, GST_FORMAT_UNDEFINED);
    gst_pad_set_active(pad, TRUE);
    if (!gst_element_add_pad(element, pad)) return nullptr;
    GST_OBJECT_LOCK(self);
    self->patches_pad = pad;
    GST_OBJECT_UNLOCK(self);
    return pad;
}

void release_patches_pad(GstElement* element, GstPad* pad) {
    GstSrEnhancer* self = GST_SR_ENHANCER(element);
    GST_OBJECT_LOCK(self);
    if (self->patches_pad == pad) self->patches_pad = nullptr;
    GST_OBJECT_UNLOCK(self);
    gst_pad_set_active(pad, FALSE);
    gst_element_remove_pad(element, pad);
}

}  // namespace livesr::gst
