/**
 * element-livesrdemux
 *
 * Takes an MPEG transport stream apart as tsdemux does, for a server to which senders come and go:
 * its pads are there from the start and stay, so that the links of a launch line hold, whatever
 * pads the tsdemux inside makes and removes. A track that is missing, comes late, comes back or
 * changes ends nothing. Picture, sound and patches share one timeline, which never steps back
 * (timeline.h).
 *
 * |[
 * gst-launch-1.0 srtsrc uri="srt://:7001?mode=listener" keep-listening=true ! livesrdemux name=d
 *     d.video ! queue ! h264parse ! avdec_h264 ! srenhancer ! videoconvert ! autovideosink
 *     d.audio_0 ! queue ! aacparse ! avdec_aac ! audioconvert ! autoaudiosink
 * ]|
 */
#include "gst/transport/livesrdemux.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <string>

#include "gst/transport/tracks.h"
#include "gst/warning.h"

GST_DEBUG_CATEGORY(livesr_demux_debug);
#define GST_CAT_DEFAULT livesr_demux_debug

using livesr::gst::TrackKind;
using livesr::gst::Tracks;

namespace {

enum Property : guint { latency = 1, stats };

constexpr guint default_latency_ms = 700;
// tsdemux adds the time at which a buffer came to the times of the stream. One time for all, later
// than any time a stream can have (33 bits of 90 kHz), leaves the stream's own, and positive.
constexpr GstClockTime constant_arrival = 30 * 3600 * GST_SECOND;
constexpr std::int64_t patience_for_video_ns = 5'000'000'000;

GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
                            GST_STATIC_CAPS("video/mpegts, systemstream=(boolean)true"));
GstStaticPadTemplate video_template =
    GST_STATIC_PAD_TEMPLATE("video", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
GstStaticPadTemplate patches_template = GST_STATIC_PAD_TEMPLATE(
    "patches", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("meta/x-klv, parsed=(boolean)true"));
GstStaticPadTemplate audio_template =
    GST_STATIC_PAD_TEMPLATE("audio_%u", GST_PAD_SRC, GST_PAD_REQUEST, GST_STATIC_CAPS_ANY);

struct DemuxState {
    explicit DemuxState(livesr::gst::Warn warn) : tracks(std::move(warn)) {}

    Tracks tracks;
    GstPad* sink = nullptr;   // owned by the element
    GstPad* inner = nullptr;  // owned; feeds tsdemux, in no element
    std::atomic<guint> latency_ms{default_latency_ms};
    // Of the streaming thread.
    GstSegment segment;
    bool begun = false;
    std::optional<std::int64_t> arrival_ns;
    std::optional<std::int64_t> video_seen_ns;
    bool said_no_video = false;

    void reset() {
        gst_segment_init(&segment, GST_FORMAT_UNDEFINED);
        begun = said_no_video = false;
        arrival_ns.reset();
        video_seen_ns.reset();
    }
};

}  // namespace

struct _GstLivesrDemux {
    GstBin parent;
    DemuxState* state;
};

typedef struct _GstLivesrDemux GstLivesrDemux;

typedef struct _GstLivesrDemuxClass {
    GstBinClass parent_class;
} GstLivesrDemuxClass;

G_DEFINE_TYPE(GstLivesrDemux, gst_livesr_demux, GST_TYPE_BIN)

#define GST_LIVESR_DEMUX(object) (reinterpret_cast<GstLivesrDemux*>(object))

namespace {

DemuxState& state_of(gpointer element) { return *GST_LIVESR_DEMUX(element)->state; }

// --- what comes in ---

// The running time at which it came, as far as the source says it. Files do not.
std::optional<std::int64_t> arrival_of(const DemuxState& state, GstBuffer* buffer) {
    GstClockTime time = GST_BUFFER_DTS_OR_PTS(buffer);
    if (!GST_CLOCK_TIME_IS_VALID(time)) return state.arrival_ns;
    if (state.segment.format == GST_FORMAT_TIME) {
        time = gst_segment_to_running_time(&state.segment, GST_FORMAT_TIME, time);
        if (!GST_CLOCK_TIME_IS_VALID(time)) return state.arrival_ns;
    }
    const auto now = static_cast<std::int64_t>(time);
    return std::max(now, state.arrival_ns.value_or(now));
}

// A stream without video says so nowhere else. One without a track of patches may have them inside
// its pictures; where none come at all, srenhancer says so.
void say_what_is_missing(GstElement* element, DemuxState& state) {
    const std::int64_t now = state.tracks.now_ns();
    if (!state.video_seen_ns) state.video_seen_ns = now;
    if (state.tracks.has(TrackKind::video)) {
        state.video_seen_ns = now;
        state.said_no_video = false;
    } else if (!state.said_no_video && now - *state.video_seen_ns > patience_for_video_ns) {
        state.said_no_video = true;
        livesr::gst::post_warning(
            element, "Data arrives, but for 5 s no picture in it",
            "Does the sender send MPEG-TS with video? A sender with sound alone, or an encrypted "
            "stream without its passphrase, looks like this");
    }
}

GstFlowReturn chain(GstPad*, GstObject* parent, GstBuffer* buffer) {
    DemuxState& state = state_of(parent);
    if (!state.begun) {
        GstSegment segment;
        gst_segment_init(&segment, GST_FORMAT_TIME);
        gst_pad_push_event(state.inner, gst_event_new_segment(&segment));
        state.begun = true;
    }
    state.arrival_ns = arrival_of(state, buffer);
    state.tracks.set_arrival(state.arrival_ns);
    buffer = gst_buffer_make_writable(buffer);
    GST_BUFFER_PTS(buffer) = constant_arrival;
    GST_BUFFER_DTS(buffer) = GST_CLOCK_TIME_NONE;
    const GstFlowReturn flow = gst_pad_push(state.inner, buffer);
    say_what_is_missing(GST_ELEMENT_CAST(parent), state);
    // Pads of the demultiplexer that nobody wants are no reason to end.
    return flow == GST_FLOW_NOT_LINKED ? state.tracks.flow() : flow;
}

gboolean on_sink_event(GstPad*, GstObject* parent, GstEvent* event) {
    DemuxState& state = state_of(parent);
    switch (GST_EVENT_TYPE(event)) {
        case GST_EVENT_STREAM_START:
        case GST_EVENT_CAPS:
            return gst_pad_push_event(state.inner, event);
        case GST_EVENT_SEGMENT:
            gst_event_copy_segment(event, &state.segment);
            break;
        case GST_EVENT_EOS:
            // What it still holds comes out first.
            gst_pad_push_event(state.inner, gst_event_ref(event));
            state.tracks.push_all(event);
            return TRUE;
        case GST_EVENT_FLUSH_START:
            gst_pad_push_event(state.inner, gst_event_ref(event));
            state.tracks.push_all(event);
            return TRUE;
        case GST_EVENT_FLUSH_STOP:
            gst_pad_push_event(state.inner, gst_event_ref(event));
            state.tracks.push_all(event);
            state.tracks.flushed();
            state.begun = false;
            return TRUE;
        default:
            break;
    }
    gst_event_unref(event);
    return TRUE;
}

gboolean on_sink_query(GstPad* pad, GstObject* parent, GstQuery* query) {
    switch (GST_QUERY_TYPE(query)) {
        case GST_QUERY_CAPS:
        case GST_QUERY_ACCEPT_CAPS:
            return gst_pad_query_default(pad, parent, query);
        default:
            return FALSE;
    }
}

// --- pads of ours ---

gboolean on_src_event(GstPad*, GstObject* parent, GstEvent* event) {
    DemuxState& state = state_of(parent);
    switch (GST_EVENT_TYPE(event)) {
        case GST_EVENT_CUSTOM_UPSTREAM:
            return gst_pad_push_event(state.sink, event);
        case GST_EVENT_SEEK:
            gst_event_unref(event);
            return FALSE;
        default:
            gst_event_unref(event);
            return TRUE;
    }
}

gboolean on_src_query(GstPad* pad, GstObject* parent, GstQuery* query) {
    DemuxState& state = state_of(parent);
    switch (GST_QUERY_TYPE(query)) {
        case GST_QUERY_LATENCY: {
            if (!gst_pad_peer_query(state.sink, query)) return FALSE;
            gboolean is_live = FALSE;
            GstClockTime min = 0;
            GstClockTime max = GST_CLOCK_TIME_NONE;
            gst_query_parse_latency(query, &is_live, &min, &max);
            if (is_live) {
                const GstClockTime own = state.latency_ms * GST_MSECOND;
                min += own;
                if (GST_CLOCK_TIME_IS_VALID(max)) max += own;
            }
            gst_query_set_latency(query, is_live, min, max);
            return TRUE;
        }
        case GST_QUERY_CAPS:
        case GST_QUERY_ACCEPT_CAPS:
            return gst_pad_query_default(pad, parent, query);
        default:
            return FALSE;
    }
}

GstPad* make_output(GstElement* element, GstPadTemplate* pad_template, const char* name,
                    TrackKind kind, int index) {
    GstPad* pad = gst_pad_new_from_template(pad_template, name);
    gst_pad_set_event_function(pad, on_src_event);
    gst_pad_set_query_function(pad, on_src_query);
    gst_pad_use_fixed_caps(pad);
    state_of(element).tracks.add_output(kind, index, pad);
    if (GST_STATE(element) > GST_STATE_READY) gst_pad_set_active(pad, TRUE);
    if (gst_element_add_pad(element, pad)) return pad;
    state_of(element).tracks.remove_output(pad);
    return nullptr;
}

GstPad* request_audio_pad(GstElement* element, GstPadTemplate* pad_template, const gchar* name,
                          const GstCaps*) {
    int index = 0;
    if (name != nullptr && g_str_has_prefix(name, "audio_")) {
        index = static_cast<int>(g_ascii_strtoull(name + 6, nullptr, 10));
    } else {
        while (GstPad* taken = gst_element_get_static_pad(
                   element, ("audio_" + std::to_string(index)).c_str())) {
            gst_object_unref(taken);
            ++index;
        }
    }
    return make_output(element, pad_template, ("audio_" + std::to_string(index)).c_str(),
                       TrackKind::audio, index);
}

void release_audio_pad(GstElement* element, GstPad* pad) {
    state_of(element).tracks.remove_output(pad);
    gst_pad_set_active(pad, FALSE);
    gst_element_remove_pad(element, pad);
}

// --- the element ---

void on_pad_added(GstElement*, GstPad* pad, gpointer self) {
    if (GST_PAD_IS_SRC(pad)) state_of(self).tracks.take(pad);
}

void on_pad_removed(GstElement*, GstPad* pad, gpointer self) { state_of(self).tracks.lose(pad); }

GstStateChangeReturn change_state(GstElement* element, GstStateChange transition) {
    DemuxState& state = state_of(element);
    if (transition == GST_STATE_CHANGE_NULL_TO_READY && GST_BIN_NUMCHILDREN(element) == 0) {
        GST_ELEMENT_ERROR(element, CORE, MISSING_PLUGIN, ("There is no element \"tsdemux\""),
                          ("Install gstreamer1.0-plugins-bad"));
        return GST_STATE_CHANGE_FAILURE;
    }
    if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
        state.reset();
        gst_pad_set_active(state.inner, TRUE);
    } else if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
        // tsdemux takes its pads away when it stops: nothing may stream into them then.
        gst_pad_set_active(state.inner, FALSE);
        gst_pad_set_active(state.sink, FALSE);
    }
    const GstStateChangeReturn result =
        GST_ELEMENT_CLASS(gst_livesr_demux_parent_class)->change_state(element, transition);
    if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) state.tracks.clear();
    return result;
}

void set_property(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
    if (id != latency) {
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
        return;
    }
    state_of(object).latency_ms = g_value_get_uint(value);
    gst_element_post_message(GST_ELEMENT(object), gst_message_new_latency(GST_OBJECT(object)));
}

void get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
    switch (id) {
        case latency:
            g_value_set_uint(value, state_of(object).latency_ms);
            break;
        case stats: {
            GstStructure* fields = gst_structure_new_empty("application/x-livesr-demux-stats");
            state_of(object).tracks.add_stats(fields);
            g_value_take_boxed(value, fields);
            break;
        }
        default:
            G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
}

void finalize(GObject* object) {
    DemuxState* state = GST_LIVESR_DEMUX(object)->state;
    gst_object_unref(state->inner);
    delete state;
    G_OBJECT_CLASS(gst_livesr_demux_parent_class)->finalize(object);
}

}  // namespace

static void gst_livesr_demux_class_init(GstLivesrDemuxClass* klass) {
    GObjectClass* object_class = G_OBJECT_CLASS(klass);
    object_class->set_property = set_property;
    object_class->get_property = get_property;
    object_class->finalize = finalize;
    g_object_class_install_property(
        object_class, latency,
        g_param_spec_uint("latency", "Latency",
                          "How much later than the quickest a buffer of a live stream may arrive "
                          "and still be in time (ms)",
                          0, 60'000, default_latency_ms,
                          static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS)));
    g_object_class_install_property(
        object_class, stats,
        g_param_spec_boxed("stats", "Statistics",
                           "Buffers, bytes and media of each pad; pads-of-the-stream: how many "
                           "tracks have come; timeline-restarts: how often times began anew; "
                           "lateness: of the quickest buffer of the last 2 s (ns)",
                           GST_TYPE_STRUCTURE,
                           static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
    GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
    element_class->change_state = change_state;
    element_class->request_new_pad = request_audio_pad;
    element_class->release_pad = release_audio_pad;
    for (GstStaticPadTemplate* made :
         {&sink_template, &video_template, &patches_template, &audio_template}) {
        gst_element_class_add_static_pad_template(element_class, made);
    }
    gst_element_class_set_static_metadata(
        element_class, "Demultiplexer with pads that stay", "Codec/Demuxer",
        "Takes MPEG-TS apart for a server to which senders come and go: picture, patches and sound "
        "on pads that stay, in one timeline that never steps back. Example: gst-launch-1.0 srtsrc "
        "uri=\"srt://:7001?mode=listener\" keep-listening=true ! livesrdemux name=d d.video ! "
        "queue ! h264parse ! avdec_h264 ! srenhancer ! videoconvert ! autovideosink d.audio_0 ! "
        "queue ! aacparse ! avdec_aac ! audioconvert ! autoaudiosink",
        "livesr");
}

static GstPad* add_sink(GstLivesrDemux* self) {
    GstPad* sink = gst_pad_new_from_static_template(&sink_template, "sink");
    gst_pad_set_chain_function(sink, chain);
    gst_pad_set_event_function(sink, on_sink_event);
    gst_pad_set_query_function(sink, on_sink_query);
    gst_element_add_pad(GST_ELEMENT_CAST(self), sink);
    return sink;
}

static void gst_livesr_demux_init(GstLivesrDemux* self) {
    self->state = new DemuxState([self](const std::string& cause, const std::string& remedy) {
        livesr::gst::post_warning(GST_ELEMENT_CAST(self), cause, remedy);
    });
    DemuxState& state = *self->state;
    state.reset();
    state.sink = add_sink(self);
    state.inner = GST_PAD(gst_object_ref_sink(gst_pad_new("inner", GST_PAD_SRC)));
    GstElement* element = GST_ELEMENT_CAST(self);
    for (const auto& [pad_template, kind] : {std::pair{&video_template, TrackKind::video},
                                             std::pair{&patches_template, TrackKind::patches}}) {
        GstPadTemplate* made = gst_static_pad_template_get(pad_template);
        make_output(element, made, livesr::gst::name_of(kind), kind, 0);
        gst_object_unref(made);
    }
    // Without its plugin NULL to READY says what is missing.
    GstElement* demux = gst_element_factory_make("tsdemux", nullptr);
    if (demux == nullptr) return;
    // The times of the stream, and not what it makes of them: that is Timeline's.
    g_object_set(demux, "ignore-pcr", TRUE, nullptr);
    gst_bin_add(GST_BIN(self), demux);
    GstPad* target = gst_element_get_static_pad(demux, "sink");
    gst_pad_link_full(state.inner, target, GST_PAD_LINK_CHECK_NOTHING);
    gst_object_unref(target);
    g_signal_connect(demux, "pad-added", G_CALLBACK(on_pad_added), self);
    g_signal_connect(demux, "pad-removed", G_CALLBACK(on_pad_removed), self);
}

namespace livesr::gst {

bool register_livesrdemux(GstPlugin* plugin) {
    GST_DEBUG_CATEGORY_INIT(livesr_demux_debug, "livesrdemux", 0, "Stable pads for MPEG-TS");
    return gst_element_register(plugin, "livesrdemux", GST_RANK_NONE,
                                gst_livesr_demux_get_type()) == TRUE;
}

}  // namespace livesr::gst
