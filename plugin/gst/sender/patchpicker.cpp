/**
 * element-patchpicker
 *
 * Pairs each high-resolution frame (pad sink) with its decoded low-resolution picture (pad lowres)
 * by running time, has the engine choose cells of the frame by how far they are off, and sends
 * those as KLV on the pad patches. Part of patchsender; by itself it serves encoders that are
 * elsewhere. What it does is in Picker; here are its pads and properties.
 */
#include "gst/sender/patchpicker.h"

#include <gst/video/video.h>

GST_DEBUG_CATEGORY(patch_picker_debug);
#define GST_CAT_DEFAULT patch_picker_debug

namespace {

using livesr::gst::PatchOutput;
using livesr::gst::Picker;
using livesr::gst::SenderSettings;

// The first plane is 8-bit luma in all of them.
#define LUMA_CAPS GST_VIDEO_CAPS_MAKE("{ I420, NV12, YV12, NV21, Y42B, NV16, Y444, GRAY8 }")

GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(LUMA_CAPS));
GstStaticPadTemplate lowres_template =
    GST_STATIC_PAD_TEMPLATE("lowres", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(LUMA_CAPS));
GstStaticPadTemplate patches_template = GST_STATIC_PAD_TEMPLATE(
    "patches", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("meta/x-klv, parsed = (boolean) true"));

}  // namespace

struct _GstPatchPicker {
    GstElement parent;
    Picker* picker;
};

typedef struct _GstPatchPicker GstPatchPicker;

typedef struct _GstPatchPickerClass {
    GstElementClass parent_class;
} GstPatchPickerClass;

#define gst_patch_picker_parent_class parent_class
G_DEFINE_TYPE(GstPatchPicker, gst_patch_picker, GST_TYPE_ELEMENT)

#define GST_PATCH_PICKER(object) (reinterpret_cast<GstPatchPicker*>(object))

static Picker& picker_of(GstObject* object) { return *GST_PATCH_PICKER(object)->picker; }

static GstFlowReturn gst_patch_picker_sink_chain(GstPad*, GstObject* parent, GstBuffer* buffer) {
    const GstFlowReturn flow = picker_of(parent).high_frame(buffer);
    gst_buffer_unref(buffer);
    return flow;
}

static GstFlowReturn gst_patch_picker_lowres_chain(GstPad*, GstObject* parent, GstBuffer* buffer) {
    const GstFlowReturn flow = picker_of(parent).low_frame(buffer);
    gst_buffer_unref(buffer);
    return flow;
}

static gboolean gst_patch_picker_sink_event(GstPad*, GstObject* parent, GstEvent* event) {
    return picker_of(parent).high_event(event) ? TRUE : FALSE;
}

static gboolean gst_patch_picker_lowres_event(GstPad*, GstObject* parent, GstEvent* event) {
    return picker_of(parent).low_event(event) ? TRUE : FALSE;
}

// We read through GstVideoFrame, so that upstream may use any strides.
static gboolean gst_patch_picker_sink_query(GstPad* pad, GstObject* parent, GstQuery* query) {
    if (GST_QUERY_TYPE(query) == GST_QUERY_ALLOCATION) {
        gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);
        return TRUE;
    }
    return gst_pad_query_default(pad, parent, query);
}

// Seeks and key-frame requests go up once, not through the decoder and the encoder as well; how
// late patches are says nothing about the video.
static gboolean gst_patch_picker_patches_event(GstPad*, GstObject* parent, GstEvent* event) {
    switch (GST_EVENT_TYPE(event)) {
        case GST_EVENT_QOS:
        case GST_EVENT_RECONFIGURE:
            gst_event_unref(event);
            return TRUE;
        default:
            return gst_pad_push_event(picker_of(parent).high_pad(), event);
    }
}

static gboolean gst_patch_picker_patches_activate(GstPad*, GstObject* parent, GstPadMode mode,
                                                  gboolean active) {
    if (mode != GST_PAD_MODE_PUSH) return FALSE;
    PatchOutput& output = picker_of(parent).output();
    if (active) {
        output.start();
    } else {
        output.stop();
    }
    return TRUE;
}

static GstStateChangeReturn gst_patch_picker_change_state(GstElement* element,
                                                          GstStateChange transition) {
    Picker& picker = *GST_PATCH_PICKER(element)->picker;
    if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !picker.start()) {
        return GST_STATE_CHANGE_FAILURE;
    }
    // Before the pads: a streaming thread may be waiting for the engine.
    if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) picker.stop();
    return GST_ELEMENT_CLASS(parent_class)->change_state(element, transition);
}

static void gst_patch_picker_set_property(GObject* object, guint id, const GValue* value,
                                          GParamSpec* spec) {
    Picker& picker = *GST_PATCH_PICKER(object)->picker;
    SenderSettings settings = picker.settings();
    if (livesr::gst::set_setting(settings, id, value)) {
        picker.configure(settings);
    } else {
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
}

static void gst_patch_picker_get_property(GObject* object, guint id, GValue* value,
                                          GParamSpec* spec) {
    Picker& picker = *GST_PATCH_PICKER(object)->picker;
    if (livesr::gst::is_stats(id)) {
        GstStructure* stats = gst_structure_new_empty("application/x-livesr-sender-stats");
        picker.add_stats(stats);
        g_value_take_boxed(value, stats);
    } else if (!livesr::gst::get_plan(picker.session().plan(), id, value) &&
               !livesr::gst::get_setting(picker.settings(), id, value)) {
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
}

static void gst_patch_picker_finalize(GObject* object) {
    delete GST_PATCH_PICKER(object)->picker;
    G_OBJECT_CLASS(parent_class)->finalize(object);
}

static void gst_patch_picker_class_init(GstPatchPickerClass* klass) {
    GObjectClass* object_class = G_OBJECT_CLASS(klass);
    object_class->set_property = gst_patch_picker_set_property;
    object_class->get_property = gst_patch_picker_get_property;
    object_class->finalize = gst_patch_picker_finalize;
    livesr::gst::install_settings(object_class);

    GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
    element_class->change_state = gst_patch_picker_change_state;
    gst_element_class_add_static_pad_template(element_class, &sink_template);
    gst_element_class_add_static_pad_template(element_class, &lowres_template);
    gst_element_class_add_static_pad_template(element_class, &patches_template);
    gst_element_class_set_static_metadata(
        element_class, "Patch picker", "Filter/Video/Metadata",
        "Sends pieces of high-resolution frames (pad sink) beside their low-resolution video, "
        "whose "
        "decoded pictures come in on the pad lowres. patchsender has one inside; by itself it "
        "serves "
        "an encoder that is elsewhere. Example: gst-launch-1.0 videotestsrc is-live=true ! "
        "video/x-raw,format=I420,width=1280,height=720 ! tee name=t t. ! queue ! p.sink t. ! queue "
        "! "
        "videoscale ! video/x-raw,width=640,height=360 ! x264enc tune=zerolatency bitrate=550 ! "
        "tee "
        "name=e e. ! queue ! h264parse ! mpegtsmux name=m ! filesink location=out.ts e. ! queue ! "
        "h264parse ! avdec_h264 ! p.lowres patchpicker name=p scale=2 p.patches ! queue ! m.",
        "livesr");
}

static void gst_patch_picker_init(GstPatchPicker* self) {
    GstPad* sink = gst_pad_new_from_static_template(&sink_template, "sink");
    gst_pad_set_chain_function(sink, gst_patch_picker_sink_chain);
    gst_pad_set_event_function(sink, gst_patch_picker_sink_event);
    gst_pad_set_query_function(sink, gst_patch_picker_sink_query);
    gst_element_add_pad(GST_ELEMENT_CAST(self), sink);

    GstPad* lowres = gst_pad_new_from_static_template(&lowres_template, "lowres");
    gst_pad_set_chain_function(lowres, gst_patch_picker_lowres_chain);
    gst_pad_set_event_function(lowres, gst_patch_picker_lowres_event);
    gst_pad_set_query_function(lowres, gst_patch_picker_sink_query);
    gst_element_add_pad(GST_ELEMENT_CAST(self), lowres);

    GstPad* patches = gst_pad_new_from_static_template(&patches_template, "patches");
    gst_pad_set_event_function(patches, gst_patch_picker_patches_event);
    gst_pad_set_activatemode_function(patches, gst_patch_picker_patches_activate);
    gst_pad_use_fixed_caps(patches);
    self->picker = new Picker(GST_ELEMENT_CAST(self), sink, lowres, patches);
    gst_element_add_pad(GST_ELEMENT_CAST(self), patches);
}

namespace livesr::gst {

bool register_patch_picker(GstPlugin* plugin) {
    GST_DEBUG_CATEGORY_INIT(patch_picker_debug, "patchpicker", 0, "Patches of frames");
    return gst_element_register(plugin, "patchpicker", GST_RANK_NONE,
                                gst_patch_picker_get_type()) == TRUE;
}

Picker& picker_of(GstElement* patchpicker) { return *GST_PATCH_PICKER(patchpicker)->picker; }

}  // namespace livesr::gst
