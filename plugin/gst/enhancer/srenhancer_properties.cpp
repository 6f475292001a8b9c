// Properties of srenhancer.
#include <string>

#include "gst/enhancer/srenhancer.h"

namespace livesr::gst {
namespace {

enum Property {
    prop_0,
    prop_scale,
    prop_model,
    prop_stream_key,
    prop_model_store,
    prop_feedback_listen,
    prop_feedback_certificate,
    prop_token,
    prop_tokens_file,
    prop_training,
    prop_threads,
    prop_max_latency,
    prop_max_width,
    prop_max_height,
    prop_backend,
    prop_engine,
    prop_lockstep,
    prop_training_steps_per_second,
    prop_training_threads,
    prop_texture_memory,
    prop_seed,
    prop_gain_db,
    prop_training_state,
    prop_model_in_use,
    prop_stats,
    prop_count
};

GParamSpec* properties[prop_count];

enum Training {
    training_adaptive,
    training_continuous,
    training_once,
    training_early_stop,
    training_off
};
enum Backend { backend_auto, backend_cpu };

constexpr int default_scale = 0;
constexpr const char* default_model = "generic";
constexpr const char* default_engine = "auto";

GType training_type() {
    static const GEnumValue values[] = {
        {training_adaptive, "Train while that gains and after scene changes", "adaptive"},
        {training_continuous, "Train all the time, as patches come", "continuous"},
        {training_once, "Train over the first minute only, for comparison", "once"},
        {training_early_stop, "Train until the gain first saturates, for comparison", "early-stop"},
        {training_off, "Run the model as it is; no engine", "off"},
        {0, nullptr, nullptr}};
    static const GType type = g_enum_register_static("GstSrEnhancerTraining", values);
    return type;
}

// As the channel has it.
std::string training_name(int value) {
    auto* values = static_cast<GEnumClass*>(g_type_class_ref(training_type()));
    const std::string name = g_enum_get_value(values, value)->value_nick;
    g_type_class_unref(values);
    return name;
}

int training_value(const std::string& name) {
    auto* values = static_cast<GEnumClass*>(g_type_class_ref(training_type()));
    const int value = g_enum_get_value_by_nick(values, name.c_str())->value;
    g_type_class_unref(values);
    return value;
}

GType scale_type() {
    static const GEnumValue values[] = {
        {0, "As the sender sends, also when it changes; twice where none says", "auto"},
        {2, "Twice", "2"},
        {3, "Three times", "3"},
        {4, "Four times", "4"},
        {0, nullptr, nullptr}};
    static const GType type = g_enum_register_static("GstSrEnhancerScale", values);
    return type;
}

GType backend_type() {
    static const GEnumValue values[] = {{backend_auto, "The best that this machine has", "auto"},
                                        {backend_cpu, "Processor", "cpu"},
                                        {0, nullptr, nullptr}};
    static const GType type = g_enum_register_static("GstSrEnhancerBackend", values);
    return type;
}

std::string text_of(const GValue* value, const char* fallback) {
    const char* text = g_value_get_string(value);
    return text != nullptr ? text : fallback;
}

void set_property(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
    GstSrEnhancer* self = GST_SR_ENHANCER(object);
    GST_OBJECT_LOCK(self);
    EnhancerSettings& settings = *self->settings;
    switch (id) {
        case prop_scale:
            settings.scale = livesr::scale_of_code(g_value_get_enum(value));
            break;
        case prop_model:
            settings.model = text_of(value, default_model);
            break;
        case prop_stream_key:
            settings.stream_key = text_of(value, "");
            break;
        case prop_model_store:
            settings.model_store = text_of(value, "");
            break;
        case prop_feedback_listen:
            settings.feedback_listen = text_of(value, "");
            break;
        case prop_feedback_certificate:
            settings.feedback_certificate = text_of(value, "");
            break;
        case prop_token:
            settings.token = text_of(value, "");
            break;
        case prop_tokens_file:
            settings.tokens_file = text_of(value, "");
            break;
        case prop_training:
            settings.training = training_name(g_value_get_enum(value));
            break;
        case prop_threads:
            settings.threads = g_value_get_int(value);
            break;
        case prop_max_latency:
            settings.max_latency_ms = g_value_get_uint(value);
            break;
        case prop_max_width:
            settings.limits.width = g_value_get_int(value);
            break;
        case prop_max_height:
            settings.limits.height = g_value_get_int(value);
            break;
        case prop_backend:
            self->backend = static_cast<Backend>(g_value_get_enum(value));
            break;
        case prop_engine:
            settings.engine = text_of(value, default_engine);
            break;
        case prop_lockstep:
            settings.lockstep = g_value_get_boolean(value) != FALSE;
            break;
        case prop_training_steps_per_second:
            settings.training_steps_per_second = g_value_get_double(value);
            break;
        case prop_training_threads:
            settings.training_threads = g_value_get_int(value);
            break;
        case prop_texture_memory:
            settings.texture_memory = g_value_get_boolean(value) != FALSE;
            break;
        case prop_seed:
            settings.seed = g_value_get_uint(value);
            break;
        default:
            G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
    GST_OBJECT_UNLOCK(self);
}

void get_read_only(GstSrEnhancer* self, guint id, GValue* value) {
    const auto enhancer = running(self);
    switch (id) {
        case prop_gain_db:
            g_value_set_double(value, enhancer ? enhancer->gain_db() : 0.0);
            break;
        case prop_training_state:
            g_value_set_string(value, enhancer ? enhancer->training_state().c_str() : "off");
            break;
        case prop_model_in_use:
            g_value_set_string(value, enhancer ? enhancer->model_in_use().c_str() : "bicubic");
            break;
        case prop_stats:
            g_value_take_boxed(
                value, enhancer ? enhancer->stats()
                                : gst_structure_new_empty("application/x-srenhancer-stats"));
            break;
        default:
            break;
    }
}

void get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
    GstSrEnhancer* self = GST_SR_ENHANCER(object);
    if (id >= prop_gain_db && id <= prop_stats) return get_read_only(self, id, value);
    GST_OBJECT_LOCK(self);
    const EnhancerSettings& settings = *self->settings;
    switch (id) {
        case prop_scale:
            g_value_set_enum(value, settings.scale.code());
            break;
        case prop_model:
            g_value_set_string(value, settings.model.c_str());
            break;
        case prop_model_store:
            g_value_set_string(value, settings.model_store.c_str());
            break;
        case prop_feedback_listen:
            g_value_set_string(value, settings.feedback_listen.c_str());
            break;
        case prop_feedback_certificate:
            g_value_set_string(value, settings.feedback_certificate.c_str());
            break;
        case prop_tokens_file:
            g_value_set_string(value, settings.tokens_file.c_str());
            break;
        case prop_training:
            g_value_set_enum(value, training_value(settings.training));
            break;
        case prop_threads:
            g_value_set_int(value, settings.threads);
            break;
        case prop_max_latency:
            g_value_set_uint(value, static_cast<guint>(settings.max_latency_ms));
            break;
        case prop_max_width:
            g_value_set_int(value, settings.limits.width);
            break;
        case prop_max_height:
            g_value_set_int(value, settings.limits.height);
            break;
        case prop_backend:
            g_value_set_enum(value, self->backend);
            break;
        case prop_engine:
            g_value_set_string(value, settings.engine.c_str());
            break;
        case prop_lockstep:
            g_value_set_boolean(value, settings.lockstep);
            break;
        case prop_training_steps_per_second:
            g_value_set_double(value, settings.training_steps_per_second);
            break;
        case prop_training_threads:
            g_value_set_int(value, settings.training_threads);
            break;
        case prop_texture_memory:
            g_value_set_boolean(value, settings.texture_memory ? TRUE : FALSE);
            break;
        case prop_seed:
            g_value_set_uint(value, settings.seed);
            break;
        default:
            G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
    GST_OBJECT_UNLOCK(self);
}

}  // namespace

void install_properties(GObjectClass* object_class) {
    const auto ready = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                GST_PARAM_MUTABLE_READY);
    // Not shown by gst-launch-1.0 -v, nor by anything else that prints what it can read.
    const auto secret = static_cast<GParamFlags>(G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS |
                                                 GST_PARAM_MUTABLE_READY);
    const auto read_only = static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
    properties[prop_scale] = g_param_spec_enum(
        "scale", "Scale",
        "How many times wider and higher the picture becomes. auto: as large as the sender's was, "
        "whatever it sends, and the output keeps its caps when that changes; the others are for "
        "senders that keep to one scale",
        scale_type(), default_scale, ready);
    properties[prop_model] = g_param_spec_string(
        "model", "Model",
        "Weights to begin with: generic (generic-x<scale>.onnx beside the plugin or in "
        "$LIVESR_MODELS), small (generic-x<scale>-small.onnx: less than half of the time; "
        "livesr doctor --calibrate says which fits), bicubic (none), or the path of an ONNX file "
        "of livesr pretrain",
        default_model, ready);
    properties[prop_stream_key] = g_param_spec_string(
        "stream-key", "Stream key",
        "Name of the stream, as its senders say it: what the model store keeps its weights under "
        "and what a token opens; empty: $LIVESR_STREAM_KEY. Can be written only, like token",
        "", secret);
    properties[prop_feedback_listen] = g_param_spec_string(
        "feedback-listen", "Feedback address",
        "ADDRESS:PORT on which the engine tells senders what their patches bring (a WebSocket; "
        "patchsender's feedback-uri); empty: nowhere",
        "", ready);
    properties[prop_feedback_certificate] = g_param_spec_string(
        "feedback-certificate", "Feedback certificate",
        "PEM file with certificate and private key, for feedback by TLS (wss); empty: without", "",
        ready);
    properties[prop_token] = g_param_spec_string(
        "token", "Token",
        "Secret that the senders of this stream must know to get feedback and to send patches over "
        "it; empty: $LIVESR_TOKEN, and without that everybody hears, and no patches are taken. "
        "Everybody on a machine can read a command line: prefer the variable or tokens-file",
        "", secret);
    properties[prop_tokens_file] = g_param_spec_string(
        "tokens-file", "Tokens file",
        "File with the tokens of many streams: lines of stream key and token, or a JSON object; "
        "read again when it changes. A stream without an entry lets no sender in. Counts instead "
        "of token; only its owner should be able to read it",
        "", ready);
    properties[prop_model_store] = g_param_spec_string(
        "model-store", "Model store",
        "Folder that keeps what was learned of each stream key for its next session; made when it "
        "is not there. Empty: nothing is kept",
        "", ready);
    properties[prop_training] =
        g_param_spec_enum("training", "Training", "When to train on the patches that come",
                          training_type(), training_adaptive, ready);
    properties[prop_threads] =
        g_param_spec_int("threads", "Threads", "Threads that work on one picture", 1, 64, 1, ready);
    properties[prop_max_latency] = g_param_spec_uint(
        "max-latency", "Most latency",
        "The longest (ms) that a frame may stay in the element: one that would stay longer is "
        "enlarged by bicubic. 0: a frame time in a live pipeline, no limit in others",
        0, 10000, 0, ready);
    properties[prop_max_width] =
        g_param_spec_int("max-width", "Maximum width",
                         "Width (pixels) that the output does not exceed. Sizes that a sender "
                         "announces and pictures "
                         "that would become wider are refused, with a warning",
                         16, 32768, livesr::gst::SizeLimits{}.width, ready);
    properties[prop_max_height] = g_param_spec_int(
        "max-height", "Maximum height", "Height (pixels) that the output does not exceed", 16,
        32768, livesr::gst::SizeLimits{}.height, ready);
    properties[prop_backend] = g_param_spec_enum("backend", "Backend", "What computes the picture",
                                                 backend_type(), backend_auto, ready);
    properties[prop_engine] = g_param_spec_string(
        "engine", "Engine",
        "The process that trains: auto (started as a child: node, or $LIVESR_NODE), off (none: "
        "bicubic), or unix:PATH (a running one)",
        default_engine, ready);
    properties[prop_lockstep] = g_param_spec_boolean(
        "lockstep", "Lockstep",
        "Wait for patches and engine at every decision point, so that a run gives the same result "
        "on any machine; not for live streams",
        FALSE, ready);
    properties[prop_training_steps_per_second] =
        g_param_spec_double("training-steps-per-second", "Training steps per second",
                            "Training steps for every second of media; 0: as fast as one core goes",
                            0.0, 1e6, 0.0, ready);
    properties[prop_texture_memory] = g_param_spec_boolean(
        "texture-memory", "Texture memory",
        "Put detail that came as a patch back wherever the picture shows the same again", TRUE,
        ready);
    properties[prop_training_threads] = g_param_spec_int(
        "training-threads", "Training threads",
        "Threads that share a training step; more than one pays where cores are idle", 1, 64, 1,
        ready);
    properties[prop_seed] = g_param_spec_uint(
        "seed", "Seed", "Seed of everything that training draws", 0, G_MAXUINT, 0, ready);
    properties[prop_gain_db] = g_param_spec_double(
        "gain-db", "Gain",
        "Gain of the weights in use over bicubic, dB of luma, on patches held out of training",
        -G_MAXDOUBLE, G_MAXDOUBLE, 0.0, read_only);
    properties[prop_training_state] = g_param_spec_string(
        "training-state", "Training state",
        "starting (the engine has not spoken yet), waiting (for the first patch; "
        "\"waiting, no patches come\" after 10 s of video without a packet), training, "
        "suspended (nothing more to gain from the patches so far), unresponsive (the engine owes "
        "an answer), off, or stopped and why",
        "off", read_only);
    properties[prop_model_in_use] = g_param_spec_string(
        "model-in-use", "Model in use",
        "What makes the picture: bicubic, generic, stored (learned in an "
        "earlier session), online, lanczos (two thirds are sent, and "
        "there is no model that restores them), or native (it came in full size)",
        "bicubic", read_only);
    properties[prop_stats] = g_param_spec_boxed(
        "stats", "Statistics",
        "Counts since the start, times of the last 300 frames: frames, frames-late (after the time "
        "at which they were due), frames-network, frames-bicubic (by the model in use), "
        "frames-memory (with texture memory), frames-small and frames-governed (the small network, "
        "bicubic: for want of time), memory-patches, memory-cover (share of the picture), "
        "memory-benefit (share of the error on the latest patches), memory-ms, "
        "governor-retreats, sink-late (QoS events), "
        "scene-cuts, scale (of the last frame; 1: it came in full size, 1.5: at two thirds), "
        "rung-changes, "
        "inference-ms, inference-p99-ms, latency-ms, latency-p99-ms (from "
        "frame in to frame out), swap-latency-us (from the engine's message to the frame made with "
        "it), packets-received, packets-lost, packets-repeated (that had come another way), "
        "carried-packets (that came inside pictures), carried-damaged (parts of packets there that "
        "are cut off or unreadable), carried-incomplete (packets of which parts never came), "
        "carried-left-out (parts, and pictures, beyond what is read of one), "
        "patches-received, patches-aligned, patches-dropped-REASON, sizes-refused, "
        "pictures-refused, frames-stale, time-shifts (docs/budgets.md has the limits), pairs-sent, "
        "model-version, engine-restarts, engine-unresponsive (engines that were ended because they "
        "did not answer), engine-inbox, engine-pairs-dropped, engine-fields-dropped, "
        "feedback-REASON (what came to the feedback port, of all streams on its address) and more",
        GST_TYPE_STRUCTURE, read_only);
    object_class->set_property = set_property;
    object_class->get_property = get_property;
    g_object_class_install_properties(object_class, prop_count, properties);
    gst_type_mark_as_plugin_api(scale_type(), static_cast<GstPluginAPIFlags>(0));
    gst_type_mark_as_plugin_api(training_type(), static_cast<GstPluginAPIFlags>(0));
    gst_type_mark_as_plugin_api(backend_type(), static_cast<GstPluginAPIFlags>(0));
}

void init_properties(GstSrEnhancer* self) {
    self->settings = new EnhancerSettings;
    self->backend = backend_auto;
}

void notify_read_only(GstSrEnhancer* self) {
    for (const Property property : {prop_gain_db, prop_training_state, prop_model_in_use}) {
        g_object_notify_by_pspec(G_OBJECT(self), properties[property]);
    }
}

}  // namespace livesr::gst
