// How long a frame may stay in srenhancer: what the clock, the pipeline and the properties say of
// it.
#include "gst/enhancer/srenhancer.h"

namespace livesr::gst {
namespace {

constexpr double ns_per_ms = 1e6;
// Of streams that do not say their frame rate.
constexpr GstClockTime assumed_interval = GST_SECOND / 30;

// The longest that a frame may stay in the element; GST_CLOCK_TIME_NONE: without limit.
GstClockTime longest_stay(GstSrEnhancer* self, bool is_live) {
    GST_OBJECT_LOCK(self);
    const double wanted_ms = self->settings->max_latency_ms;
    const bool is_lockstep = self->settings->lockstep;
    const GstClockTime interval = self->interval;
    GST_OBJECT_UNLOCK(self);
    if (is_lockstep) return GST_CLOCK_TIME_NONE;
    if (wanted_ms > 0) return static_cast<GstClockTime>(wanted_ms * ns_per_ms);
    if (!is_live) return GST_CLOCK_TIME_NONE;
    return interval > 0 ? interval : assumed_interval;
}

// How late a frame is now against the clock, and against what the sinks wait for.
struct Lateness {
    double arrival_ms = 0.0;  // now, less the frame's running time
    double latency_ms = 0.0;  // of the pipeline
};

// Absent while there is no clock that runs.
std::optional<Lateness> lateness(GstSrEnhancer* self, std::uint64_t time) {
    GstClock* clock = gst_element_get_clock(GST_ELEMENT(self));
    if (clock == nullptr) return std::nullopt;
    const GstClockTime now = gst_clock_get_time(clock);
    gst_object_unref(clock);
    GST_OBJECT_LOCK(self);
    const bool playing = GST_STATE(self) == GST_STATE_PLAYING;
    const GstClockTime due = GST_ELEMENT_CAST(self)->base_time + time;
    const GstClockTime latency = self->latency;
    GST_OBJECT_UNLOCK(self);
    if (!playing) return std::nullopt;
    return Lateness{static_cast<double>(GST_CLOCK_DIFF(due, now)) / ns_per_ms,
                    static_cast<double>(latency) / ns_per_ms};
}

bool upstream_is_live(GstSrEnhancer* self) {
    if (self->is_live < 0) {
        GstQuery* query = gst_query_new_latency();
        gboolean live = FALSE;
        if (gst_pad_peer_query(GST_BASE_TRANSFORM_SINK_PAD(self), query)) {
            gst_query_parse_latency(query, &live, nullptr, nullptr);
        }
        gst_query_unref(query);
        self->is_live = live ? 1 : 0;
    }
    return self->is_live == 1;
}

}  // namespace

std::optional<Enhancer::Deadline> deadline(GstSrEnhancer* self, std::optional<std::uint64_t> time) {
    const GstClockTime longest = longest_stay(self, upstream_is_live(self));
    if (!GST_CLOCK_TIME_IS_VALID(longest)) return std::nullopt;
    Enhancer::Deadline result;
    result.budget_ms = static_cast<double>(longest) / ns_per_ms;
    if (const auto late = time ? lateness(self, *time) : std::nullopt) {
        result.has_clock = true;
        result.arrival_ms = late->arrival_ms;
        result.due_ms = late->latency_ms;
    }
    return result;
}

bool is_late(GstSrEnhancer* self, std::uint64_t running_time_ns) {
    const auto late = lateness(self, running_time_ns);
    return late && late->arrival_ms > late->latency_ms;
}

gboolean answer_query(GstBaseTransform* transform, GstPadDirection direction, GstQuery* query) {
    if (!GST_BASE_TRANSFORM_CLASS(g_type_class_peek_parent(G_OBJECT_GET_CLASS(transform)))
             ->query(transform, direction, query)) {
        return FALSE;
    }
    if (direction != GST_PAD_SRC || GST_QUERY_TYPE(query) != GST_QUERY_LATENCY) return TRUE;
    gboolean live = FALSE;
    GstClockTime least = 0;
    GstClockTime most = GST_CLOCK_TIME_NONE;
    gst_query_parse_latency(query, &live, &least, &most);
    GstSrEnhancer* self = GST_SR_ENHANCER(transform);
    const GstClockTime own = longest_stay(self, live != FALSE);
    if (!live || !GST_CLOCK_TIME_IS_VALID(own)) return TRUE;
    if (GST_CLOCK_TIME_IS_VALID(most)) most += own;
    gst_query_set_latency(query, live, least + own, most);
    return TRUE;
}

}  // namespace livesr::gst
