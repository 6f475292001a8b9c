/**
 * element-patchpicker
 *
 * Pairs each high-resolution frame (pad sink) with its decoded low-resolution picture (pad lowres)
 * by running time, has the engine choose cells of the frame by how far they are off, and sends
 * those as KLV on the pad patches. Part of patchsender; by itself it serves encoders that are
 * elsewhere.
 *
 * Threads: sink and lowres have their streaming threads, the engine client has one, and the patches
 * pad has its own (PatchOutput). `mutex` guards the state and is not held while the engine is
 * asked, while pixels are computed on or while anything is pushed.
 */
#include "gst/sender/patchpicker.h"

#include <gst/video/video.h>

#include <atomic>
#include <cstring>
#include <mutex>

#include "gst/sender/frame_store.h"
#include "gst/sender/patch_output.h"
#include "gst/sender/patches.h"

GST_DEBUG_CATEGORY_STATIC(patch_picker_debug);
#define GST_CAT_DEFAULT patch_picker_debug

namespace {

using livesr::gst::FrameStore;
using livesr::gst::LumaFrame;
using livesr::gst::PacketStamp;
using livesr::gst::PatchOutput;
using livesr::gst::Plan;
using livesr::gst::SenderSession;
using livesr::gst::SenderSettings;

constexpr GstClockTime announcement_interval = GST_SECOND;
// Half a frame when the caps give no frame rate.
constexpr GstClockTime default_tolerance = 10 * GST_MSECOND;

// The first plane is 8-bit luma in all of them.
#define LUMA_CAPS GST_VIDEO_CAPS_MAKE("{ I420, NV12, YV12, NV21, Y42B, NV16, Y444, GRAY8 }")

GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(LUMA_CAPS));
GstStaticPadTemplate lowres_template =
    GST_STATIC_PAD_TEMPLATE("lowres", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(LUMA_CAPS));
GstStaticPadTemplate patches_template = GST_STATIC_PAD_TEMPLATE(
    "patches", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("meta/x-klv, parsed = (boolean) true"));

// One video input.
struct Input {
    GstPad* pad = nullptr;
    GstSegment segment;
    GstVideoInfo info;
    bool has_caps = false;
    bool ended = false;
};

struct Counters {
    std::uint64_t frames = 0;
    std::uint64_t lowres_frames = 0;
    std::uint64_t size_mismatches = 0;
    std::uint64_t void_selections = 0;
    std::uint64_t patches = 0;
    std::uint64_t patch_bytes = 0;
    std::uint64_t announcements = 0;
    std::uint64_t announcement_bytes = 0;
    std::uint64_t packets_dropped = 0;
};

}  // namespace

typedef struct _GstPatchPicker GstPatchPicker;
typedef struct _GstPatchPickerClass GstPatchPickerClass;

struct PickerState;

struct _GstPatchPicker {
    GstElement parent;
    PickerState* state;
};

struct _GstPatchPickerClass {
    GstElementClass parent_class;
};

struct PickerState {
    PickerState(GstPatchPicker* element, GstPad* sink, GstPad* lowres_pad, GstPad* src);

    GstPatchPicker* const element;
    GstPad* const patches_pad;
    PatchOutput output;
    SenderSession session;

    mutable std::mutex mutex;
    SenderSettings settings;  // as set
    SenderSettings active;    // as of the last start, with what may change since
    std::function<void(const Plan&)> on_plan;
    Input high;
    Input low;
    FrameStore store;
    Counters counters;
    bool lowres_expected = true;
    bool patches_ended = false;
    std::uint32_t stream_id = 0;
    std::uint32_t next_sequence = 0;
    GstClockTime next_announcement = 0;
    int announced_width = 0;
    int announced_height = 0;

    bool start();
    void stop();
    void select(std::uint64_t offer, const std::vector<std::uint32_t>& cells);
    void trouble(const std::string& why);

    gboolean high_event(GstEvent* event);
    gboolean low_event(GstEvent* event);
    GstFlowReturn high_frame(GstBuffer* buffer);
    GstFlowReturn low_frame(GstBuffer* buffer);
    void set_high_caps(const GstVideoInfo& info);
    void announce(const LumaFrame& frame);
    void pair(GstBuffer* buffer, GstClockTime running_time);
    void gap(GstClockTime pts);
    void end_if_done();
    void add_stats(GstStructure* stats) const;

    // All of these with the mutex held.
    bool picking() const { return active.sends_patches() && lowres_expected; }
    GstClockTime frame_time(const Input& input) const;
    PacketStamp next_stamp() { return {stream_id, next_sequence++, active.scale}; }
    void reset_stream();
};

#define gst_patch_picker_parent_class parent_class
G_DEFINE_TYPE(GstPatchPicker, gst_patch_picker, GST_TYPE_ELEMENT)

#define GST_PATCH_PICKER(object) (reinterpret_cast<GstPatchPicker*>(object))

namespace {

GstClockTime running_time_of(const Input& input, const GstBuffer* buffer) {
    if (!GST_BUFFER_PTS_IS_VALID(buffer) || input.segment.format != GST_FORMAT_TIME) {
        return GST_CLOCK_TIME_NONE;
    }
    return gst_segment_to_running_time(&input.segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
}

GstBuffer* klv_buffer(const std::vector<std::uint8_t>& packet, GstClockTime pts) {
    GstBuffer* buffer = gst_buffer_new_memdup(packet.data(), packet.size());
    GST_BUFFER_PTS(buffer) = pts;
    GST_BUFFER_DTS(buffer) = pts;
    return buffer;
}

bool copy_luma(const GstVideoInfo& info, GstBuffer* buffer, LumaFrame& frame) {
    GstVideoFrame video;
    if (!gst_video_frame_map(&video, &info, buffer, GST_MAP_READ)) return false;
    frame.width = GST_VIDEO_FRAME_WIDTH(&video);
    frame.height = GST_VIDEO_FRAME_HEIGHT(&video);
    const auto width = static_cast<std::size_t>(frame.width);
    frame.pixels.resize(width * static_cast<std::size_t>(frame.height));
    const auto* from = static_cast<const std::uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&video, 0));
    for (int y = 0; y < frame.height; ++y) {
        std::memcpy(frame.pixels.data() + static_cast<std::size_t>(y) * width,
                    from + static_cast<std::ptrdiff_t>(y) * GST_VIDEO_FRAME_PLANE_STRIDE(&video, 0),
                    width);
    }
    gst_video_frame_unmap(&video);
    return true;
}

}  // namespace

PickerState::PickerState(GstPatchPicker* e, GstPad* sink, GstPad* lowres_pad, GstPad* src)
    : element(e),
      patches_pad(src),
      output(src),
      session({[this](const Plan& plan) {
                   std::function<void(const Plan&)> watcher;
                   {
                       const std::lock_guard lock(mutex);
                       watcher = on_plan;
                   }
                   if (watcher) watcher(plan);
                   g_object_notify(G_OBJECT(element), "video-bitrate");
               },
               [this](std::uint64_t offer, const std::vector<std::uint32_t>& cells) {
                   select(offer, cells);
               },
               [this](const std::string& why) { trouble(why); }}) {
    high.pad = sink;
    low.pad = lowres_pad;
    gst_segment_init(&high.segment, GST_FORMAT_UNDEFINED);
    gst_segment_init(&low.segment, GST_FORMAT_UNDEFINED);
}

void PickerState::reset_stream() {
    high.has_caps = low.has_caps = false;
    high.ended = low.ended = patches_ended = false;
    gst_segment_init(&high.segment, GST_FORMAT_UNDEFINED);
    gst_segment_init(&low.segment, GST_FORMAT_UNDEFINED);
    store = {};
    counters = {};
    next_sequence = 0;
    next_announcement = 0;
    announced_width = announced_height = 0;
}

bool PickerState::start() {
    SenderSettings chosen;
    {
        const std::lock_guard lock(mutex);
        active = chosen = settings;
        reset_stream();
        // A receiver tells two senders apart by it; in lockstep a run must give the same bytes.
        stream_id = active.lockstep ? active.seed : g_random_int();
    }
    if (const std::string problem = livesr::gst::describe_problem(chosen); !problem.empty()) {
        GST_ELEMENT_ERROR(element, RESOURCE, SETTINGS, ("%s", problem.c_str()), (nullptr));
        return false;
    }
    session.start(chosen);
    return true;
}

void PickerState::stop() {
    GstStructure* stats = gst_structure_new_empty("stats");
    add_stats(stats);
    GST_INFO_OBJECT(element, "%" GST_PTR_FORMAT, static_cast<void*>(stats));
    gst_structure_free(stats);
    session.stop();
}

void PickerState::trouble(const std::string& why) {
    GST_ELEMENT_WARNING(element, RESOURCE, FAILED,
                        ("No patches for now, video goes on: %s", why.c_str()), (nullptr));
}

GstClockTime PickerState::frame_time(const Input& input) const {
    const GstVideoInfo& info = input.info;
    if (!input.has_caps || info.fps_n <= 0 || info.fps_d <= 0) return 2 * default_tolerance;
    return gst_util_uint64_scale(GST_SECOND, static_cast<guint64>(info.fps_d),
                                 static_cast<guint64>(info.fps_n));
}

// --- patches out -------------------------------------------------------------------------------

void PickerState::select(std::uint64_t offer, const std::vector<std::uint32_t>& cells) {
    std::optional<LumaFrame> frame;
    int quality = 0;
    {
        const std::lock_guard lock(mutex);
        frame = store.answered(offer);
        quality = active.quality;
        if (!frame) ++counters.void_selections;
    }
    if (!frame) return;
    const int columns = frame->width / SenderSession::cell;
    const int rows = frame->height / SenderSession::cell;
    const auto grid = static_cast<std::size_t>(columns) * static_cast<std::size_t>(rows);
    if (cells.size() > grid) throw std::runtime_error("patch.select has more cells than the grid");
    for (const std::uint32_t cell : cells) {
        if (cell >= grid) throw std::runtime_error("patch.select has a cell outside the grid");
        PacketStamp stamp;
        {
            const std::lock_guard lock(mutex);
            stamp = next_stamp();
        }
        const auto index = static_cast<int>(cell);
        const std::vector<std::uint8_t> packet = livesr::gst::patch_packet(
            *frame, SenderSession::cell, index % columns, index / columns, quality, stamp);
        const bool taken = output.push(klv_buffer(packet, frame->pts));
        if (taken) session.sent(frame->running_time, packet.size(), false);
        const std::lock_guard lock(mutex);
        if (taken) {
            ++counters.patches;
            counters.patch_bytes += packet.size();
        } else {
            ++counters.packets_dropped;
        }
    }
}

// Tells a receiver the true size: at once when it changed, and again and again while it cannot be
// guessed from the decoded one. `frame` needs no pixels.
void PickerState::announce(const LumaFrame& frame) {
    PacketStamp stamp;
    {
        const std::lock_guard lock(mutex);
        if (active.unrelated_sizes) return;
        const bool changed = frame.width != announced_width || frame.height != announced_height;
        const bool padded = livesr::gst::padded_side(frame.width, active.scale) != frame.width ||
                            livesr::gst::padded_side(frame.height, active.scale) != frame.height;
        // A flush may have set time back.
        const bool due = frame.running_time >= next_announcement ||
                         frame.running_time + announcement_interval < next_announcement;
        if (!changed && !(padded && due)) return;
        next_announcement = frame.running_time + announcement_interval;
        announced_width = frame.width;
        announced_height = frame.height;
        stamp = next_stamp();
    }
    const auto packet =
        livesr::gst::announcement_packet(frame.width, frame.height, frame.running_time, stamp);
    const bool taken = output.push(klv_buffer(packet, frame.pts));
    if (taken) session.sent(frame.running_time, packet.size(), true);
    const std::lock_guard lock(mutex);
    if (taken) {
        ++counters.announcements;
        counters.announcement_bytes += packet.size();
    } else {
        ++counters.packets_dropped;
    }
}

// Nothing (more) comes for the frame of this time. A nanosecond later than the frame: a multiplexer
// takes the earliest of what its pads hold, and must not hold the frame back until the next gap.
void PickerState::gap(GstClockTime pts) {
    GstClockTime duration = 0;
    {
        const std::lock_guard lock(mutex);
        duration = frame_time(high);
    }
    output.push(gst_event_new_gap(pts + 1, duration - 1));
}

void PickerState::end_if_done() {
    {
        const std::lock_guard lock(mutex);
        const bool waits_for_low = picking() && gst_pad_is_linked(low.pad) && !low.ended;
        if (!high.ended || waits_for_low || patches_ended) return;
        patches_ended = true;
    }
    output.push(gst_event_new_eos());
}

// --- high-resolution frames --------------------------------------------------------------------

void PickerState::set_high_caps(const GstVideoInfo& info) {
    {
        const std::lock_guard lock(mutex);
        const bool resized = high.has_caps && (GST_VIDEO_INFO_WIDTH(&high.info) != info.width ||
                                               GST_VIDEO_INFO_HEIGHT(&high.info) != info.height);
        if (resized) store.void_offers();
        high.info = info;
        high.has_caps = true;
    }
    const double fps = info.fps_d > 0 ? static_cast<double>(info.fps_n) / info.fps_d : 0;
    session.set_stream({info.width, info.height, fps});
}

GstFlowReturn PickerState::high_frame(GstBuffer* buffer) {
    LumaFrame frame;
    GstVideoInfo info;
    bool keep = false;
    bool gap_now = false;
    {
        const std::lock_guard lock(mutex);
        if (!high.has_caps) return GST_FLOW_NOT_NEGOTIATED;
        info = high.info;
        frame.running_time = running_time_of(high, buffer);
        if (!GST_CLOCK_TIME_IS_VALID(frame.running_time)) return GST_FLOW_OK;
        ++counters.frames;
        keep = picking() && store.wants(frame.running_time);
        // In lockstep only the decoded picture says that a frame is decided.
        gap_now = !(active.lockstep && picking());
    }
    frame.pts = GST_BUFFER_PTS(buffer);
    frame.width = GST_VIDEO_INFO_WIDTH(&info);
    frame.height = GST_VIDEO_INFO_HEIGHT(&info);
    // Before this frame is encoded: in lockstep the plan for it is in force when this returns.
    session.tick(frame.running_time);
    announce(frame);
    if (keep && session.connected() && copy_luma(info, buffer, frame)) {
        const std::lock_guard lock(mutex);
        store.add(std::move(frame));
    }
    if (gap_now) gap(GST_BUFFER_PTS(buffer));
    return GST_FLOW_OK;
}

gboolean PickerState::high_event(GstEvent* event) {
    switch (GST_EVENT_TYPE(event)) {
        case GST_EVENT_STREAM_START: {
            const gchar* id = nullptr;
            gst_event_parse_stream_start(event, &id);
            GstEvent* ours = gst_event_new_stream_start((std::string(id) + "/patches").c_str());
            gst_event_set_stream_flags(ours, GST_STREAM_FLAG_SPARSE);
            if (guint group = 0; gst_event_parse_group_id(event, &group)) {
                gst_event_set_group_id(ours, group);
            }
            output.push(ours);
            // A stream after an end, without a flush.
            const std::lock_guard lock(mutex);
            high.ended = patches_ended = false;
            break;
        }
        case GST_EVENT_CAPS: {
            GstCaps* caps = nullptr;
            GstVideoInfo info;
            gst_event_parse_caps(event, &caps);
            if (!gst_video_info_from_caps(&info, caps)) {
                gst_event_unref(event);
                return FALSE;
            }
            set_high_caps(info);
            GstCaps* klv = gst_static_pad_template_get_caps(&patches_template);
            output.push(gst_event_new_caps(klv));
            gst_caps_unref(klv);
            break;
        }
        case GST_EVENT_SEGMENT: {
            const GstSegment* segment = nullptr;
            gst_event_parse_segment(event, &segment);
            {
                const std::lock_guard lock(mutex);
                gst_segment_copy_into(segment, &high.segment);
            }
            if (segment->format == GST_FORMAT_TIME) output.push(gst_event_ref(event));
            break;
        }
        case GST_EVENT_GAP:
            output.push(gst_event_ref(event));
            break;
        case GST_EVENT_EOS: {
            {
                const std::lock_guard lock(mutex);
                high.ended = true;
            }
            end_if_done();
            break;
        }
        case GST_EVENT_FLUSH_START:
            output.flush_start(gst_event_ref(event));
            break;
        case GST_EVENT_FLUSH_STOP: {
            {
                const std::lock_guard lock(mutex);
                store.clear();
                high.ended = patches_ended = false;
                gst_segment_init(&high.segment, GST_FORMAT_UNDEFINED);
            }
            output.flush_stop(gst_event_ref(event));
            break;
        }
        default:
            break;
    }
    gst_event_unref(event);
    return TRUE;
}

// --- decoded low-resolution pictures -----------------------------------------------------------

// Offers the frame that this picture belongs to, where there is one.
void PickerState::pair(GstBuffer* buffer, GstClockTime running_time) {
    std::optional<LumaFrame> frame;
    GstVideoInfo info;
    int scale = 0;
    {
        const std::lock_guard lock(mutex);
        frame = store.take(running_time, frame_time(high) / 2);
        info = low.info;
        scale = active.scale;
        if (!frame) return;
        if (GST_VIDEO_INFO_WIDTH(&info) != livesr::gst::lowres_side(frame->width, scale) ||
            GST_VIDEO_INFO_HEIGHT(&info) != livesr::gst::lowres_side(frame->height, scale)) {
            ++counters.size_mismatches;
            return;
        }
    }
    GstVideoFrame video;
    if (!gst_video_frame_map(&video, &info, buffer, GST_MAP_READ)) return;
    const std::vector<std::uint32_t> errors = livesr::gst::cell_errors(
        *frame, static_cast<const std::uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&video, 0)),
        GST_VIDEO_FRAME_PLANE_STRIDE(&video, 0), scale, SenderSession::cell);
    gst_video_frame_unmap(&video);
    const int columns = frame->width / SenderSession::cell;
    const int rows = frame->height / SenderSession::cell;
    const GstClockTime offered_time = frame->running_time;
    std::uint64_t number = 0;
    {
        const std::lock_guard lock(mutex);
        number = store.offer(std::move(*frame));
    }
    session.offer(number, offered_time, columns, rows, errors);
}

GstFlowReturn PickerState::low_frame(GstBuffer* buffer) {
    GstClockTime running_time = GST_CLOCK_TIME_NONE;
    {
        const std::lock_guard lock(mutex);
        if (!low.has_caps) return GST_FLOW_NOT_NEGOTIATED;
        ++counters.lowres_frames;
        running_time = running_time_of(low, buffer);
        if (!picking()) return GST_FLOW_OK;
    }
    if (!GST_CLOCK_TIME_IS_VALID(running_time)) return GST_FLOW_OK;
    pair(buffer, running_time);
    GstClockTime decided = GST_CLOCK_TIME_NONE;
    {
        const std::lock_guard lock(mutex);
        if (active.lockstep && high.segment.format == GST_FORMAT_TIME) {
            decided = gst_segment_position_from_running_time(&high.segment, GST_FORMAT_TIME,
                                                             running_time);
        }
    }
    if (GST_CLOCK_TIME_IS_VALID(decided)) gap(decided);
    return GST_FLOW_OK;
}

gboolean PickerState::low_event(GstEvent* event) {
    bool understood = true;
    bool ended = false;
    {
        const std::lock_guard lock(mutex);
        switch (GST_EVENT_TYPE(event)) {
            case GST_EVENT_STREAM_START:
                low.ended = false;
                break;
            case GST_EVENT_CAPS: {
                GstCaps* caps = nullptr;
                gst_event_parse_caps(event, &caps);
                understood = low.has_caps = gst_video_info_from_caps(&low.info, caps) == TRUE;
                break;
            }
            case GST_EVENT_SEGMENT:
                gst_event_copy_segment(event, &low.segment);
                break;
            case GST_EVENT_EOS:
                low.ended = ended = true;
                break;
            case GST_EVENT_FLUSH_STOP:
                low.ended = false;
                gst_segment_init(&low.segment, GST_FORMAT_UNDEFINED);
                break;
            default:
                break;
        }
    }
    if (ended) end_if_done();
    gst_event_unref(event);
    return understood ? TRUE : FALSE;
}

// --- reading out -------------------------------------------------------------------------------

void PickerState::add_stats(GstStructure* stats) const {
    session.add_stats(stats);
    const std::lock_guard lock(mutex);
    const auto add = [stats](const char* name, std::uint64_t value) {
        gst_structure_set(stats, name, G_TYPE_UINT64, static_cast<guint64>(value), nullptr);
    };
    add("frames", counters.frames);
    add("lowres-frames", counters.lowres_frames);
    add("frames-unpaired", store.unpaired());
    add("size-mismatches", counters.size_mismatches);
    add("offers-unanswered", store.unanswered());
    add("selections-void", counters.void_selections);
    add("patches", counters.patches);
    add("patch-bytes", counters.patch_bytes);
    add("announcements", counters.announcements);
    add("announcement-bytes", counters.announcement_bytes);
    add("packets-dropped", counters.packets_dropped);
}

// --- the element -------------------------------------------------------------------------------

static PickerState& state_of(GstObject* object) { return *GST_PATCH_PICKER(object)->state; }

static GstFlowReturn gst_patch_picker_sink_chain(GstPad*, GstObject* parent, GstBuffer* buffer) {
    const GstFlowReturn flow = state_of(parent).high_frame(buffer);
    gst_buffer_unref(buffer);
    return flow;
}

static GstFlowReturn gst_patch_picker_lowres_chain(GstPad*, GstObject* parent, GstBuffer* buffer) {
    const GstFlowReturn flow = state_of(parent).low_frame(buffer);
    gst_buffer_unref(buffer);
    return flow;
}

static gboolean gst_patch_picker_sink_event(GstPad*, GstObject* parent, GstEvent* event) {
    return state_of(parent).high_event(event);
}

static gboolean gst_patch_picker_lowres_event(GstPad*, GstObject* parent, GstEvent* event) {
    return state_of(parent).low_event(event);
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
            return gst_pad_push_event(state_of(parent).high.pad, event);
    }
}

static gboolean gst_patch_picker_patches_activate(GstPad*, GstObject* parent, GstPadMode mode,
                                                  gboolean active) {
    if (mode != GST_PAD_MODE_PUSH) return FALSE;
    PatchOutput& output = state_of(parent).output;
    if (active) {
        output.start();
    } else {
        output.stop();
    }
    return TRUE;
}

static GstStateChangeReturn gst_patch_picker_change_state(GstElement* element,
                                                          GstStateChange transition) {
    PickerState& state = *GST_PATCH_PICKER(element)->state;
    if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !state.start()) {
        return GST_STATE_CHANGE_FAILURE;
    }
    // Before the pads: a streaming thread may be waiting for the engine.
    if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) state.stop();
    return GST_ELEMENT_CLASS(parent_class)->change_state(element, transition);
}

static void gst_patch_picker_set_property(GObject* object, guint id, const GValue* value,
                                          GParamSpec* spec) {
    PickerState& state = *GST_PATCH_PICKER(object)->state;
    SenderSettings settings;
    {
        const std::lock_guard lock(state.mutex);
        settings = state.settings;
    }
    if (livesr::gst::set_setting(settings, id, value)) {
        livesr::gst::configure_picker(GST_ELEMENT_CAST(object), settings);
    } else {
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
}

static void gst_patch_picker_get_property(GObject* object, guint id, GValue* value,
                                          GParamSpec* spec) {
    const PickerState& state = *GST_PATCH_PICKER(object)->state;
    if (livesr::gst::is_stats(id)) {
        GstStructure* stats = gst_structure_new_empty("application/x-livesr-sender-stats");
        state.add_stats(stats);
        g_value_take_boxed(value, stats);
        return;
    }
    if (livesr::gst::get_plan(state.session.plan(), id, value)) return;
    const std::lock_guard lock(state.mutex);
    if (!livesr::gst::get_setting(state.settings, id, value)) {
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
}

static void gst_patch_picker_finalize(GObject* object) {
    delete GST_PATCH_PICKER(object)->state;
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
    gst_element_class_set_static_metadata(element_class, "Patch picker", "Filter/Video/Metadata",
                                          "Sends pieces of high-resolution frames (pad sink) "
                                          "beside their low-resolution video, whose "
                                          "decoded pictures come in on the pad lowres. patchsender "
                                          "has one inside; by itself it serves "
                                          "an encoder that is elsewhere",
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
    self->state = new PickerState(self, sink, lowres, patches);
    gst_element_add_pad(GST_ELEMENT_CAST(self), patches);
}

namespace livesr::gst {

bool register_patch_picker(GstPlugin* plugin) {
    GST_DEBUG_CATEGORY_INIT(patch_picker_debug, "patchpicker", 0, "Patches of frames");
    return gst_element_register(plugin, "patchpicker", GST_RANK_NONE,
                                gst_patch_picker_get_type()) == TRUE;
}

void configure_picker(GstElement* picker, const SenderSettings& settings) {
    PickerState& state = *GST_PATCH_PICKER(picker)->state;
    bool running = false;
    {
        const std::lock_guard lock(state.mutex);
        running = GST_STATE(picker) >= GST_STATE_PAUSED;
        state.settings = settings;
        // What cannot change while it runs waits for the next start.
        SenderSettings next = settings;
        next.scale = state.active.scale;
        next.engine = state.active.engine;
        next.lockstep = state.active.lockstep;
        next.seed = state.active.seed;
        next.patches = state.active.patches;
        next.unrelated_sizes = state.active.unrelated_sizes;
        if (running) state.active = next;
    }
    if (!running) return;
    if (const std::string problem = describe_problem(settings); !problem.empty()) {
        GST_ELEMENT_WARNING(picker, RESOURCE, SETTINGS, ("%s", problem.c_str()), (nullptr));
        return;
    }
    SenderSettings active;
    {
        const std::lock_guard lock(state.mutex);
        active = state.active;
    }
    state.session.update(active);
}

void watch_plan(GstElement* picker, std::function<void(const Plan&)> on_plan) {
    PickerState& state = *GST_PATCH_PICKER(picker)->state;
    const std::lock_guard lock(state.mutex);
    state.on_plan = std::move(on_plan);
}

SenderSession& session_of(GstElement* picker) { return GST_PATCH_PICKER(picker)->state->session; }

void set_lowres_expected(GstElement* picker, bool expected) {
    PickerState& state = *GST_PATCH_PICKER(picker)->state;
    {
        const std::lock_guard lock(state.mutex);
        state.lowres_expected = expected;
        if (!expected) state.store.clear();
    }
    state.end_if_done();
}

GstFlowReturn last_patch_flow(GstElement* picker) {
    return GST_PATCH_PICKER(picker)->state->output.last_flow();
}

}  // namespace livesr::gst
