/**
 * element-livesrmux
 *
 * mpegtsmux for tracks that begin at different times. mpegtsmux 1.26 writes its first table of
 * programs with what is there, and says nothing when another track comes: whoever receives that
 * misses the first key frame, and so all pictures until the next. Here the data of every track
 * waits until all of them have said what they are, or two seconds. A track that says nothing is
 * left out until it does (mpegtsmux would fail, or wait for it for ever); pictures that join later
 * get a key frame once the table names them. Caps that say the same again, at which mpegtsmux
 * fails, go no further. What encoders of sound put before the first sample is taken off.
 *
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! patchsender ! h264parse ! queue
 *     ! livesrmux name=m ! srtsink uri="srt://server:7001?mode=caller"
 *     pulsesrc ! audioconvert ! avenc_aac ! aacparse ! queue ! m.
 * ]|
 */
#include "gst/transport/livesrmux.h"

#include <gst/video/video.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

GST_DEBUG_CATEGORY_STATIC(livesr_mux_debug);
#define GST_CAT_DEFAULT livesr_mux_debug

namespace {

constexpr std::chrono::seconds patience{2};
// Of packets of 188 bytes: what fits into one of the network's.
constexpr gint packets_together = 7;
// The table of programs goes out at least this often (mpegtsmux: 100 ms).
constexpr GstClockTime table_interval = 200 * GST_MSECOND;

GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink_%u", GST_PAD_SINK, GST_PAD_REQUEST, GST_STATIC_CAPS_ANY);
GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS,
                            GST_STATIC_CAPS("video/mpegts, systemstream=(boolean)true"));

struct Track {
    GstPad* pad = nullptr;    // ours, a ghost of mux's; of the element
    GstPad* inner = nullptr;  // of mpegtsmux; owned; null: not in the stream
    std::string inner_name;
    GstCaps* caps = nullptr;  // owned; null: not known yet
    bool ended = false;
    bool is_video = false;
    // It joined when the first table had gone out: when a key frame is to be asked for.
    bool needs_key = false;
    GstClockTime key_from = GST_CLOCK_TIME_NONE;

    ~Track() {
        gst_clear_caps(&caps);
        gst_clear_object(&inner);
    }
};

struct MuxState {
    GstElement* mux = nullptr;  // owned, and in the bin
    std::mutex mutex;
    std::condition_variable changed;
    // Under the lock.
    std::vector<std::shared_ptr<Track>> tracks;
    bool open = false;
    bool stopped = true;
    std::uint64_t waited = 0;  // times that patience ran out

    std::shared_ptr<Track> find(GstPad* pad) {
        const std::lock_guard lock(mutex);
        for (const auto& track : tracks) {
            if (track->pad == pad) return track;
        }
        return nullptr;
    }
    bool all_known() const {
        return std::all_of(tracks.begin(), tracks.end(),
                           [](const auto& track) { return track->caps || track->ended; });
    }
};

}  // namespace

struct _GstLivesrMux {
    GstBin parent;
    MuxState* state;
};

typedef struct _GstLivesrMux GstLivesrMux;

typedef struct _GstLivesrMuxClass {
    GstBinClass parent_class;
} GstLivesrMuxClass;

G_DEFINE_TYPE(GstLivesrMux, gst_livesr_mux, GST_TYPE_BIN)

#define GST_LIVESR_MUX(object) (reinterpret_cast<GstLivesrMux*>(object))

namespace {

MuxState& state_of(gpointer element) { return *GST_LIVESR_MUX(element)->state; }

bool is_video(const GstCaps* caps) {
    return g_str_has_prefix(gst_structure_get_name(gst_caps_get_structure(caps, 0)), "video/");
}

// mpegtsmux 1.22 fails at a track that has not said what it is when the first data comes, and in a
// file every version waits for it for ever: such a track is taken out until it does.
void leave_out(MuxState& state, Track& track) {
    gst_ghost_pad_set_target(GST_GHOST_PAD(track.pad), nullptr);
    gst_element_release_request_pad(state.mux, track.inner);
    gst_clear_object(&track.inner);
}

void take_in(MuxState& state, Track& track) {
    track.inner = gst_element_request_pad_simple(state.mux, track.inner_name.c_str());
    if (track.inner) gst_ghost_pad_set_target(GST_GHOST_PAD(track.pad), track.inner);
}

// Under the lock.
void open(MuxState& state) {
    state.open = true;
    for (const auto& track : state.tracks) {
        if (!track->caps && track->inner) leave_out(state, *track);
    }
    state.changed.notify_all();
}

// Holds the thread until the tracks are known; false when the element stops.
bool wait_for_all(GstElement* element, MuxState& state) {
    std::unique_lock lock(state.mutex);
    if (state.open) return !state.stopped;
    const bool came = state.changed.wait_for(
        lock, patience, [&] { return state.stopped || state.open || state.all_known(); });
    if (state.stopped) return false;
    if (!state.open && !came) {
        ++state.waited;
        GST_WARNING_OBJECT(element, "some track has no data yet: beginning without it");
    }
    if (!state.open) open(state);
    return true;
}

// After the next table a receiver knows the track, and can use a key frame.
void ask_for_key(Track& track, GstBuffer* buffer) {
    const GstClockTime now = GST_BUFFER_DTS_OR_PTS(buffer);
    if (!track.needs_key || !GST_CLOCK_TIME_IS_VALID(now)) return;
    if (!GST_CLOCK_TIME_IS_VALID(track.key_from)) track.key_from = now + table_interval;
    if (now < track.key_from) return;
    track.needs_key = false;
    gst_pad_push_event(track.pad,
                       gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 0));
}

GstFlowReturn chain(GstPad* pad, GstObject* parent, GstBuffer* buffer) {
    MuxState& state = state_of(parent);
    if (!wait_for_all(GST_ELEMENT_CAST(parent), state)) {
        gst_buffer_unref(buffer);
        return GST_FLOW_FLUSHING;
    }
    const auto track = state.find(pad);
    if (track) ask_for_key(*track, buffer);
    return gst_proxy_pad_chain_default(pad, parent, buffer);
}

// What encoders put in front of the first sample without taking it off the times (samples; measured
// with GStreamer 1.22: a beep comes so much later than the flash that it belongs to).
struct Priming {
    const char* encoder;
    guint64 samples;
};
constexpr Priming primings[] = {{"avenc_aac", 1024}, {"voaacenc", 1600}};

guint64 priming_of(GstElement* element) {
    GstElementFactory* factory = gst_element_get_factory(element);
    if (factory == nullptr) return 0;
    for (const Priming& known : primings) {
        if (std::string(GST_OBJECT_NAME(factory)) == known.encoder) return known.samples;
    }
    return 0;
}

// Of the encoder that is upstream of this pad, behind parsers and queues.
guint64 priming_before(GstPad* sink) {
    constexpr int max_elements = 8;
    guint64 samples = 0;
    GstPad* pad = GST_PAD(gst_object_ref(sink));
    for (int i = 0; pad && i < max_elements && samples == 0; ++i) {
        GstPad* peer = gst_pad_get_peer(pad);
        gst_object_unref(pad);
        pad = nullptr;
        GstElement* element = peer ? gst_pad_get_parent_element(peer) : nullptr;
        if (element) {
            samples = priming_of(element);
            pad = gst_element_get_static_pad(element, "sink");
            gst_object_unref(element);
        }
        gst_clear_object(&peer);
    }
    gst_clear_object(&pad);
    return samples;
}

// Before the segment comes.
void take_off_priming(GstPad* sink, const GstCaps* caps) {
    int rate = 0;
    const GstStructure* fields = gst_caps_get_structure(caps, 0);
    if (!gst_structure_has_name(fields, "audio/mpeg") ||
        !gst_structure_get_int(fields, "rate", &rate) || rate <= 0) {
        return;
    }
    const guint64 ns = gst_util_uint64_scale_int(priming_before(sink), GST_SECOND, rate);
    gst_pad_set_offset(sink, -static_cast<gint64>(ns));
}

// Whether the event is one that mpegtsmux is to see.
bool take_caps(MuxState& state, Track& track, GstEvent* event) {
    GstCaps* caps = nullptr;
    gst_event_parse_caps(event, &caps);
    take_off_priming(track.pad, caps);
    const std::lock_guard lock(state.mutex);
    if (track.caps && gst_caps_is_equal(track.caps, caps)) return false;
    track.is_video = is_video(caps);
    if (!track.caps && state.open && track.is_video) track.needs_key = true;
    gst_caps_replace(&track.caps, caps);
    if (!track.inner) take_in(state, track);
    return true;
}

gboolean on_event(GstPad* pad, GstObject* parent, GstEvent* event) {
    MuxState& state = state_of(parent);
    const auto track = state.find(pad);
    if (track && GST_EVENT_TYPE(event) == GST_EVENT_CAPS && !take_caps(state, *track, event)) {
        gst_event_unref(event);
        return TRUE;
    }
    const GstEventType type = GST_EVENT_TYPE(event);
    // A gap is data that is missing: it waits like data.
    if (type == GST_EVENT_GAP && !wait_for_all(GST_ELEMENT_CAST(parent), state)) {
        gst_event_unref(event);
        return FALSE;
    }
    const gboolean taken = gst_pad_event_default(pad, parent, event);
    if (track && (type == GST_EVENT_CAPS || type == GST_EVENT_EOS)) {
        const std::lock_guard lock(state.mutex);
        if (type == GST_EVENT_EOS) track->ended = true;
        state.changed.notify_all();
    }
    return taken;
}

// What mpegtsmux takes, asked of a track that is not in the stream now.
gboolean on_query(GstPad* pad, GstObject* parent, GstQuery* query) {
    MuxState& state = state_of(parent);
    GstPad* target = gst_ghost_pad_get_target(GST_GHOST_PAD(pad));
    if (target != nullptr) {
        gst_object_unref(target);
        return gst_pad_query_default(pad, parent, query);
    }
    GstPadTemplate* known =
        gst_element_class_get_pad_template(GST_ELEMENT_GET_CLASS(state.mux), "sink_%d");
    if (known == nullptr) return FALSE;
    GstCaps* caps = gst_pad_template_get_caps(known);
    gboolean answered = TRUE;
    if (GST_QUERY_TYPE(query) == GST_QUERY_CAPS) {
        GstCaps* filter = nullptr;
        gst_query_parse_caps(query, &filter);
        GstCaps* both = filter ? gst_caps_intersect(filter, caps) : gst_caps_ref(caps);
        gst_query_set_caps_result(query, both);
        gst_caps_unref(both);
    } else if (GST_QUERY_TYPE(query) == GST_QUERY_ACCEPT_CAPS) {
        GstCaps* asked = nullptr;
        gst_query_parse_accept_caps(query, &asked);
        gst_query_set_accept_caps_result(query, gst_caps_can_intersect(asked, caps));
    } else {
        answered = FALSE;
    }
    gst_caps_unref(caps);
    return answered;
}

GstPad* request_pad(GstElement* element, GstPadTemplate* pad_template, const gchar* name,
                    const GstCaps*) {
    MuxState& state = state_of(element);
    if (state.mux == nullptr) return nullptr;
    GstPad* inner = gst_element_request_pad_simple(state.mux, name != nullptr ? name : "sink_%d");
    if (inner == nullptr) return nullptr;
    GstPad* pad = gst_ghost_pad_new_from_template(GST_PAD_NAME(inner), inner, pad_template);
    gst_pad_set_chain_function(pad, chain);
    gst_pad_set_event_function(pad, on_event);
    gst_pad_set_query_function(pad, on_query);
    auto track = std::make_shared<Track>();
    track->pad = pad;
    track->inner = inner;
    track->inner_name = GST_PAD_NAME(inner);
    {
        const std::lock_guard lock(state.mutex);
        state.tracks.push_back(std::move(track));
    }
    if (GST_STATE(element) > GST_STATE_READY) gst_pad_set_active(pad, TRUE);
    gst_element_add_pad(element, pad);
    return pad;
}

void release_pad(GstElement* element, GstPad* pad) {
    MuxState& state = state_of(element);
    const auto track = state.find(pad);
    {
        const std::lock_guard lock(state.mutex);
        std::erase(state.tracks, track);
        state.changed.notify_all();
    }
    gst_pad_set_active(pad, FALSE);
    gst_element_remove_pad(element, pad);
    if (track && track->inner) gst_element_release_request_pad(state.mux, track->inner);
}

GstStateChangeReturn change_state(GstElement* element, GstStateChange transition) {
    MuxState& state = state_of(element);
    if (transition == GST_STATE_CHANGE_NULL_TO_READY && state.mux == nullptr) {
        GST_ELEMENT_ERROR(element, CORE, MISSING_PLUGIN, ("There is no element \"mpegtsmux\""),
                          ("Install gstreamer1.0-plugins-bad"));
        return GST_STATE_CHANGE_FAILURE;
    }
    if (transition == GST_STATE_CHANGE_READY_TO_PAUSED ||
        transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
        const std::lock_guard lock(state.mutex);
        state.stopped = transition == GST_STATE_CHANGE_PAUSED_TO_READY;
        state.open = false;
        for (const auto& track : state.tracks) {
            gst_caps_replace(&track->caps, nullptr);
            track->ended = track->needs_key = false;
            track->key_from = GST_CLOCK_TIME_NONE;
            // Back for the next start.
            if (state.stopped && !track->inner) take_in(state, *track);
        }
        state.changed.notify_all();
    }
    return GST_ELEMENT_CLASS(gst_livesr_mux_parent_class)->change_state(element, transition);
}

void finalize(GObject* object) {
    gst_clear_object(&GST_LIVESR_MUX(object)->state->mux);
    delete GST_LIVESR_MUX(object)->state;
    G_OBJECT_CLASS(gst_livesr_mux_parent_class)->finalize(object);
}

}  // namespace

static void gst_livesr_mux_class_init(GstLivesrMuxClass* klass) {
    G_OBJECT_CLASS(klass)->finalize = finalize;
    GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
    element_class->change_state = change_state;
    element_class->request_new_pad = request_pad;
    element_class->release_pad = release_pad;
    gst_element_class_add_static_pad_template(element_class, &sink_template);
    gst_element_class_add_static_pad_template(element_class, &src_template);
    gst_element_class_set_static_metadata(
        element_class, "Multiplexer that waits for all tracks", "Codec/Muxer",
        "mpegtsmux whose first table of programs names every track: data waits until all tracks "
        "have said what they are, or 2 s. Example: gst-launch-1.0 v4l2src ! videoconvert ! "
        "patchsender ! h264parse ! queue ! livesrmux name=m ! srtsink "
        "uri=\"srt://server:7001?mode=caller\" pulsesrc ! audioconvert ! avenc_aac ! aacparse ! "
        "queue ! m.",
        "livesr");
}

static void gst_livesr_mux_init(GstLivesrMux* self) {
    self->state = new MuxState();
    GstElement* element = GST_ELEMENT_CAST(self);
    GstPadTemplate* made = gst_static_pad_template_get(&src_template);
    GstElement* mux = gst_element_factory_make("mpegtsmux", nullptr);
    if (mux == nullptr) {
        gst_element_add_pad(element, gst_ghost_pad_new_no_target_from_template("src", made));
    } else {
        g_object_set(mux, "alignment", packets_together, nullptr);
        gst_bin_add(GST_BIN(self), mux);
        GstPad* target = gst_element_get_static_pad(mux, "src");
        gst_element_add_pad(element, gst_ghost_pad_new_from_template("src", target, made));
        gst_object_unref(target);
        self->state->mux = GST_ELEMENT(gst_object_ref(mux));
    }
    gst_object_unref(made);
}

namespace livesr::gst {

bool register_livesrmux(GstPlugin* plugin) {
    GST_DEBUG_CATEGORY_INIT(livesr_mux_debug, "livesrmux", 0, "MPEG-TS with all tracks");
    return gst_element_register(plugin, "livesrmux", GST_RANK_NONE, gst_livesr_mux_get_type()) ==
           TRUE;
}

}  // namespace livesr::gst
