/**
 * element-patchsender
 *
 *   sink ─ videoconvert ─ tee ┬──────────────────────────────────────── picker.sink ┐
 *                             └ scaler ─ encoder ─ tee ┬ side branch ─ decoder ─ picker.lowres
 *                                                      └ src                        └ patches
 *
 * Built when it leaves NULL, from the properties as they then are; the picker is always there and
 * owns the conversation with the engine. In lockstep there is no queue: source, encoder, decoder
 * and picker share one thread, so that decisions fall in one order. Else the decoder has a thread
 * of its own.
 */
#include "gst/sender/patchsender.h"

#include <mutex>
#include <string>

#include "gst/sender/encoder.h"
#include "gst/sender/lowres_scaler.h"
#include "gst/sender/patchpicker.h"
#include "gst/sender/side_branch.h"

GST_DEBUG_CATEGORY_STATIC(patch_sender_debug);
#define GST_CAT_DEFAULT patch_sender_debug

namespace {

using livesr::gst::BitrateControl;
using livesr::gst::Plan;
using livesr::gst::SenderSettings;

// One thread: a low-resolution picture needs no more, and slices cost bits. The rate control's
// buffer follows the bit rate: 600 ms of it give 0.3-0.7 dB over 400 (three 720p clips, x2, 550
// kbit/s), and still let it follow a change within a second or so.
constexpr const char* default_encoder =
    "x264enc tune=zerolatency speed-preset=veryfast threads=1 key-int-max=60 vbv-buf-capacity=600";
constexpr const char* no_encoder = "none";

constexpr const char* example =
    "gst-launch-1.0 filesrc location=clip.mp4 ! decodebin ! videoconvert ! clocksync ! patchsender "
    "name=s scale=2 max-bitrate=600000 patch-bitrate=50000 s.src ! h264parse ! queue ! mpegtsmux "
    "name=m alignment=7 ! srtsink uri=srt://127.0.0.1:7001 s.patches ! queue ! m.";

GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-raw"));
GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
GstStaticPadTemplate patches_template = GST_STATIC_PAD_TEMPLATE(
    "patches", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("meta/x-klv, parsed = (boolean) true"));

struct SenderState {
    GstElement* picker = nullptr;  // owned by the bin
    GstPad* sink = nullptr;
    GstPad* src = nullptr;
    GstPad* patches = nullptr;

    std::mutex mutex;  // guards all below
    SenderSettings settings;
    std::string encoder = default_encoder;
    int width = 0;
    int height = 0;
    // While built:
    std::vector<GstElement*> built;  // owned by the bin
    GstElement* side_branch = nullptr;
    GstElement* decoder_bin = nullptr;
    BitrateControl control;  // encoder is a reference of ours
    bool told_unlinked = false;
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

namespace {

// Own properties follow those of the settings.
guint encoder_id = 0;
guint width_id = 0;
guint height_id = 0;

// The settings as the picker has to have them.
SenderSettings picker_settings(const SenderState& state) {
    SenderSettings settings = state.settings;
    settings.unrelated_sizes = state.width > 0 || state.height > 0;
    return settings;
}

void apply_plan(GstPatchSender* self, const Plan& plan) {
    SenderState& state = *self->state;
    BitrateControl control;
    {
        const std::lock_guard lock(state.mutex);
        control = state.control;
        if (control.encoder) gst_object_ref(control.encoder);
    }
    if (control.encoder) {
        GST_DEBUG_OBJECT(self, "video gets %u bit/s", plan.video_bitrate_bps);
        livesr::gst::set_bitrate(control, plan.video_bitrate_bps);
        gst_object_unref(control.encoder);
    }
    g_object_notify(G_OBJECT(self), "video-bitrate");
}

gsize size_of(const GstPadProbeInfo* info) {
    if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
        return gst_buffer_get_size(GST_PAD_PROBE_INFO_BUFFER(info));
    }
    return gst_buffer_list_calculate_size(GST_PAD_PROBE_INFO_BUFFER_LIST(info));
}

GstPadProbeReturn on_encoded(GstPad*, GstPadProbeInfo* info, gpointer data) {
    GstPatchSender* self = GST_PATCH_SENDER(data);
    SenderState& state = *self->state;
    livesr::gst::session_of(state.picker).add_video_bytes(size_of(info));
    return GST_PAD_PROBE_OK;
}

// With nothing linked there is no work to do, and whoever built the pipeline has made a mistake.
GstPadProbeReturn check_links(GstPad*, GstPadProbeInfo* info, gpointer data) {
    GstPatchSender* self = GST_PATCH_SENDER(data);
    SenderState& state = *self->state;
    if (gst_pad_is_linked(state.src) || gst_pad_is_linked(state.patches)) return GST_PAD_PROBE_OK;
    bool tell = false;
    {
        const std::lock_guard lock(state.mutex);
        tell = !std::exchange(state.told_unlinked, true);
    }
    if (tell) {
        GST_ELEMENT_ERROR(
            self, STREAM, FAILED,
            ("Neither src nor patches is linked: link them to a multiplexer, as in: %s", example),
            (nullptr));
    }
    gst_mini_object_unref(GST_MINI_OBJECT_CAST(GST_PAD_PROBE_INFO_DATA(info)));
    GST_PAD_PROBE_INFO_DATA(info) = nullptr;
    GST_PAD_PROBE_INFO_FLOW_RETURN(info) = GST_FLOW_NOT_LINKED;
    return GST_PAD_PROBE_HANDLED;
}

GstElement* make(const char* factory) {
    GstElement* element = gst_element_factory_make(factory, nullptr);
    if (!element) {
        throw std::runtime_error(std::string("There is no element ") + factory +
                                 ": install GStreamer's base plugins (gstreamer1.0-plugins-base)");
    }
    return element;
}

// A bin with one sink and one src pad out of a launch fragment. With something behind it the
// fragment may end in caps.
GstElement* parse_fragment(const std::string& fragment, const std::string& remedy) {
    GError* error = nullptr;
    GstElement* bin = gst_parse_bin_from_description_full(
        (fragment + " ! identity silent=true").c_str(), TRUE, nullptr,
        static_cast<GstParseFlags>(GST_PARSE_FLAG_FATAL_ERRORS |
                                   GST_PARSE_FLAG_NO_SINGLE_ELEMENT_BINS),
        &error);
    std::string why = error ? error->message : "";
    g_clear_error(&error);
    if (bin) {
        GstPad* sink = gst_element_get_static_pad(bin, "sink");
        GstPad* src = gst_element_get_static_pad(bin, "src");
        if (!sink || !src) why = "it has not one free sink pad and one free source pad";
        gst_clear_object(&sink);
        gst_clear_object(&src);
        if (why.empty()) {
            gst_object_set_name(GST_OBJECT_CAST(bin), "encoder");
            return bin;
        }
        gst_object_unref(gst_object_ref_sink(bin));
    }
    throw std::runtime_error("\"" + fragment + "\" cannot be used: " + why + ". " + remedy);
}

GstCaps* output_caps(GstElement* element) {
    GstPad* pad = gst_element_get_static_pad(element, "src");
    GstCaps* caps = gst_pad_query_caps(pad, nullptr);
    gst_object_unref(pad);
    return caps;
}

// The bin takes part in what is built, and gives it back in take_down().
void add(GstPatchSender* self, GstElement* element) {
    gst_bin_add(GST_BIN(self), element);
    self->state->built.push_back(element);
}

void link(GstElement* from, const char* from_pad, GstElement* to, const char* to_pad) {
    if (gst_element_link_pads(from, from_pad, to, to_pad)) return;
    throw std::runtime_error(std::string("Cannot link ") + GST_OBJECT_NAME(from) + " to " +
                             GST_OBJECT_NAME(to) +
                             ": set encoder to one that takes I420 and gives out one video stream");
}

void probe(GstElement* element, const char* pad_name, GstPadProbeCallback callback,
           GstPatchSender* self) {
    GstPad* pad = gst_element_get_static_pad(element, pad_name);
    gst_pad_add_probe(
        pad,
        static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
        callback, self, nullptr);
    gst_object_unref(pad);
}

void set_target(GstPad* ghost, GstElement* element, const char* pad_name) {
    GstPad* pad = gst_element_get_static_pad(element, pad_name);
    if (!pad) pad = gst_element_request_pad_simple(element, pad_name);
    gst_ghost_pad_set_target(GST_GHOST_PAD(ghost), pad);
    gst_object_unref(pad);
}

// Decodes what `coded` gives out (raw video when null); null when nothing here can.
GstElement* make_decoder(GstPatchSender* self, GstElement* coded, bool lockstep) {
    std::string fragment = lockstep ? "identity silent=true"
                                    : "queue name=room max-size-buffers=0 max-size-bytes=0 "
                                      "max-size-time=0";
    if (coded) {
        GstCaps* caps = output_caps(coded);
        const std::string decoder = livesr::gst::decoder_for(caps);
        gchar* text = gst_caps_to_string(caps);
        const std::string what = text;
        g_free(text);
        gst_caps_unref(caps);
        if (decoder.empty()) {
            GST_ELEMENT_WARNING(self, STREAM, CODEC_NOT_FOUND,
                                ("No patches, video goes on: there is no decoder for %s. Install "
                                 "gstreamer1.0-libav",
                                 what.c_str()),
                                (nullptr));
            return nullptr;
        }
        fragment += " ! " + decoder + " ! videoconvert";
    }
    GError* error = nullptr;
    GstElement* bin = gst_parse_bin_from_description(fragment.c_str(), TRUE, &error);
    if (bin) return bin;
    const std::string why = error->message;
    g_error_free(error);
    throw std::runtime_error("\"" + fragment + "\" cannot be used: " + why + ". Set patches=off");
}

// The way from what is sent to the picker's pad for decoded pictures.
bool build_decoder_branch(GstPatchSender* self, GstElement* tee, GstElement* coded, bool lockstep) {
    SenderState& state = *self->state;
    GstElement* const decoder = make_decoder(self, coded, lockstep);
    if (!decoder) return false;
    gst_object_set_name(GST_OBJECT_CAST(decoder), "decoder");
    add(self, decoder);
    GstElement* const branch = livesr::gst::make_side_branch([self] {
        GST_ELEMENT_WARNING(
            self, STREAM, DECODE,
            ("No patches any more, video goes on: the sender cannot decode its own stream"),
            (nullptr));
        livesr::gst::set_lowres_expected(self->state->picker, false);
    });
    add(self, branch);
    link(tee, "src_%u", branch, "sink");
    link(branch, "src", decoder, "sink");
    link(decoder, "src", state.picker, "lowres");
    if (GstElement* room = gst_bin_get_by_name(GST_BIN(decoder), "room")) {
        livesr::gst::set_branch_queue(branch, room);
        gst_object_unref(room);
    }
    const std::lock_guard lock(state.mutex);
    state.side_branch = branch;
    state.decoder_bin = decoder;
    return true;
}

void build(GstPatchSender* self) {
    SenderState& state = *self->state;
    SenderSettings settings;
    std::string encoder;
    {
        const std::lock_guard lock(state.mutex);
        settings = picker_settings(state);
        encoder = state.encoder;
    }
    GstElement* const convert = make("videoconvert");
    add(self, convert);
    GstElement* const format = make("capsfilter");
    add(self, format);
    GstCaps* i420 = gst_caps_from_string("video/x-raw, format = I420");
    g_object_set(format, "caps", i420, nullptr);
    gst_caps_unref(i420);
    GstElement* const raw_tee = make("tee");
    add(self, raw_tee);
    GstElement* const scaler = livesr::gst::make_lowres_scaler();
    livesr::gst::configure_lowres_scaler(scaler, settings.scale, state.width, state.height);
    add(self, scaler);
    GstElement* const out_tee = make("tee");
    add(self, out_tee);

    link(convert, "src", format, "sink");
    link(format, "src", raw_tee, "sink");
    // A tee serves its pads in the order in which they were made: the picker has a frame before its
    // encoder, and the decoder what was encoded before the network.
    link(raw_tee, "src_%u", state.picker, "sink");
    link(raw_tee, "src_%u", scaler, "sink");
    GstElement* coded = nullptr;
    if (encoder == no_encoder) {
        link(scaler, "src", out_tee, "sink");
    } else {
        coded = parse_fragment(encoder, std::string("Set encoder to a launch fragment such as \"") +
                                            default_encoder +
                                            "\" (gstreamer1.0-plugins-ugly), or to none");
        add(self, coded);
        link(scaler, "src", coded, "sink");
        link(coded, "src", out_tee, "sink");
        probe(coded, "src", on_encoded, self);
        const std::lock_guard lock(state.mutex);
        if (const auto control = livesr::gst::find_bitrate_control(coded)) {
            state.control = *control;
            gst_object_ref(control->encoder);
        }
    }
    probe(out_tee, "sink", check_links, self);
    if (coded && !state.control.encoder) {
        GST_ELEMENT_WARNING(self, RESOURCE, SETTINGS,
                            ("The bit rate of \"%s\" is not ours to set: it must keep to "
                             "max-bitrate by itself, or follow the property video-bitrate",
                             encoder.c_str()),
                            (nullptr));
    }
    const bool decodes =
        settings.sends_patches() && build_decoder_branch(self, out_tee, coded, settings.lockstep);
    livesr::gst::set_lowres_expected(state.picker, decodes);
    livesr::gst::configure_picker(state.picker, settings);
    set_target(state.sink, convert, "sink");
    set_target(state.src, out_tee, "src_%u");
}

void take_down(GstPatchSender* self) {
    SenderState& state = *self->state;
    gst_ghost_pad_set_target(GST_GHOST_PAD(state.sink), nullptr);
    gst_ghost_pad_set_target(GST_GHOST_PAD(state.src), nullptr);
    std::vector<GstElement*> built;
    {
        const std::lock_guard lock(state.mutex);
        built.swap(state.built);
        gst_clear_object(&state.control.encoder);
        state.side_branch = state.decoder_bin = nullptr;
        state.told_unlinked = false;
    }
    for (GstElement* element : built) {
        gst_element_set_state(element, GST_STATE_NULL);
        gst_bin_remove(GST_BIN(self), element);
    }
}

}  // namespace

static GstStateChangeReturn gst_patch_sender_change_state(GstElement* element,
                                                          GstStateChange transition) {
    GstPatchSender* self = GST_PATCH_SENDER(element);
    if (transition == GST_STATE_CHANGE_NULL_TO_READY) {
        try {
            build(self);
        } catch (const std::exception& error) {
            take_down(self);
            GST_ELEMENT_ERROR(self, RESOURCE, SETTINGS, ("%s", error.what()), (nullptr));
            return GST_STATE_CHANGE_FAILURE;
        }
    }
    const GstStateChangeReturn result =
        GST_ELEMENT_CLASS(parent_class)->change_state(element, transition);
    if (transition == GST_STATE_CHANGE_READY_TO_NULL ||
        (transition == GST_STATE_CHANGE_NULL_TO_READY && result == GST_STATE_CHANGE_FAILURE)) {
        take_down(self);
    }
    return result;
}

// What breaks in the decoder's branch costs patches, not the stream.
static void gst_patch_sender_handle_message(GstBin* bin, GstMessage* message) {
    SenderState& state = *GST_PATCH_SENDER(bin)->state;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
        GstElement* branch = nullptr;
        {
            const std::lock_guard lock(state.mutex);
            if (state.decoder_bin &&
                gst_object_has_as_ancestor(GST_MESSAGE_SRC(message),
                                           GST_OBJECT_CAST(state.decoder_bin))) {
                branch = GST_ELEMENT_CAST(gst_object_ref(state.side_branch));
            }
        }
        if (branch) {
            GST_WARNING_OBJECT(bin, "decoder branch: %" GST_PTR_FORMAT,
                               static_cast<void*>(message));
            gst_message_unref(message);
            livesr::gst::fail_branch(branch);
            gst_object_unref(branch);
            return;
        }
    }
    GST_BIN_CLASS(parent_class)->handle_message(bin, message);
}

static void gst_patch_sender_set_property(GObject* object, guint id, const GValue* value,
                                          GParamSpec* spec) {
    SenderState& state = *GST_PATCH_SENDER(object)->state;
    SenderSettings settings;
    {
        const std::lock_guard lock(state.mutex);
        if (id == encoder_id) {
            const char* text = g_value_get_string(value);
            state.encoder = text ? text : default_encoder;
            return;
        }
        if (id == width_id) {
            state.width = g_value_get_int(value);
            return;
        }
        if (id == height_id) {
            state.height = g_value_get_int(value);
            return;
        }
        if (!livesr::gst::set_setting(state.settings, id, value)) {
            G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
            return;
        }
        settings = picker_settings(state);
    }
    livesr::gst::configure_picker(state.picker, settings);
}

static void gst_patch_sender_get_property(GObject* object, guint id, GValue* value,
                                          GParamSpec* spec) {
    SenderState& state = *GST_PATCH_SENDER(object)->state;
    if (livesr::gst::is_stats(id)) {
        GstStructure* stats = nullptr;
        g_object_get(state.picker, "stats", &stats, nullptr);
        const std::lock_guard lock(state.mutex);
        const guint64 skipped =
            state.side_branch ? livesr::gst::frames_skipped(state.side_branch) : 0;
        gst_structure_set(stats, "decoder-frames-skipped", G_TYPE_UINT64, skipped, nullptr);
        g_value_take_boxed(value, stats);
        return;
    }
    if (livesr::gst::get_plan(livesr::gst::session_of(state.picker).plan(), id, value)) return;
    const std::lock_guard lock(state.mutex);
    if (id == encoder_id) {
        g_value_set_string(value, state.encoder.c_str());
    } else if (id == width_id) {
        g_value_set_int(value, state.width);
    } else if (id == height_id) {
        g_value_set_int(value, state.height);
    } else if (!livesr::gst::get_setting(state.settings, id, value)) {
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
}

static void gst_patch_sender_finalize(GObject* object) {
    delete GST_PATCH_SENDER(object)->state;
    G_OBJECT_CLASS(parent_class)->finalize(object);
}

static void gst_patch_sender_class_init(GstPatchSenderClass* klass) {
    GObjectClass* object_class = G_OBJECT_CLASS(klass);
    object_class->set_property = gst_patch_sender_set_property;
    object_class->get_property = gst_patch_sender_get_property;
    object_class->finalize = gst_patch_sender_finalize;
    encoder_id = livesr::gst::install_settings(object_class);
    width_id = encoder_id + 1;
    height_id = encoder_id + 2;
    constexpr auto flags = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                    GST_PARAM_MUTABLE_READY);
    g_object_class_install_property(
        object_class, encoder_id,
        g_param_spec_string("encoder", "Encoder",
                            "Launch fragment of the encoder, whose bit rate follows the plan; none "
                            "gives the low-resolution picture out raw, for an encoder elsewhere "
                            "that follows the property video-bitrate",
                            default_encoder, flags));
    g_object_class_install_property(
        object_class, width_id,
        g_param_spec_int("width", "Width",
                         "Width of the sent picture (pixels; 0: from scale, or from height). Any "
                         "size, but then without patches",
                         0, 16384, 0, flags));
    g_object_class_install_property(
        object_class, height_id,
        g_param_spec_int("height", "Height",
                         "Height of the sent picture (pixels; 0: from scale, or from width). Any "
                         "size, but then without patches",
                         0, 16384, 0, flags));

    GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
    element_class->change_state = gst_patch_sender_change_state;
    gst_element_class_add_static_pad_template(element_class, &sink_template);
    gst_element_class_add_static_pad_template(element_class, &src_template);
    gst_element_class_add_static_pad_template(element_class, &patches_template);
    static const std::string description =
        std::string(
            "Sends video at a fraction of its size, and pieces of it at full quality from "
            "which srenhancer learns at the other end. Example: ") +
        example;
    gst_element_class_set_static_metadata(element_class, "Patch sender", "Codec/Encoder/Video",
                                          description.c_str(), "livesr");
    GST_BIN_CLASS(klass)->handle_message = gst_patch_sender_handle_message;
}

static void gst_patch_sender_init(GstPatchSender* self) {
    self->state = new SenderState();
    SenderState& state = *self->state;
    state.picker =
        GST_ELEMENT_CAST(g_object_new(gst_patch_picker_get_type(), "name", "picker", nullptr));
    gst_bin_add(GST_BIN(self), state.picker);
    livesr::gst::watch_plan(state.picker, [self](const Plan& plan) { apply_plan(self, plan); });

    const auto add_ghost = [self](const char* name, GstStaticPadTemplate* pad_template) {
        GstPadTemplate* made = gst_static_pad_template_get(pad_template);
        GstPad* pad = gst_ghost_pad_new_no_target_from_template(name, made);
        gst_object_unref(made);
        gst_element_add_pad(GST_ELEMENT_CAST(self), pad);
        return pad;
    };
    state.sink = add_ghost("sink", &sink_template);
    state.src = add_ghost("src", &src_template);
    state.patches = add_ghost("patches", &patches_template);
    set_target(state.patches, state.picker, "patches");
}

namespace livesr::gst {

bool register_patch_sender(GstPlugin* plugin) {
    GST_DEBUG_CATEGORY_INIT(patch_sender_debug, "patchsender", 0, "Low resolution and patches");
    return gst_element_register(plugin, "patchsender", GST_RANK_NONE,
                                gst_patch_sender_get_type()) == TRUE;
}

}  // namespace livesr::gst
