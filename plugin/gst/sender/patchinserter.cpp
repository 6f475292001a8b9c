/**
 * element-patchinserter
 *
 * Puts the patch packets of patchpicker (KLV, pad patches) into the coded pictures of an encoder
 * that is elsewhere (pad sink): SEI of H.264 and HEVC, metadata OBUs of AV1. What comes out needs
 * no track for patches. Pictures pass at once; patches go with the next one. patchsender does the
 * same by itself.
 *
 * |[
 * gst-launch-1.0 videotestsrc is-live=true ! video/x-raw,format=I420,width=1280,height=720 ! tee
 * name=t t. ! queue ! p.sink t. ! queue ! videoscale ! video/x-raw,width=640,height=360 ! x264enc
 * tune=zerolatency bitrate=550 ! h264parse ! tee name=e  e. ! queue ! i.sink  e. ! queue !
 * avdec_h264 ! p.lowres patchpicker name=p scale=2  p.patches ! queue ! i.patches patchinserter
 * name=i ! h264parse ! mpegtsmux ! srtsink uri="srt://server:7001?mode=caller"
 * ]|
 */
#include "gst/sender/patchinserter.h"

#include <gst/video/video.h>

#include "gst/sender/picture_carrier.h"
#include "gst/stream_format.h"

namespace {

using livesr::gst::PictureCarrier;

GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS("video/x-h264; video/x-h265; video/x-av1, stream-format = obu-stream"));
GstStaticPadTemplate patches_template =
    GST_STATIC_PAD_TEMPLATE("patches", GST_PAD_SINK, GST_PAD_ALWAYS,
                            GST_STATIC_CAPS("meta/x-klv, parsed = (boolean) true"));
GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS("video/x-h264; video/x-h265; video/x-av1, stream-format = obu-stream"));

// Of streams whose caps do not say their frame rate.
constexpr GstClockTime assumed_interval = GST_SECOND / 30;

}  // namespace

struct _GstPatchInserter {
    GstElement parent;
    GstPad* src;  // owned by the element
    PictureCarrier* carrier;
    GstSegment video;    // of the streaming thread of sink
    GstSegment packets;  // of the streaming thread of patches
};

typedef struct _GstPatchInserter GstPatchInserter;

typedef struct _GstPatchInserterClass {
    GstElementClass parent_class;
} GstPatchInserterClass;

#define gst_patch_inserter_parent_class parent_class
G_DEFINE_TYPE(GstPatchInserter, gst_patch_inserter, GST_TYPE_ELEMENT)

#define GST_PATCH_INSERTER(object) (reinterpret_cast<GstPatchInserter*>(object))

static GstClockTime running_time_of(const GstSegment& segment, GstClockTime time) {
    if (segment.format != GST_FORMAT_TIME || !GST_CLOCK_TIME_IS_VALID(time)) {
        return GST_CLOCK_TIME_NONE;
    }
    return gst_segment_to_running_time(&segment, GST_FORMAT_TIME, time);
}

// --- video ---

static GstFlowReturn gst_patch_inserter_sink_chain(GstPad*, GstObject* parent, GstBuffer* buffer) {
    GstPatchInserter* self = GST_PATCH_INSERTER(parent);
    const GstClockTime running_time = running_time_of(self->video, GST_BUFFER_PTS(buffer));
    return gst_pad_push(self->src,
                        self->carrier->carry(buffer, running_time, GST_BUFFER_DTS_OR_PTS(buffer)));
}

static void take_caps(GstPatchInserter* self, const GstCaps* caps) {
    self->carrier->set_format(livesr::gst::stream_format_of(caps));
    gint numerator = 0;
    gint denominator = 0;
    const bool has_rate = gst_structure_get_fraction(gst_caps_get_structure(caps, 0), "framerate",
                                                     &numerator, &denominator) &&
                          numerator > 0 && denominator > 0;
    self->carrier->count_by(has_rate ? gst_util_uint64_scale_int(GST_SECOND, denominator, numerator)
                                     : assumed_interval);
}

static gboolean gst_patch_inserter_sink_event(GstPad* pad, GstObject* parent, GstEvent* event) {
    GstPatchInserter* self = GST_PATCH_INSERTER(parent);
    switch (GST_EVENT_TYPE(event)) {
        case GST_EVENT_CAPS: {
            GstCaps* caps = nullptr;
            gst_event_parse_caps(event, &caps);
            take_caps(self, caps);
            break;
        }
        case GST_EVENT_SEGMENT:
            gst_event_copy_segment(event, &self->video);
            break;
        case GST_EVENT_FLUSH_STOP:
            gst_segment_init(&self->video, GST_FORMAT_UNDEFINED);
            self->carrier->restart();
            break;
        default:
            break;
    }
    return gst_pad_event_default(pad, parent, event);
}

// --- patches ---

static GstFlowReturn gst_patch_inserter_patches_chain(GstPad*, GstObject* parent,
                                                      GstBuffer* buffer) {
    GstPatchInserter* self = GST_PATCH_INSERTER(parent);
    GstMapInfo map;
    if (gst_buffer_map(buffer, &map, GST_MAP_READ)) {
        livesr::gst::OutgoingPacket packet;
        packet.bytes.assign(map.data, map.data + map.size);
        packet.running_time = running_time_of(self->packets, GST_BUFFER_PTS(buffer));
        gst_buffer_unmap(buffer, &map);
        if (GST_CLOCK_TIME_IS_VALID(packet.running_time) &&
            !self->carrier->push(std::move(packet))) {
            GST_DEBUG_OBJECT(self, "a patch packet is dropped: too many wait for pictures");
        }
    }
    gst_buffer_unref(buffer);
    return GST_FLOW_OK;
}

static gboolean gst_patch_inserter_patches_event(GstPad*, GstObject* parent, GstEvent* event) {
    GstPatchInserter* self = GST_PATCH_INSERTER(parent);
    if (GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT) {
        gst_event_copy_segment(event, &self->packets);
    } else if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_STOP) {
        gst_segment_init(&self->packets, GST_FORMAT_UNDEFINED);
    }
    // None of them concerns the video.
    gst_event_unref(event);
    return TRUE;
}

// --- the element ---

// Video comes in on one pad and leaves by the other; patches leave by none.
static GstIterator* gst_patch_inserter_links(GstPad* pad, GstObject* parent) {
    GstPatchInserter* self = GST_PATCH_INSERTER(parent);
    GValue other = G_VALUE_INIT;
    g_value_init(&other, GST_TYPE_PAD);
    if (pad == self->src) {
        g_value_take_object(&other, gst_element_get_static_pad(GST_ELEMENT_CAST(self), "sink"));
    } else if (g_str_equal(GST_PAD_NAME(pad), "sink")) {
        g_value_set_object(&other, self->src);
    } else {
        g_value_unset(&other);
        return nullptr;
    }
    GstIterator* links = gst_iterator_new_single(GST_TYPE_PAD, &other);
    g_value_unset(&other);
    return links;
}

static GstStateChangeReturn gst_patch_inserter_change_state(GstElement* element,
                                                            GstStateChange transition) {
    GstPatchInserter* self = GST_PATCH_INSERTER(element);
    if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
        gst_segment_init(&self->video, GST_FORMAT_UNDEFINED);
        gst_segment_init(&self->packets, GST_FORMAT_UNDEFINED);
        self->carrier->restart();
    }
    return GST_ELEMENT_CLASS(parent_class)->change_state(element, transition);
}

static void gst_patch_inserter_finalize(GObject* object) {
    delete GST_PATCH_INSERTER(object)->carrier;
    G_OBJECT_CLASS(parent_class)->finalize(object);
}

static void gst_patch_inserter_class_init(GstPatchInserterClass* klass) {
    G_OBJECT_CLASS(klass)->finalize = gst_patch_inserter_finalize;
    GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
    element_class->change_state = gst_patch_inserter_change_state;
    for (GstStaticPadTemplate* made : {&sink_template, &patches_template, &src_template}) {
        gst_element_class_add_static_pad_template(element_class, made);
    }
    gst_element_class_set_static_metadata(
        element_class, "Patch inserter", "Filter/Video/Metadata",
        "Puts the patches of a patchpicker (pad patches) into coded video (pad sink), so that they "
        "need no track of their own. Example: ... ! h264parse ! i.sink p.patches ! queue ! "
        "i.patches patchinserter name=i ! h264parse ! flvmux ! rtmp2sink "
        "location=rtmp://server/live/key",
        "livesr");
}

static void gst_patch_inserter_init(GstPatchInserter* self) {
    self->carrier = new PictureCarrier;
    gst_segment_init(&self->video, GST_FORMAT_UNDEFINED);
    gst_segment_init(&self->packets, GST_FORMAT_UNDEFINED);

    GstPad* sink = gst_pad_new_from_static_template(&sink_template, "sink");
    gst_pad_set_chain_function(sink, gst_patch_inserter_sink_chain);
    gst_pad_set_event_function(sink, gst_patch_inserter_sink_event);
    // Caps and allocation are those of what follows, and events that go up are the encoder's.
    GST_PAD_SET_PROXY_CAPS(sink);
    GST_PAD_SET_PROXY_ALLOCATION(sink);
    gst_pad_set_iterate_internal_links_function(sink, gst_patch_inserter_links);
    gst_element_add_pad(GST_ELEMENT_CAST(self), sink);

    GstPad* patches = gst_pad_new_from_static_template(&patches_template, "patches");
    gst_pad_set_chain_function(patches, gst_patch_inserter_patches_chain);
    gst_pad_set_event_function(patches, gst_patch_inserter_patches_event);
    gst_pad_set_iterate_internal_links_function(patches, gst_patch_inserter_links);
    gst_element_add_pad(GST_ELEMENT_CAST(self), patches);

    self->src = gst_pad_new_from_static_template(&src_template, "src");
    GST_PAD_SET_PROXY_CAPS(self->src);
    gst_pad_set_iterate_internal_links_function(self->src, gst_patch_inserter_links);
    gst_pad_set_event_function(
        self->src, [](GstPad*, GstObject* parent, GstEvent* event) -> gboolean {
            GstPad* video = gst_element_get_static_pad(GST_ELEMENT_CAST(parent), "sink");
            const gboolean taken = gst_pad_push_event(video, event);
            gst_object_unref(video);
            return taken;
        });
    gst_element_add_pad(GST_ELEMENT_CAST(self), self->src);
}

namespace livesr::gst {

bool register_patch_inserter(GstPlugin* plugin) {
    return gst_element_register(plugin, "patchinserter", GST_RANK_NONE,
                                gst_patch_inserter_get_type()) == TRUE;
}

}  // namespace livesr::gst
