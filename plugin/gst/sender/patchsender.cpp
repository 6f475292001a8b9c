/**
 * element-patchsender
 *
 * Full-resolution video in; low-resolution encoded video and patches out. What is inside is
 * SenderGraph's; the picker is always there and owns the conversation with the engine. Here are
 * pads, properties and states.
 */
#include "gst/sender/patchsender.h"

#include <mutex>
#include <stdexcept>
#include <string>

#include "gst/sender/patchpicker.h"
#include "gst/sender/sender_graph.h"

GST_DEBUG_CATEGORY(patch_sender_debug);
#define GST_CAT_DEFAULT patch_sender_debug

namespace {

using livesr::gst::GraphPlan;
using livesr::gst::Plan;
using livesr::gst::SenderGraph;
using livesr::gst::SenderSettings;

GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-raw"));
GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
GstStaticPadTemplate patches_template = GST_STATIC_PAD_TEMPLATE(
    "patches", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("meta/x-klv, parsed = (boolean) true"));

struct SenderState {
    SenderState(GstBin* bin, GstElement* p, GstPad* sink, GstPad* src, GstPad* patches)
        : picker(p), graph(bin, p, sink, src, patches) {
        wanted.encoder = livesr::gst::default_encoder;
    }

    GstElement* const picker;  // owned by the bin
    SenderGraph graph;
    std::mutex mutex;  // guards what the properties say
    GraphPlan wanted;

    // With the settings as picker and graph have to have them.
    GraphPlan plan() {
        const std::lock_guard lock(mutex);
        GraphPlan plan = wanted;
        plan.settings.unrelated_sizes = plan.width > 0 || plan.height > 0;
        plan.settings.encoder_outside = plan.encoder == livesr::gst::no_encoder;
        return plan;
    }
};

}  // namespace

struct _GstPatchSender {
    GstBin parent;
    SenderState* state;
};

typedef struct _GstPatchSender GstPatchSender;

typedef struct _GstPatchSenderClass {
    GstBinClass parent_class;
} GstPatchSenderClass;

#define gst_patch_sender_parent_class parent_class
G_DEFINE_TYPE(GstPatchSender, gst_patch_sender, GST_TYPE_BIN)

#define GST_PATCH_SENDER(object) (reinterpret_cast<GstPatchSender*>(object))

// Own properties follow those of the settings.
static guint encoder_id = 0;
static guint width_id = 0;
static guint height_id = 0;
static guint carriage_id = 0;

static GType carriage_type() {
    using livesr::gst::Carriage;
    static const GEnumValue values[] = {
        {static_cast<int>(Carriage::automatic),
         "Inside the pictures where the codec has a place for them (H.264, HEVC, AV1), else as KLV",
         "auto"},
        {static_cast<int>(Carriage::sei), "Inside the pictures: SEI, or metadata OBUs", "sei"},
        {static_cast<int>(Carriage::klv), "As a stream of their own, on the pad patches", "klv"},
        {static_cast<int>(Carriage::none), "Not at all", "none"},
        {0, nullptr, nullptr},
    };
    static const GType type = g_enum_register_static("LivesrCarriage", values);
    return type;
}

static GstStateChangeReturn gst_patch_sender_change_state(GstElement* element,
                                                          GstStateChange transition) {
    SenderState& state = *GST_PATCH_SENDER(element)->state;
    if (transition == GST_STATE_CHANGE_NULL_TO_READY) {
        const GraphPlan plan = state.plan();
        livesr::gst::picker_of(state.picker).configure(plan.settings);
        try {
            state.graph.build(plan);
        } catch (const std::runtime_error& error) {
            state.graph.take_down();
            GST_ELEMENT_ERROR(element, RESOURCE, SETTINGS, ("%s", error.what()), (nullptr));
            return GST_STATE_CHANGE_FAILURE;
        }
    }
    const GstStateChangeReturn result =
        GST_ELEMENT_CLASS(parent_class)->change_state(element, transition);
    if (transition == GST_STATE_CHANGE_READY_TO_NULL ||
        (transition == GST_STATE_CHANGE_NULL_TO_READY && result == GST_STATE_CHANGE_FAILURE)) {
        state.graph.take_down();
    }
    return result;
}

static void gst_patch_sender_handle_message(GstBin* bin, GstMessage* message) {
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR &&
        GST_PATCH_SENDER(bin)->state->graph.takes_error(message)) {
        gst_message_unref(message);
        return;
    }
    GST_BIN_CLASS(parent_class)->handle_message(bin, message);
}

static void gst_patch_sender_set_property(GObject* object, guint id, const GValue* value,
                                          GParamSpec* spec) {
    SenderState& state = *GST_PATCH_SENDER(object)->state;
    {
        const std::lock_guard lock(state.mutex);
        GraphPlan& wanted = state.wanted;
        if (id == encoder_id) {
            const char* text = g_value_get_string(value);
            wanted.encoder = text ? text : livesr::gst::default_encoder;
        } else if (id == width_id) {
            wanted.width = g_value_get_int(value);
        } else if (id == height_id) {
            wanted.height = g_value_get_int(value);
        } else if (id == carriage_id) {
            wanted.carriage = static_cast<livesr::gst::Carriage>(g_value_get_enum(value));
        } else if (!livesr::gst::set_setting(wanted.settings, id, value)) {
            G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
            return;
        }
    }
    // What may change while it runs.
    const SenderSettings settings = state.plan().settings;
    livesr::gst::picker_of(state.picker).configure(settings);
    state.graph.set_decoding(settings.patches);
}

static void gst_patch_sender_get_property(GObject* object, guint id, GValue* value,
                                          GParamSpec* spec) {
    SenderState& state = *GST_PATCH_SENDER(object)->state;
    livesr::gst::Picker& picker = livesr::gst::picker_of(state.picker);
    if (livesr::gst::is_stats(id)) {
        GstStructure* stats = gst_structure_new_empty("application/x-livesr-sender-stats");
        picker.add_stats(stats);
        gst_structure_set(stats, "decoder-frames-skipped", G_TYPE_UINT64,
                          static_cast<guint64>(state.graph.frames_skipped()),  //
                          "frames-left-out", G_TYPE_UINT64,
                          static_cast<guint64>(state.graph.frames_left_out()), nullptr);
        g_value_take_boxed(value, stats);
        return;
    }
    if (livesr::gst::get_plan(picker.session().plan(), id, value)) return;
    const std::lock_guard lock(state.mutex);
    const GraphPlan& wanted = state.wanted;
    if (id == encoder_id) {
        g_value_set_string(value, wanted.encoder.c_str());
    } else if (id == width_id) {
        g_value_set_int(value, wanted.width);
    } else if (id == height_id) {
        g_value_set_int(value, wanted.height);
    } else if (id == carriage_id) {
        g_value_set_enum(value, static_cast<int>(wanted.carriage));
    } else if (!livesr::gst::get_setting(wanted.settings, id, value)) {
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
}

static void gst_patch_sender_finalize(GObject* object) {
    delete GST_PATCH_SENDER(object)->state;
    G_OBJECT_CLASS(parent_class)->finalize(object);
}

static void install_own_properties(GObjectClass* object_class) {
    constexpr auto flags = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                    GST_PARAM_MUTABLE_READY);
    g_object_class_install_property(
        object_class, encoder_id,
        g_param_spec_string("encoder", "Encoder",
                            "Launch fragment of the encoder, whose bit rate follows the plan; none "
                            "gives the low-resolution picture out raw, for an encoder elsewhere "
                            "that follows the property video-bitrate",
                            livesr::gst::default_encoder, flags));
    const auto install_side = [&](guint id, const char* name, const char* nick, const char* blurb) {
        g_object_class_install_property(object_class, id,
                                        g_param_spec_int(name, nick, blurb, 0, 16384, 0, flags));
    };
    install_side(width_id, "width", "Width",
                 "Width of the sent picture (pixels; 0: from scale, or from height). Any size, but "
                 "then without patches");
    install_side(height_id, "height", "Height",
                 "Height of the sent picture (pixels; 0: from scale, or from width). Any size, but "
                 "then without patches");
    g_object_class_install_property(
        object_class, carriage_id,
        g_param_spec_enum("carriage", "Carriage", "How patches travel to the receiver",
                          carriage_type(), static_cast<int>(livesr::gst::Carriage::automatic),
                          flags));
}

static void gst_patch_sender_class_init(GstPatchSenderClass* klass) {
    GObjectClass* object_class = G_OBJECT_CLASS(klass);
    object_class->set_property = gst_patch_sender_set_property;
    object_class->get_property = gst_patch_sender_get_property;
    object_class->finalize = gst_patch_sender_finalize;
    encoder_id = livesr::gst::install_settings(object_class);
    width_id = encoder_id + 1;
    height_id = encoder_id + 2;
    carriage_id = encoder_id + 3;
    install_own_properties(object_class);

    GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
    element_class->change_state = gst_patch_sender_change_state;
    gst_element_class_add_static_pad_template(element_class, &sink_template);
    gst_element_class_add_static_pad_template(element_class, &src_template);
    gst_element_class_add_static_pad_template(element_class, &patches_template);
    static const std::string description =
        std::string(
            "Sends video at a fraction of its size, and pieces of it at full quality from "
            "which srenhancer learns at the other end. Example: ") +
        livesr::gst::sender_example;
    gst_element_class_set_static_metadata(element_class, "Patch sender", "Codec/Encoder/Video",
                                          description.c_str(), "livesr");
    GST_BIN_CLASS(klass)->handle_message = gst_patch_sender_handle_message;
}

static GstPad* add_ghost(GstPatchSender* self, const char* name,
                         GstStaticPadTemplate* pad_template) {
    GstPadTemplate* made = gst_static_pad_template_get(pad_template);
    GstPad* pad = gst_ghost_pad_new_no_target_from_template(name, made);
    gst_object_unref(made);
    gst_element_add_pad(GST_ELEMENT_CAST(self), pad);
    return pad;
}

static void gst_patch_sender_init(GstPatchSender* self) {
    auto* picker =
        GST_ELEMENT_CAST(g_object_new(gst_patch_picker_get_type(), "name", "picker", nullptr));
    gst_bin_add(GST_BIN(self), picker);
    GstPad* sink = add_ghost(self, "sink", &sink_template);
    GstPad* src = add_ghost(self, "src", &src_template);
    GstPad* patches = add_ghost(self, "patches", &patches_template);
    GstPad* target = gst_element_get_static_pad(picker, "patches");
    gst_ghost_pad_set_target(GST_GHOST_PAD(patches), target);
    gst_object_unref(target);

    self->state = new SenderState(GST_BIN(self), picker, sink, src, patches);
    livesr::gst::picker_of(picker).watch_plan([self](const Plan& plan) {
        self->state->graph.set_video_bitrate(plan.encoder_bitrate_bps);
        g_object_notify(G_OBJECT(self), "video-bitrate");
    });
}

namespace livesr::gst {

bool register_patch_sender(GstPlugin* plugin) {
    GST_DEBUG_CATEGORY_INIT(patch_sender_debug, "patchsender", 0, "Low resolution and patches");
    return gst_element_register(plugin, "patchsender", GST_RANK_NONE,
                                gst_patch_sender_get_type()) == TRUE;
}

}  // namespace livesr::gst
