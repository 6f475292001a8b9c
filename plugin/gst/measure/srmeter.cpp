/**
 * SECTION:element-srmeter
 *
 * Measures a picture against the truth while it passes: PSNR and SSIM of luma, frame by frame, and
 * the same for plain enlargements of the low-resolution picture that it came from. Frames are
 * matched by running time.
 *
 * |[
 * gst-launch-1.0 videotestsrc num-buffers=100 pattern=zone-plate kx2=20 ky2=20 kt=1
 *     ! video/x-raw,format=I420,width=640,height=360 ! tee name=t
 *     t. ! queue ! m.reference
 *     t. ! queue ! videoscale ! video/x-raw,width=320,height=180 ! tee name=l
 *     l. ! queue ! m.lowres
 *     l. ! queue ! srenhancer scale=2 training=off ! m.sink
 *     srmeter name=m baselines=bilinear,bicubic location=quality.jsonl ! fakesink
 * ]|
 */
// The element around FrameMatcher and Measurement: pads, threads, the file.
#include "gst/measure/srmeter.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "gst/warning.h"

GST_DEBUG_CATEGORY_STATIC(sr_meter_debug);
#define GST_CAT_DEFAULT sr_meter_debug

using livesr::gst::FrameMatcher;
using livesr::gst::MatchBy;
using livesr::gst::Measurement;
using livesr::gst::MeasurementError;
using livesr::gst::MeteredFrame;
using livesr::gst::MeterRun;
using livesr::gst::MeterSettings;
using livesr::gst::MeterState;
using livesr::gst::MeterStream;

namespace {

// A stream that is ahead waits for the others, but not for ever: where all come from one tee, the
// one that lags may be waiting for it. Then more frames are let in.
constexpr auto longest_wait = std::chrono::seconds(2);

// Half a frame is what two time stamps of one frame may differ by; where the caps give no frame
// rate, what rounding to the 90 kHz clock of MPEG-TS may do.
constexpr std::int64_t unknown_rate_tolerance_ns = 500'000;

GstStaticPadTemplate template_of(const char* name, GstPadDirection direction,
                                 GstPadPresence presence) {
    return GST_STATIC_PAD_TEMPLATE(
        name, direction, presence,
        GST_STATIC_CAPS("video/x-raw, format=(string){ I420, NV12, GRAY8 }, "
                        "width=(int)[ 1, 32768 ], height=(int)[ 1, 32768 ], "
                        "framerate=(fraction)[ 0/1, 2147483647/1 ]"));
}

GstStaticPadTemplate sink_template = template_of("sink", GST_PAD_SINK, GST_PAD_ALWAYS);
GstStaticPadTemplate src_template = template_of("src", GST_PAD_SRC, GST_PAD_ALWAYS);
GstStaticPadTemplate reference_template = template_of("reference", GST_PAD_SINK, GST_PAD_ALWAYS);
GstStaticPadTemplate lowres_template = template_of("lowres", GST_PAD_SINK, GST_PAD_REQUEST);

}  // namespace

G_DEFINE_FINAL_TYPE(GstSrMeter, gst_sr_meter, GST_TYPE_ELEMENT)

namespace {

FrameMatcher::Stream stream_of(GstPad* pad) {
    return static_cast<FrameMatcher::Stream>(GPOINTER_TO_INT(gst_pad_get_element_private(pad)));
}

// Measures what can be measured. One thread at a time does it, the one that comes first.
void measure(GstSrMeter* self, std::unique_lock<std::mutex>& lock) {
    MeterState& state = *self->state;
    if (!state.run || state.run->measuring || state.run->failed) return;
    MeterRun& run = *state.run;
    run.measuring = true;
    std::string fault;
    while (auto match = run.matcher.next()) {
        lock.unlock();
        std::string line;
        try {
            line = run.measurement.measure(*match);
        } catch (const MeasurementError& error) {
            fault = error.what();
        }
        if (fault.empty() && run.file.is_open()) run.file << line << '\n';
        lock.lock();
        state.changed.notify_all();
        if (!fault.empty()) break;
    }
    if (!fault.empty()) {
        // Told before another thread fails because of it, so that it is the first error to be read.
        lock.unlock();
        GST_ELEMENT_ERROR(self, STREAM, FORMAT, ("%s", fault.c_str()), (nullptr));
        lock.lock();
    }
    run.measuring = false;
    run.failed = !fault.empty();
    state.changed.notify_all();
}

void summarise(GstSrMeter* self, std::unique_lock<std::mutex>& lock) {
    MeterRun& run = *self->state->run;
    if (run.summarised || run.failed) return;
    run.summarised = true;
    const std::uint64_t frames = run.matcher.test_frames();
    const std::uint64_t unmatched = run.matcher.unmatched();
    if (run.file.is_open()) {
        run.file << run.measurement.summary(frames, unmatched) << std::endl;
    }
    const bool wrote = !run.file.is_open() || run.file.good();
    const bool measured = run.measurement.measured() > 0;
    const std::string location = run.settings.location;
    lock.unlock();
    if (!wrote) {
        livesr::gst::post_warning(GST_ELEMENT_CAST(self), "Writing " + location + " failed.",
                                  "Make room on the disk.");
    }
    if (frames > 0 && !measured) {
        livesr::gst::post_warning(GST_ELEMENT_CAST(self), "No frame found its reference.",
                                  "Give the reference pad frames of the same running times, or set "
                                  "reference-offset or match=count.");
    }
    lock.lock();
}

// --- chain ---

std::optional<MeteredFrame> read_luma(const MeterStream& stream, GstBuffer* buffer) {
    GstVideoFrame frame;
    if (!gst_video_frame_map(&frame, &stream.info, buffer, GST_MAP_READ)) return std::nullopt;
    MeteredFrame result;
    result.width = GST_VIDEO_FRAME_WIDTH(&frame);
    result.height = GST_VIDEO_FRAME_HEIGHT(&frame);
    result.luma.resize(static_cast<std::size_t>(result.width) * result.height);
    const auto* row = static_cast<const std::uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0));
    for (int y = 0; y < result.height; ++y) {
        std::copy_n(row, result.width,
                    result.luma.begin() + static_cast<std::ptrdiff_t>(y) * result.width);
        row += GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0);
    }
    gst_video_frame_unmap(&frame);
    return result;
}

// Takes a frame in, waiting while this stream is far ahead.
GstFlowReturn take(GstSrMeter* self, FrameMatcher::Stream id, GstBuffer* buffer) {
    MeterState& state = *self->state;
    std::unique_lock lock(state.mutex);
    MeterStream& stream = state.streams[id];
    if (!state.run) return GST_FLOW_FLUSHING;
    MeterRun& run = *state.run;
    if (run.failed) return GST_FLOW_ERROR;
    if (stream.info.finfo == nullptr) return GST_FLOW_NOT_NEGOTIATED;

    const bool by_count = run.settings.match == MatchBy::count;
    std::optional<std::int64_t> time_ns;
    if (GST_BUFFER_PTS_IS_VALID(buffer) && stream.segment.format == GST_FORMAT_TIME) {
        const guint64 time =
            gst_segment_to_running_time(&stream.segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
        if (GST_CLOCK_TIME_IS_VALID(time)) time_ns = static_cast<std::int64_t>(time);
    }
    if (!time_ns && !by_count) return GST_FLOW_OK;
    auto frame = read_luma(stream, buffer);
    if (!frame) return GST_FLOW_OK;
    frame->running_time_ns = time_ns.value_or(0);
    frame->moment = by_count ? stream.frames++ : *time_ns;
    if (id == FrameMatcher::reference) frame->moment += run.settings.reference_offset_ns;

    const auto may_go = [&] {
        return state.flushing[id] || state.stopping || run.failed ||
               run.matcher.ended(FrameMatcher::test) || run.matcher.waiting(id) < run.most_waiting;
    };
    if (!state.changed.wait_for(lock, longest_wait, may_go)) {
        run.most_waiting *= 2;
        GST_INFO_OBJECT(self, "nothing moves: %zu frames may wait now", run.most_waiting);
    }
    if (state.flushing[id] || state.stopping) return GST_FLOW_FLUSHING;
    run.matcher.push(id, std::move(*frame));
    measure(self, lock);
    return run.failed ? GST_FLOW_ERROR : GST_FLOW_OK;
}

GstFlowReturn chain(GstPad* pad, GstObject* parent, GstBuffer* buffer) {
    GstSrMeter* self = GST_SR_METER(parent);
    const FrameMatcher::Stream id = stream_of(pad);
    const GstFlowReturn result = take(self, id, buffer);
    if (id != FrameMatcher::test || result != GST_FLOW_OK) {
        gst_buffer_unref(buffer);
        return result;
    }
    return gst_pad_push(self->src, buffer);
}

// --- events ---

void set_caps(MeterState& state, FrameMatcher::Stream id, GstEvent* event) {
    GstCaps* caps = nullptr;
    gst_event_parse_caps(event, &caps);
    const std::lock_guard lock(state.mutex);
    GstVideoInfo& info = state.streams[id].info;
    if (!gst_video_info_from_caps(&info, caps)) {
        info.finfo = nullptr;
        return;
    }
    if (!state.run) return;
    // Half a frame; where the rate is unknown, what rounding to a 90 kHz clock may do.
    if (state.run->settings.match == MatchBy::count) {
        state.run->matcher.set_tolerance(0);
    } else if (id == FrameMatcher::reference || info.fps_n > 0) {
        const guint64 frame_ns = info.fps_n > 0
                                     ? gst_util_uint64_scale_int(GST_SECOND, info.fps_d, info.fps_n)
                                     : GST_MSECOND;
        state.run->matcher.set_tolerance(static_cast<std::int64_t>(frame_ns / 2));
    }
}

bool is_linked(MeterState& state, FrameMatcher::Stream id) {
    return state.pads[id] != nullptr && gst_pad_is_linked(state.pads[id]);
}

// The end of the test picture: waits until its last frames are measured.
void finish(GstSrMeter* self) {
    MeterState& state = *self->state;
    std::unique_lock lock(state.mutex);
    if (!state.run) return;
    MeterRun& run = *state.run;
    run.matcher.end(FrameMatcher::test);
    state.changed.notify_all();
    for (const auto id : {FrameMatcher::reference, FrameMatcher::lowres}) {
        if (!is_linked(state, id)) run.matcher.end(id);
    }
    measure(self, lock);
    state.changed.wait(lock, [&] {
        return state.stopping || state.flushing[FrameMatcher::test] || run.failed ||
               (!run.measuring && run.matcher.waiting(FrameMatcher::test) == 0);
    });
    if (!state.stopping) summarise(self, lock);
}

gboolean sink_event(GstPad* pad, GstObject* parent, GstEvent* event) {
    GstSrMeter* self = GST_SR_METER(parent);
    MeterState& state = *self->state;
    const FrameMatcher::Stream id = stream_of(pad);
    switch (GST_EVENT_TYPE(event)) {
        case GST_EVENT_CAPS:
            set_caps(state, id, event);
            break;
        case GST_EVENT_SEGMENT: {
            const std::lock_guard lock(state.mutex);
            gst_event_copy_segment(event, &state.streams[id].segment);
            break;
        }
        case GST_EVENT_FLUSH_START: {
            const std::lock_guard lock(state.mutex);
            state.flushing[id] = true;
            state.changed.notify_all();
            break;
        }
        case GST_EVENT_FLUSH_STOP: {
            const std::lock_guard lock(state.mutex);
            state.flushing[id] = false;
            gst_segment_init(&state.streams[id].segment, GST_FORMAT_UNDEFINED);
            if (state.run) state.run->matcher.restart(id);
            break;
        }
        case GST_EVENT_EOS:
            if (id == FrameMatcher::test) {
                finish(self);
            } else {
                std::unique_lock lock(state.mutex);
                if (state.run) {
                    state.run->matcher.end(id);
                    measure(self, lock);
                }
            }
            break;
        default:
            break;
    }
    if (id != FrameMatcher::test) {
        gst_event_unref(event);
        return TRUE;
    }
    return gst_pad_event_default(pad, parent, event);
}

// sink and src belong together; the other pads stand alone.
GstIterator* internal_links(GstPad* pad, GstObject* parent) {
    GstSrMeter* self = GST_SR_METER(parent);
    GstPad* other = nullptr;
    if (pad == self->src) {
        other = self->state->pads[FrameMatcher::test];
    } else if (stream_of(pad) == FrameMatcher::test) {
        other = self->src;
    }
    if (other == nullptr) return nullptr;
    GValue value = G_VALUE_INIT;
    g_value_init(&value, GST_TYPE_PAD);
    g_value_set_object(&value, other);
    GstIterator* iterator = gst_iterator_new_single(GST_TYPE_PAD, &value);
    g_value_unset(&value);
    return iterator;
}

// --- states ---

bool start(GstSrMeter* self) {
    MeterState& state = *self->state;
    std::unique_lock lock(state.mutex);
    const MeterSettings settings = state.settings;
    const bool with_lowres = state.pads[FrameMatcher::lowres] != nullptr;
    lock.unlock();

    Measurement::Options options;
    options.scale = settings.scale;
    options.ssim_every = settings.ssim_every;
    try {
        options.baselines = livesr::gst::parse_baselines(settings.baselines);
    } catch (const MeasurementError& error) {
        GST_ELEMENT_ERROR(self, RESOURCE, SETTINGS, ("%s", error.what()), (nullptr));
        return false;
    }
    auto run = std::make_unique<MeterRun>(settings, std::move(options), with_lowres);
    if (settings.match == MatchBy::time) run->matcher.set_tolerance(unknown_rate_tolerance_ns);
    if (!settings.location.empty()) {
        run->file.open(settings.location, std::ios::trunc);
        if (!run->file) {
            GST_ELEMENT_ERROR(self, RESOURCE, OPEN_WRITE,
                              ("%s cannot be written.", settings.location.c_str()),
                              ("Set location to a file in a folder that exists."));
            return false;
        }
    }

    lock.lock();
    state.run = std::move(run);
    state.stopping = false;
    state.flushing = {};
    for (MeterStream& stream : state.streams) {
        gst_video_info_init(&stream.info);
        stream.info.finfo = nullptr;
        gst_segment_init(&stream.segment, GST_FORMAT_UNDEFINED);
        stream.frames = 0;
    }
    return true;
}

GstStateChangeReturn change_state(GstElement* element, GstStateChange change) {
    GstSrMeter* self = GST_SR_METER(element);
    MeterState& state = *self->state;
    if (change == GST_STATE_CHANGE_READY_TO_PAUSED && !start(self)) {
        return GST_STATE_CHANGE_FAILURE;
    }
    if (change == GST_STATE_CHANGE_PAUSED_TO_READY) {
        const std::lock_guard lock(state.mutex);
        state.stopping = true;
        state.changed.notify_all();
    }
    const auto result = GST_ELEMENT_CLASS(gst_sr_meter_parent_class)->change_state(element, change);
    if (change == GST_STATE_CHANGE_PAUSED_TO_READY) {
        // The pads are shut, so no thread is inside.
        std::unique_lock lock(state.mutex);
        if (state.run) {
            measure(self, lock);
            summarise(self, lock);
        }
        state.run.reset();
    }
    return result;
}

// --- pads ---

GstPad* add_sink_pad(GstSrMeter* self, GstPadTemplate* pad_template, FrameMatcher::Stream id) {
    GstPad* pad =
        gst_pad_new_from_template(pad_template, GST_PAD_TEMPLATE_NAME_TEMPLATE(pad_template));
    gst_pad_set_element_private(pad, GINT_TO_POINTER(static_cast<int>(id)));
    gst_pad_set_chain_function(pad, GST_DEBUG_FUNCPTR(chain));
    gst_pad_set_event_function(pad, GST_DEBUG_FUNCPTR(sink_event));
    gst_pad_set_iterate_internal_links_function(pad, GST_DEBUG_FUNCPTR(internal_links));
    self->state->pads[id] = pad;
    gst_element_add_pad(GST_ELEMENT(self), pad);
    return pad;
}

GstPad* request_new_pad(GstElement* element, GstPadTemplate* pad_template, const gchar*,
                        const GstCaps*) {
    GstSrMeter* self = GST_SR_METER(element);
    if (self->state->pads[FrameMatcher::lowres] != nullptr) return nullptr;
    GstPad* pad = add_sink_pad(self, pad_template, FrameMatcher::lowres);
    gst_pad_set_active(pad, TRUE);
    return pad;
}

void release_pad(GstElement* element, GstPad* pad) {
    MeterState& state = *GST_SR_METER(element)->state;
    gst_pad_set_active(pad, FALSE);
    {
        const std::lock_guard lock(state.mutex);
        state.pads[FrameMatcher::lowres] = nullptr;
        if (state.run) state.run->matcher.end(FrameMatcher::lowres);
        state.changed.notify_all();
    }
    gst_element_remove_pad(element, pad);
}

void finalize(GObject* object) {
    delete GST_SR_METER(object)->state;
    G_OBJECT_CLASS(gst_sr_meter_parent_class)->finalize(object);
}

}  // namespace

static void gst_sr_meter_class_init(GstSrMeterClass* klass) {
    GST_DEBUG_CATEGORY_INIT(sr_meter_debug, "srmeter", 0, "quality of video against a reference");
    GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
    G_OBJECT_CLASS(klass)->finalize = finalize;
    livesr::gst::install_meter_properties(G_OBJECT_CLASS(klass));
    element_class->change_state = change_state;
    element_class->request_new_pad = request_new_pad;
    element_class->release_pad = release_pad;
    for (GstStaticPadTemplate* pad_template :
         {&sink_template, &src_template, &reference_template, &lowres_template}) {
        gst_element_class_add_static_pad_template(element_class, pad_template);
    }
    gst_element_class_set_static_metadata(
        element_class, "Quality meter", "Filter/Analyzer/Video",
        "Measures PSNR and SSIM of luma against a reference, and of plain enlargements beside it. "
        "Example: gst-launch-1.0 videotestsrc num-buffers=100 pattern=zone-plate kx2=20 ky2=20 "
        "kt=1 "
        "! video/x-raw,format=I420,width=640,height=360 ! tee name=t t. ! queue ! m.reference "
        "t. ! queue ! videoscale ! video/x-raw,width=320,height=180 ! tee name=l "
        "l. ! queue ! m.lowres l. ! queue ! srenhancer scale=2 training=off ! m.sink "
        "srmeter name=m baselines=bilinear,bicubic location=quality.jsonl ! fakesink",
        "livesr");
}

static void gst_sr_meter_init(GstSrMeter* self) {
    self->state = new MeterState;
    self->src = gst_pad_new_from_static_template(&src_template, "src");
    gst_pad_set_iterate_internal_links_function(self->src, GST_DEBUG_FUNCPTR(internal_links));
    GST_PAD_SET_PROXY_CAPS(self->src);
    for (const auto& [name, id] :
         {std::pair{"sink", FrameMatcher::test}, std::pair{"reference", FrameMatcher::reference}}) {
        GstPadTemplate* pad_template =
            gst_element_class_get_pad_template(GST_ELEMENT_GET_CLASS(self), name);
        GstPad* pad = add_sink_pad(self, pad_template, id);
        if (id == FrameMatcher::test) {
            GST_PAD_SET_PROXY_CAPS(pad);
            GST_PAD_SET_PROXY_ALLOCATION(pad);
        }
    }
    gst_element_add_pad(GST_ELEMENT(self), self->src);
}

namespace livesr::gst {

bool register_srmeter(GstPlugin* plugin) {
    return gst_element_register(plugin, "srmeter", GST_RANK_NONE, GST_TYPE_SR_METER) != FALSE;
}

}  // namespace livesr::gst
