// See input_gate.h.
#include "gst/enhancer/input_gate.h"

#include <algorithm>

namespace livesr::gst {

std::optional<std::uint64_t> SteadyTime::next(std::uint64_t running_time_ns,
                                              std::uint64_t interval_ns) {
    // Wraps where the timeline is shifted backward.
    std::uint64_t time = running_time_ns + shift_ns_;
    if (latest_ns_) {
        // As far apart as either is from the other: the difference of a wrapped sum is right, too.
        const auto ahead_ns = static_cast<std::int64_t>(time - *latest_ns_);
        if (ahead_ns < 0 && ahead_ns >= -static_cast<std::int64_t>(stale_ns)) {
            ++stale_;
            return std::nullopt;
        }
        if (ahead_ns < 0 || ahead_ns > static_cast<std::int64_t>(longest_gap_ns)) {
            ++shifts_;
            time = *latest_ns_ + std::clamp<std::uint64_t>(interval_ns, 1, longest_step_ns);
            shift_ns_ = time - running_time_ns;
        }
    }
    latest_ns_ = time;
    return time;
}

void SizeGate::guard(GstPad* pad) {
    const std::lock_guard lock(mutex_);
    if (pad_ == pad) return;
    remove();
    pad_ = GST_PAD(gst_object_ref(pad));
    refuses_ = false;
    if (GstCaps* caps = gst_pad_get_current_caps(pad)) {
        look_at(caps);
        gst_caps_unref(caps);
    }
    constexpr auto kinds =
        static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST |
                                     GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM);
    probe_ = gst_pad_add_probe(pad_, kinds, &SizeGate::on_item, this, nullptr);
}

void SizeGate::release() {
    const std::lock_guard lock(mutex_);
    remove();
}

// With mutex_ held.
void SizeGate::remove() {
    if (pad_ == nullptr) return;
    gst_pad_remove_probe(pad_, probe_);
    gst_clear_object(&pad_);
}

void SizeGate::look_at(GstCaps* caps) {
    const GstStructure* structure = gst_caps_get_structure(caps, 0);
    int width = 0;
    int height = 0;
    // A parser that does not say the size leaves the question to the decoded picture.
    const bool is_known = gst_structure_get_int(structure, "width", &width) &&
                          gst_structure_get_int(structure, "height", &height);
    refuses_ = is_known && !allows_(width, height);
    if (refuses_) on_refused_(width, height);
}

GstPadProbeReturn SizeGate::on_item(GstPad*, GstPadProbeInfo* info, gpointer gate) {
    auto& self = *static_cast<SizeGate*>(gate);
    if (!(info->type & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM)) {
        if (!self.refuses_) return GST_PAD_PROBE_OK;
        ++self.refused_;
        return GST_PAD_PROBE_DROP;
    }
    GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
    if (GST_EVENT_TYPE(event) != GST_EVENT_CAPS) return GST_PAD_PROBE_OK;
    GstCaps* caps = nullptr;
    gst_event_parse_caps(event, &caps);
    self.look_at(caps);
    return self.refuses_ ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
}

}  // namespace livesr::gst
