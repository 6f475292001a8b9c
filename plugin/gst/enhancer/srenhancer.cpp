/**
 * SECTION:element-srenhancer
 *
 * Enlarges video with a neural network that may be trained while the stream runs, on image patches
 * that the sender (patchsender) slips into its pictures, or beside them.
 *
 * Weights reach the picture only from the engine, which checks them against patches that they were
 * not trained on. Without an engine, without patches or without a model the video passes all the
 * same, enlarged by bicubic; the properties say so.
 *
 * Patches inside the pictures are found by the element itself, in front of whatever decoder it is
 * linked to, and need no link of their own:
 *
 * |[
 * gst-launch-1.0 srtsrc uri="srt://:7001?mode=listener" ! decodebin ! srenhancer ! videoconvert
 *     ! autovideosink
 * ]|
 *
 * Those beside them (KLV) come in on the request pad patches:
 *
 * |[
 * gst-launch-1.0 srtsrc uri="srt://:7001?mode=listener" keep-listening=true ! livesrdemux name=d
 *     d.video ! queue ! h264parse ! avdec_h264
 *     ! srenhancer name=e ! videoconvert ! autovideosink
 *     d.audio_0 ! queue ! aacparse ! avdec_aac ! audioconvert ! autoaudiosink
 *     d.patches ! queue ! e.patches
 * ]|
 *
 * keep-listening lets a sender that comes back find the same server, with all that it has learned,
 * and livesrdemux has pads that stay meanwhile.
 */
// The element around Enhancer: properties, pads, caps, events.
#include "gst/enhancer/srenhancer.h"

#include <gst/video/gstvideometa.h>
#include <gst/video/gstvideopool.h>
#include <gst/video/video.h>

#include <optional>
#include <string>

#include "gst/enhancer/media_time.h"
#include "gst/enhancer/model_choice.h"
#include "gst/enhancer/size_caps.h"
#include "gst/register.h"
#include "gst/warning.h"

GST_DEBUG_CATEGORY(sr_enhancer_debug);
#define GST_CAT_DEFAULT sr_enhancer_debug

using livesr::gst::Enhancer;
using livesr::gst::EnhancerSettings;
using livesr::gst::running;
using livesr::gst::running_time;

namespace {

GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS("video/x-raw, format=(string){ I420, NV12 }, width=(int)[ 16, 8192 ], "
                    "height=(int)[ 16, 8192 ], framerate=(fraction)[ 0/1, 2147483647/1 ]"));
GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS("video/x-raw, format=(string){ I420, NV12 }, width=(int)[ 1, 32768 ], "
                    "height=(int)[ 1, 32768 ], framerate=(fraction)[ 0/1, 2147483647/1 ]"));
GstStaticPadTemplate patches_template = GST_STATIC_PAD_TEMPLATE(
    "patches", GST_PAD_SINK, GST_PAD_REQUEST, GST_STATIC_CAPS("meta/x-klv, parsed=(boolean)true"));

}  // namespace

G_DEFINE_FINAL_TYPE(GstSrEnhancer, gst_sr_enhancer, GST_TYPE_BASE_TRANSFORM)

namespace {

// --- messages ---

// camelCase of the channel to the kebab-case of GStreamer.
std::string kebab_case(const std::string& name) {
    std::string result;
    for (const char c : name) {
        if (c >= 'A' && c <= 'Z') {
            result += '-';
            result += static_cast<char>(c - 'A' + 'a');
        } else {
            result += c;
        }
    }
    return result;
}

void post_epoch(GstSrEnhancer* self, const nlohmann::json& report) {
    GstStructure* fields = gst_structure_new_empty("livesr-epoch");
    for (const auto& [key, value] : report.items()) {
        const std::string name = kebab_case(key);
        // JavaScript writes 0 for 0.0: what is a real number is known by its name.
        const bool is_real = key.ends_with("Db") || key == "loss";
        if (value.is_number_integer() && !is_real) {
            gst_structure_set(fields, name.c_str(), G_TYPE_INT64, value.get<gint64>(), nullptr);
        } else if (value.is_number()) {
            gst_structure_set(fields, name.c_str(), G_TYPE_DOUBLE, value.get<double>(), nullptr);
        } else if (value.is_string() && key != "type") {
            gst_structure_set(fields, name.c_str(), G_TYPE_STRING, value.get<std::string>().c_str(),
                              nullptr);
        }
    }
    gst_element_post_message(GST_ELEMENT(self), gst_message_new_element(GST_OBJECT(self), fields));
}

// --- start and stop ---

gboolean start(GstBaseTransform* transform) {
    GstSrEnhancer* self = GST_SR_ENHANCER(transform);
    GST_OBJECT_LOCK(self);
    const EnhancerSettings settings = *self->settings;
    self->latency = 0;
    GST_OBJECT_UNLOCK(self);
    self->is_live = -1;
    self->has_output = false;

    if (const auto problem = livesr::gst::describe_engine_problem(settings.engine);
        !problem.empty()) {
        GST_ELEMENT_ERROR(self, RESOURCE, SETTINGS, ("%s", problem.c_str()), (nullptr));
        return FALSE;
    }

    auto choice = livesr::gst::choose_models(settings.model, settings.scale.network());
    if (choice.must_fail) {
        GST_ELEMENT_ERROR(self, RESOURCE, SETTINGS, ("%s", choice.cause.c_str()),
                          ("%s", choice.remedy.c_str()));
        return FALSE;
    }
    if (!choice.cause.empty()) {
        livesr::gst::post_warning(GST_ELEMENT_CAST(self), choice.cause, choice.remedy);
    }
    Enhancer::Listener listener;
    listener.on_report = [self](const nlohmann::json& report) { post_epoch(self, report); };
    listener.on_change = [self] { livesr::gst::notify_read_only(self); };
    listener.on_warning = [self](const std::string& cause, const std::string& remedy) {
        livesr::gst::post_warning(GST_ELEMENT_CAST(self), cause, remedy);
    };
    std::shared_ptr<Enhancer> enhancer;
    try {
        enhancer = std::make_shared<Enhancer>(settings, choice.networks, choice.small,
                                              std::move(listener));
    } catch (const std::exception& fault) {
        GST_ELEMENT_ERROR(self, RESOURCE, SETTINGS, ("The model cannot be run: %s", fault.what()),
                          ("Set model=generic or model=bicubic."));
        return FALSE;
    }
    enhancer->guard(GST_BASE_TRANSFORM_SINK_PAD(transform));
    // Where the decoder is linked already, so that no picture passes before its patches are read.
    enhancer->watch_decoder(GST_BASE_TRANSFORM_SINK_PAD(transform));
    const std::lock_guard lock(*self->running_mutex);
    *self->running = std::move(enhancer);
    return TRUE;
}

gboolean stop(GstBaseTransform* transform) {
    GstSrEnhancer* self = GST_SR_ENHANCER(transform);
    std::shared_ptr<Enhancer> enhancer;
    {
        const std::lock_guard lock(*self->running_mutex);
        enhancer.swap(*self->running);
    }
    // The engine's thread may hold a share (a handler of notify reads a property): it must end
    // before the last share goes.
    enhancer->interrupt();
    return TRUE;
}

GstStateChangeReturn change_state(GstElement* element, GstStateChange change) {
    GstSrEnhancer* self = GST_SR_ENHANCER(element);
    // Before the pads are shut: their threads may be waiting inside us.
    if (change == GST_STATE_CHANGE_PAUSED_TO_READY) {
        if (const auto enhancer = running(self)) enhancer->interrupt();
    }
    return GST_ELEMENT_CLASS(gst_sr_enhancer_parent_class)->change_state(element, change);
}

// --- caps ---

GstCaps* transform_caps(GstBaseTransform* transform, GstPadDirection direction, GstCaps* caps,
                        GstCaps* filter) {
    GstSrEnhancer* self = GST_SR_ENHANCER(transform);
    GST_OBJECT_LOCK(self);
    const livesr::Scale scale = self->settings->scale;
    const livesr::gst::OutputSize unannounced(scale, self->settings->limits);
    GST_OBJECT_UNLOCK(self);
    const auto enhancer = running(self);
    const auto true_size = [&](int width, int height) {
        return enhancer ? enhancer->output_size(width, height)
                        : unannounced.output_for(width, height);
    };
    GstCaps* result = livesr::gst::scale_caps(caps, direction, scale.network(), true_size);
    if (filter != nullptr) {
        GstCaps* filtered = gst_caps_intersect_full(filter, result, GST_CAPS_INTERSECT_FIRST);
        gst_caps_unref(result);
        result = filtered;
    }
    return result;
}

gboolean set_caps(GstBaseTransform* transform, GstCaps* in_caps, GstCaps* out_caps) {
    GstSrEnhancer* self = GST_SR_ENHANCER(transform);
    const auto enhancer = running(self);
    if (!enhancer || !gst_video_info_from_caps(&self->in_info, in_caps) ||
        !gst_video_info_from_caps(&self->out_info, out_caps)) {
        GST_ERROR_OBJECT(self, "caps that are not video: %" GST_PTR_FORMAT,
                         static_cast<void*>(in_caps));
        return FALSE;
    }
    std::uint64_t interval_ns = 0;
    if (self->in_info.fps_n > 0) {
        interval_ns =
            gst_util_uint64_scale_int(GST_SECOND, self->in_info.fps_d, self->in_info.fps_n);
    }
    GST_OBJECT_LOCK(self);
    self->interval = interval_ns;
    GST_OBJECT_UNLOCK(self);
    enhancer->set_input(self->in_info.width, self->in_info.height, interval_ns);
    GST_INFO_OBJECT(self, "%dx%d to %dx%d", self->in_info.width, self->in_info.height,
                    self->out_info.width, self->out_info.height);
    return TRUE;
}

gboolean get_unit_size(GstBaseTransform*, GstCaps* caps, gsize* size) {
    GstVideoInfo info;
    if (!gst_video_info_from_caps(&info, caps)) return FALSE;
    *size = info.size;
    return TRUE;
}

gboolean propose_allocation(GstBaseTransform* transform, GstQuery* decide_query, GstQuery* query) {
    if (!GST_BASE_TRANSFORM_CLASS(gst_sr_enhancer_parent_class)
             ->propose_allocation(transform, decide_query, query)) {
        return FALSE;
    }
    // Any strides will do: decoders need not copy into plain ones.
    gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);
    return TRUE;
}

gboolean decide_allocation(GstBaseTransform* transform, GstQuery* query) {
    if (gst_query_get_n_allocation_pools(query) == 0) {
        GstCaps* caps = nullptr;
        gst_query_parse_allocation(query, &caps, nullptr);
        GstVideoInfo info;
        if (caps != nullptr && gst_video_info_from_caps(&info, caps)) {
            GstBufferPool* pool = gst_video_buffer_pool_new();
            gst_query_add_allocation_pool(query, pool, static_cast<guint>(info.size), 0, 0);
            gst_object_unref(pool);
        }
    }
    if (!GST_BASE_TRANSFORM_CLASS(gst_sr_enhancer_parent_class)
             ->decide_allocation(transform, query)) {
        return FALSE;
    }
    if (gst_query_get_n_allocation_pools(query) == 0 ||
        !gst_query_find_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr)) {
        return TRUE;
    }
    GstBufferPool* pool = nullptr;
    gst_query_parse_nth_allocation_pool(query, 0, &pool, nullptr, nullptr, nullptr);
    if (pool == nullptr) return TRUE;
    if (gst_buffer_pool_has_option(pool, GST_BUFFER_POOL_OPTION_VIDEO_META)) {
        GstStructure* config = gst_buffer_pool_get_config(pool);
        gst_buffer_pool_config_add_option(config, GST_BUFFER_POOL_OPTION_VIDEO_META);
        gst_buffer_pool_set_config(pool, config);
    }
    gst_object_unref(pool);
    return TRUE;
}

// A queue answers an allocation query when it has played all that is in it, and every frame from
// now on would wait for that. So once frames flow, a change of size goes on with memory of our own.
GstPadProbeReturn keep_flowing(GstPad*, GstPadProbeInfo* info, gpointer user_data) {
    const GstQuery* query = GST_PAD_PROBE_INFO_QUERY(info);
    const bool would_wait =
        GST_QUERY_TYPE(query) == GST_QUERY_ALLOCATION && GST_SR_ENHANCER(user_data)->has_output;
    return would_wait ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
}

// --- frames ---

bool patches_linked(GstSrEnhancer* self) {
    GST_OBJECT_LOCK(self);
    const bool linked = self->patches_pad != nullptr && GST_PAD_PEER(self->patches_pad);
    GST_OBJECT_UNLOCK(self);
    return linked;
}

// The next element is to learn the size of what follows once, and to learn the true one.
void begin_picture(GstSrEnhancer* self, Enhancer& enhancer, GstEvent* event) {
    GST_OBJECT_LOCK(self);
    const bool has_pad = self->patches_pad != nullptr;
    GST_OBJECT_UNLOCK(self);
    GstCaps* caps = nullptr;
    GstVideoInfo info;
    gst_event_parse_caps(event, &caps);
    if (!gst_video_info_from_caps(&info, caps)) return;
    enhancer.watch_decoder(GST_BASE_TRANSFORM_SINK_PAD(self));
    if (has_pad) {
        enhancer.await_size(info.width, info.height, [self] { return patches_linked(self); });
    }
    enhancer.set_picture(info.width, info.height);
}

GstFlowReturn submit_input_buffer(GstBaseTransform* transform, gboolean is_discont,
                                  GstBuffer* input) {
    GstSrEnhancer* self = GST_SR_ENHANCER(transform);
    const auto arrived = running_time(transform->segment, GST_BUFFER_PTS(input));
    const auto enhancer = running(self);
    if (enhancer) enhancer->read_picture(input, arrived);
    if (enhancer && arrived) {
        const auto time = enhancer->steady_time(*arrived);
        if (!time) {
            gst_buffer_unref(input);
            return GST_BASE_TRANSFORM_FLOW_DROPPED;
        }
        if (*time != *arrived) {
            input = gst_buffer_make_writable(input);
            GST_BUFFER_PTS(input) += *time - *arrived;
        }
        // Patches are of the timeline that came.
        enhancer->await_patches(*arrived, [self] { return patches_linked(self); });
        if (enhancer->adopt_size(*time)) gst_base_transform_reconfigure_src(transform);
    }
    return GST_BASE_TRANSFORM_CLASS(gst_sr_enhancer_parent_class)
        ->submit_input_buffer(transform, is_discont, input);
}

GstFlowReturn transform_frame(GstBaseTransform* transform, GstBuffer* input, GstBuffer* output) {
    GstSrEnhancer* self = GST_SR_ENHANCER(transform);
    const auto enhancer = running(self);
    if (!enhancer) return GST_FLOW_FLUSHING;
    GstVideoFrame in;
    GstVideoFrame out;
    if (!gst_video_frame_map(&in, &self->in_info, input, GST_MAP_READ)) {
        GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("A frame cannot be read."),
                          ("Its memory does not hold what the caps announce."));
        return GST_FLOW_ERROR;
    }
    if (!gst_video_frame_map(&out, &self->out_info, output, GST_MAP_WRITE)) {
        gst_video_frame_unmap(&in);
        GST_ELEMENT_ERROR(self, RESOURCE, WRITE, ("A frame cannot be written."),
                          ("The memory that the next element offers is too small or read-only."));
        return GST_FLOW_ERROR;
    }
    const auto time = running_time(transform->segment, GST_BUFFER_PTS(input));
    enhancer->process(in, out, time, livesr::gst::deadline(self, time));
    gst_video_frame_unmap(&out);
    gst_video_frame_unmap(&in);
    if (time && livesr::gst::is_late(self, *time)) enhancer->note_late_frame();
    self->has_output = true;
    return GST_FLOW_OK;
}

gboolean sink_event(GstBaseTransform* transform, GstEvent* event) {
    const auto enhancer = running(GST_SR_ENHANCER(transform));
    if (enhancer && GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_START) {
        enhancer->set_flushing(true);
    } else if (enhancer && GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_STOP) {
        enhancer->set_flushing(false);
        GST_SR_ENHANCER(transform)->has_output = false;
        enhancer->clear_history();
    } else if (enhancer && GST_EVENT_TYPE(event) == GST_EVENT_CAPS) {
        begin_picture(GST_SR_ENHANCER(transform), *enhancer, event);
    }
    return GST_BASE_TRANSFORM_CLASS(gst_sr_enhancer_parent_class)->sink_event(transform, event);
}

gboolean src_event(GstBaseTransform* transform, GstEvent* event) {
    GstSrEnhancer* self = GST_SR_ENHANCER(transform);
    if (GST_EVENT_TYPE(event) == GST_EVENT_LATENCY) {
        GstClockTime latency = 0;
        gst_event_parse_latency(event, &latency);
        GST_OBJECT_LOCK(self);
        self->latency = latency;
        GST_OBJECT_UNLOCK(self);
    } else if (GST_EVENT_TYPE(event) == GST_EVENT_QOS) {
        GstQOSType type = GST_QOS_TYPE_UNDERFLOW;
        GstClockTimeDiff late_by = 0;
        gst_event_parse_qos(event, &type, nullptr, &late_by, nullptr);
        // Of an overflow nothing is said by a late frame, and a throttle is none of ours.
        const auto enhancer = running(self);
        if (enhancer && type == GST_QOS_TYPE_UNDERFLOW && late_by > 0) enhancer->note_sink_late();
    }
    return GST_BASE_TRANSFORM_CLASS(gst_sr_enhancer_parent_class)->src_event(transform, event);
}

void finalize(GObject* object) {
    GstSrEnhancer* self = GST_SR_ENHANCER(object);
    delete self->settings;
    delete self->running;
    delete self->running_mutex;
    gst_segment_free(self->patches_segment);
    G_OBJECT_CLASS(gst_sr_enhancer_parent_class)->finalize(object);
}

}  // namespace

static void gst_sr_enhancer_class_init(GstSrEnhancerClass* klass) {
    GST_DEBUG_CATEGORY_INIT(sr_enhancer_debug, "srenhancer", 0, "super-resolution of live video");
    GObjectClass* object_class = G_OBJECT_CLASS(klass);
    GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
    GstBaseTransformClass* transform_class = GST_BASE_TRANSFORM_CLASS(klass);

    object_class->finalize = finalize;
    livesr::gst::install_properties(object_class);

    element_class->change_state = change_state;
    element_class->request_new_pad = livesr::gst::request_patches_pad;
    element_class->release_pad = livesr::gst::release_patches_pad;
    gst_element_class_add_static_pad_template(element_class, &sink_template);
    gst_element_class_add_static_pad_template(element_class, &src_template);
    gst_element_class_add_static_pad_template(element_class, &patches_template);
    gst_element_class_set_static_metadata(
        element_class, "Super-resolution enhancer", "Filter/Effect/Video",
        "Enlarges live video with a network that learns from the sender's patches while the stream "
        "runs. Example: gst-launch-1.0 srtsrc uri=\"srt://:7001?mode=listener\" "
        "keep-listening=true ! livesrdemux name=d d.video ! queue ! h264parse ! avdec_h264 ! "
        "srenhancer ! videoconvert ! autovideosink d.audio_0 ! queue ! aacparse ! avdec_aac ! "
        "audioconvert ! autoaudiosink",
        "livesr");

    transform_class->start = start;
    transform_class->stop = stop;
    transform_class->transform_caps = transform_caps;
    transform_class->set_caps = set_caps;
    transform_class->get_unit_size = get_unit_size;
    transform_class->propose_allocation = propose_allocation;
    transform_class->decide_allocation = decide_allocation;
    transform_class->submit_input_buffer = submit_input_buffer;
    transform_class->transform = transform_frame;
    transform_class->sink_event = sink_event;
    transform_class->src_event = src_event;
    transform_class->query = livesr::gst::answer_query;
}

static void gst_sr_enhancer_init(GstSrEnhancer* self) {
    livesr::gst::init_properties(self);
    self->running_mutex = new std::mutex;
    self->running = new std::shared_ptr<Enhancer>;
    self->patches_segment = gst_segment_new();
    self->patches_pad = nullptr;
    self->latency = 0;
    self->is_live = -1;
    self->has_output = false;
    self->interval = 0;
    gst_video_info_init(&self->in_info);
    gst_video_info_init(&self->out_info);
    gst_base_transform_set_in_place(GST_BASE_TRANSFORM(self), FALSE);
    gst_base_transform_set_passthrough(GST_BASE_TRANSFORM(self), FALSE);
    gst_pad_add_probe(GST_BASE_TRANSFORM_SRC_PAD(self), GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM,
                      keep_flowing, self, nullptr);
}

namespace livesr::gst {

std::optional<std::uint64_t> running_time(const GstSegment& segment, GstClockTime time) {
    if (segment.format != GST_FORMAT_TIME || !GST_CLOCK_TIME_IS_VALID(time)) return std::nullopt;
    return possible_time(gst_segment_to_running_time(&segment, GST_FORMAT_TIME, time));
}

std::shared_ptr<Enhancer> running(GstSrEnhancer* self) {
    const std::lock_guard lock(*self->running_mutex);
    return *self->running;
}

bool register_enhancer(GstPlugin* plugin) {
    return gst_element_register(plugin, "srenhancer", GST_RANK_NONE, GST_TYPE_SR_ENHANCER) != FALSE;
}

}  // namespace livesr::gst
