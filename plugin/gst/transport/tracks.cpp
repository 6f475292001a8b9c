#include "gst/transport/tracks.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace livesr::gst {

namespace {

constexpr std::int64_t silent_ns = 1'000'000'000;

bool starts_with(const char* text, const char* prefix) {
    return std::strncmp(text, prefix, std::strlen(prefix)) == 0;
}

std::optional<TrackKind> kind_of(const GstCaps* caps) {
    if (caps == nullptr || gst_caps_is_empty(caps) || gst_caps_is_any(caps)) return std::nullopt;
    const char* media = gst_structure_get_name(gst_caps_get_structure(caps, 0));
    if (starts_with(media, "video/")) return TrackKind::video;
    if (starts_with(media, "audio/")) return TrackKind::audio;
    if (std::strcmp(media, "meta/x-klv") == 0) return TrackKind::patches;
    return std::nullopt;
}

std::optional<std::int64_t> time_of(GstClockTime time) {
    if (!GST_CLOCK_TIME_IS_VALID(time)) return std::nullopt;
    return static_cast<std::int64_t>(time);
}

GstClockTime clock_time(std::optional<std::int64_t> time) {
    return time ? static_cast<GstClockTime>(*time) : GST_CLOCK_TIME_NONE;
}

}  // namespace

const char* name_of(TrackKind kind) {
    switch (kind) {
        case TrackKind::video:
            return "video";
        case TrackKind::audio:
            return "audio";
        case TrackKind::patches:
            return "patches";
    }
    return "";
}

// Our end of one of the demultiplexer's pads. It is in no element, so that nothing else links it.
struct Tracks::Intake {
    Tracks* tracks;
    GstPad* pad;   // owned
    GstPad* from;  // owned
    int number;    // for the timeline
    std::optional<TrackKind> kind;
    int slot = -1;  // its place among those of its kind
    bool claims = false;
    std::int64_t heard_ns = 0;
};

void Tracks::Destroy::operator()(Intake* intake) const {
    gst_pad_set_active(intake->pad, FALSE);
    gst_pad_unlink(intake->from, intake->pad);
    gst_object_unref(intake->from);
    gst_object_unref(intake->pad);
    delete intake;
}

// --- pads of ours ---

void Tracks::add_output(TrackKind kind, int index, GstPad* pad) {
    const std::lock_guard lock(mutex_);
    outputs_.push_back(std::make_shared<Output>(kind, index, pad));
}

void Tracks::remove_output(GstPad* pad) {
    const std::lock_guard lock(mutex_);
    std::erase_if(outputs_, [pad](const auto& output) { return output->pad == pad; });
}

std::shared_ptr<Output> Tracks::output_of(TrackKind kind, int slot) const {
    const std::lock_guard lock(mutex_);
    for (const auto& output : outputs_) {
        if (output->kind == kind && output->index == slot) return output;
    }
    return nullptr;
}

void Tracks::push_all(GstEvent* event) {
    std::vector<std::shared_ptr<Output>> outputs;
    {
        const std::lock_guard lock(mutex_);
        outputs = outputs_;
    }
    for (const auto& output : outputs) gst_pad_push_event(output->pad, gst_event_ref(event));
    gst_event_unref(event);
}

void Tracks::flushed() {
    const std::lock_guard lock(mutex_);
    for (const auto& output : outputs_) {
        output->begun = false;
        output->flow = GST_FLOW_OK;
        output->last_dts_ns.reset();
    }
}

GstFlowReturn Tracks::flow() const {
    const std::lock_guard lock(mutex_);
    bool some = false;
    bool all_ended = true;
    for (const auto& output : outputs_) {
        const GstFlowReturn flow = output->flow;
        if (flow == GST_FLOW_FLUSHING || flow < GST_FLOW_EOS) return flow;
        if (!gst_pad_is_linked(output->pad)) continue;
        some = true;
        all_ended = all_ended && flow == GST_FLOW_EOS;
    }
    return some && all_ended ? GST_FLOW_EOS : GST_FLOW_OK;
}

bool Tracks::has(TrackKind kind) const {
    return std::any_of(intakes_.begin(), intakes_.end(),
                       [kind](const IntakePtr& intake) { return intake->kind == kind; });
}

// --- pads of the demultiplexer ---

void Tracks::take(GstPad* from) {
    IntakePtr intake(new Intake{.tracks = this,
                                .pad = gst_pad_new(nullptr, GST_PAD_SINK),
                                .from = GST_PAD(gst_object_ref(from)),
                                .number = next_track_++,
                                .kind = std::nullopt});
    gst_object_ref_sink(intake->pad);
    gst_pad_set_element_private(intake->pad, intake.get());
    gst_pad_set_chain_function(intake->pad, chain);
    gst_pad_set_event_function(intake->pad, on_event);
    gst_pad_set_active(intake->pad, TRUE);
    // The two have no common parent: that is what the checks would refuse.
    gst_pad_link_full(from, intake->pad, GST_PAD_LINK_CHECK_NOTHING);
    intakes_.push_back(std::move(intake));
    const std::lock_guard lock(mutex_);
    ++counts_.pads;
}

void Tracks::lose(GstPad* from) {
    const auto at = std::find_if(intakes_.begin(), intakes_.end(),
                                 [from](const IntakePtr& intake) { return intake->from == from; });
    if (at == intakes_.end()) return;
    const auto kind = (*at)->kind;
    const int slot = (*at)->slot;
    timeline_.forget((*at)->number);
    intakes_.erase(at);
    if (!kind) return;
    // The newest of those that found the place taken; a program that changed has made it instead.
    for (auto i = intakes_.rbegin(); i != intakes_.rend(); ++i) {
        if ((*i)->kind == kind && (*i)->slot > slot) {
            (*i)->slot = slot;
            (*i)->claims = false;
            return;
        }
    }
}

void Tracks::clear() {
    intakes_.clear();
    timeline_ = Timeline();
    arrival_ns_.reset();
    const std::lock_guard lock(mutex_);
    counts_ = {};
    for (const auto& output : outputs_) {
        *output = Output(output->kind, output->index, output->pad);
    }
}

int Tracks::free_slot(TrackKind kind) const {
    for (int slot = 0;; ++slot) {
        const auto has_it = [&](const IntakePtr& intake) {
            return intake->kind == kind && intake->slot == slot;
        };
        if (std::none_of(intakes_.begin(), intakes_.end(), has_it)) return slot;
    }
}

// Where a program changes, the new pads may stream before the old ones go.
void Tracks::displace_silent(Intake& intake) {
    for (const IntakePtr& other : intakes_) {
        if (other->kind == intake.kind && other->slot < intake.slot &&
            now_ns() - other->heard_ns > silent_ns) {
            std::swap(other->slot, intake.slot);
            other->claims = intake.claims = false;
        }
    }
}

// --- what comes from the demultiplexer ---

GstFlowReturn Tracks::chain(GstPad* pad, GstObject*, GstBuffer* buffer) {
    auto& intake = *static_cast<Intake*>(gst_pad_get_element_private(pad));
    return intake.tracks->on_buffer(intake, buffer);
}

gboolean Tracks::on_event(GstPad* pad, GstObject*, GstEvent* event) {
    auto& intake = *static_cast<Intake*>(gst_pad_get_element_private(pad));
    switch (GST_EVENT_TYPE(event)) {
        case GST_EVENT_CAPS:
            intake.tracks->on_caps(intake, event);
            break;
        case GST_EVENT_GAP:
            intake.tracks->on_gap(intake, event);
            break;
        case GST_EVENT_TAG:
            if (intake.claims) {
                const auto output = intake.tracks->output_of(*intake.kind, intake.slot);
                if (output && output->begun) gst_pad_push_event(output->pad, gst_event_ref(event));
            }
            break;
        default:
            // A track's beginning is read from the pad when it is claimed; segments are of another
            // time; and the end of one track, with a program that changes, is not the end of ours.
            break;
    }
    gst_event_unref(event);
    return TRUE;
}

void Tracks::on_caps(Intake& intake, GstEvent* event) {
    GstCaps* caps = nullptr;
    gst_event_parse_caps(event, &caps);
    const auto kind = kind_of(caps);
    if (intake.kind != kind) {
        intake.kind = kind;
        intake.claims = false;
        if (kind) {
            intake.slot = -1;
            intake.slot = free_slot(*kind);
        }
        return;
    }
    if (!kind || !intake.claims) return;
    const auto output = output_of(*kind, intake.slot);
    if (output && output->begun) {
        output->refused = !takes(*output, caps);
        if (!output->refused) gst_pad_push_event(output->pad, gst_event_ref(event));
    }
}

void Tracks::on_gap(Intake& intake, GstEvent* event) {
    if (!intake.claims) return;
    const auto output = output_of(*intake.kind, intake.slot);
    if (!output || !output->begun || output->refused) return;
    GstClockTime from = GST_CLOCK_TIME_NONE;
    GstClockTime duration = GST_CLOCK_TIME_NONE;
    gst_event_parse_gap(event, &from, &duration);
    const auto start = time_of(from);
    const auto placed = start ? timeline_.place(*start) : std::nullopt;
    if (placed) gst_pad_push_event(output->pad, gst_event_new_gap(clock_time(placed), duration));
}

GstFlowReturn Tracks::on_buffer(Intake& intake, GstBuffer* buffer) {
    if (!intake.kind) {
        gst_buffer_unref(buffer);
        return GST_FLOW_OK;
    }
    if (intake.slot > 0) displace_silent(intake);
    intake.heard_ns = now_ns();
    // Patches come at any time, and some relays take their times away: they follow.
    std::optional<Timeline::Placed> placed;
    if (const auto time = time_of(GST_BUFFER_DTS_OR_PTS(buffer));
        time && intake.kind != TrackKind::patches) {
        placed = timeline_.observe(intake.number, *time, arrival_ns_);
        const std::lock_guard lock(mutex_);
        if (placed->restarted) {
            for (const auto& output : outputs_) output->broken = true;
        }
        counts_.restarts = timeline_.restarts();
        counts_.lateness_ns = timeline_.lateness_ns();
    }
    const auto output = output_of(*intake.kind, intake.slot);
    if (!output || !gst_pad_is_linked(output->pad)) {
        if (!output && !intake.claims) {
            intake.claims = true;
            const std::lock_guard lock(mutex_);
            ++counts_.tracks_left_out;
        }
        gst_buffer_unref(buffer);
        return GST_FLOW_OK;
    }
    if (!intake.claims || !output->begun) begin(*output, intake);
    buffer = gst_buffer_make_writable(buffer);
    if (output->refused || !put_times(*output, buffer, placed)) {
        count_drop(*output);
        gst_buffer_unref(buffer);
        return GST_FLOW_OK;
    }
    {
        const std::lock_guard lock(mutex_);
        ++output->buffers;
        output->bytes += gst_buffer_get_size(buffer);
    }
    output->flow = gst_pad_push(output->pad, buffer);
    return flow();
}

void Tracks::count_drop(Output& output) {
    const std::lock_guard lock(mutex_);
    ++output.dropped;
}

// What the track has said of itself until now, for those behind our pad. A track that follows
// another one goes on in its stream and segment: at the start of either a decoder drops the
// pictures that the next ones build on, and tsdemux makes new pads in mid-stream as well (with
// ignore-pcr at each table behind a loss).
void Tracks::begin(Output& output, Intake& intake) {
    intake.claims = true;
    const bool is_first = !std::exchange(output.begun, true);
    GstCaps* caps = gst_pad_get_current_caps(intake.pad);
    if (is_first) {
        output.broken = true;
        GstEvent* start = gst_pad_get_sticky_event(intake.pad, GST_EVENT_STREAM_START, 0);
        if (start == nullptr) start = gst_event_new_stream_start(name_of(output.kind));
        gst_pad_push_event(output.pad, start);
    }
    output.refused = !takes(output, caps);
    // Some elements take no second caps event, however equal (gdppay 1.22, multiplexers).
    GstCaps* known = gst_pad_get_current_caps(output.pad);
    const bool is_known = known && gst_caps_is_equal(known, caps);
    gst_clear_caps(&known);
    if (!output.refused && !is_known) gst_pad_push_event(output.pad, gst_event_new_caps(caps));
    gst_caps_unref(caps);
    if (is_first) {
        GstSegment segment;
        gst_segment_init(&segment, GST_FORMAT_TIME);
        gst_pad_push_event(output.pad, gst_event_new_segment(&segment));
    }
    if (GstEvent* tags = gst_pad_get_sticky_event(intake.pad, GST_EVENT_TAG, 0)) {
        gst_pad_push_event(output.pad, tags);
    }
}

// Data that the next element refuses would end the pipeline.
bool Tracks::takes(Output& output, GstCaps* caps) {
    gchar* text = gst_caps_to_string(caps);
    const std::string media = text;
    g_free(text);
    {
        const std::lock_guard lock(mutex_);
        output.media = media;
    }
    if (gst_pad_peer_query_accept_caps(output.pad, caps)) return true;
    const std::string pad = name_of(output.kind);
    warn_(
        "The stream's " + pad + " is " + media + ", which the pipeline behind the pad " + pad +
            " does not take",
        "It is left out until it changes. Put a parser and decoder for it behind the pad, or send "
        "what they take");
    return false;
}

// False where the buffer would step back: at a break, where another track has set the mapping.
bool Tracks::put_times(Output& output, GstBuffer* buffer,
                       const std::optional<Timeline::Placed>& placed) {
    const auto original = time_of(GST_BUFFER_DTS_OR_PTS(buffer));
    const auto place = [&](GstClockTime time) -> std::optional<std::int64_t> {
        const auto given = time_of(time);
        if (!given) return std::nullopt;
        if (placed && placed->leftover) return placed->time_ns + *given - *original;
        return timeline_.place(*given);
    };
    const auto dts = place(GST_BUFFER_DTS(buffer));
    const auto pts = place(GST_BUFFER_PTS(buffer));
    // Where a packet has one time it is both.
    const auto order = dts ? dts : pts;
    if (output.kind != TrackKind::patches && order) {
        if (output.last_dts_ns && *order < *output.last_dts_ns) return false;
        output.last_dts_ns = order;
    }
    GST_BUFFER_DTS(buffer) = clock_time(dts);
    GST_BUFFER_PTS(buffer) = clock_time(pts);
    if (output.broken) GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
    output.broken = false;
    return true;
}

void Tracks::add_stats(GstStructure* stats) const {
    const std::lock_guard lock(mutex_);
    for (const auto& output : outputs_) {
        std::string name = name_of(output->kind);
        if (output->kind == TrackKind::audio)
            name.append("-").append(std::to_string(output->index));
        const auto set = [&](const char* field, std::uint64_t value) {
            gst_structure_set(stats, (name + field).c_str(), G_TYPE_UINT64,
                              static_cast<guint64>(value), nullptr);
        };
        set("-buffers", output->buffers);
        set("-bytes", output->bytes);
        set("-dropped", output->dropped);
        gst_structure_set(stats, (name + "-media").c_str(), G_TYPE_STRING, output->media.c_str(),
                          nullptr);
    }
    gst_structure_set(stats, "pads-of-the-stream", G_TYPE_UINT64,
                      static_cast<guint64>(counts_.pads), "timeline-restarts", G_TYPE_UINT64,
                      static_cast<guint64>(counts_.restarts), "tracks-left-out", G_TYPE_UINT64,
                      static_cast<guint64>(counts_.tracks_left_out), "lateness", G_TYPE_INT64,
                      static_cast<gint64>(counts_.lateness_ns), nullptr);
}

}  // namespace livesr::gst
