// What the picker makes of the events on its sink pads.
#include <string>

#include "gst/sender/picker.h"

namespace livesr::gst {

void Picker::start_stream(GstEvent* event) {
    const gchar* id = nullptr;
    gst_event_parse_stream_start(event, &id);
    GstEvent* ours = gst_event_new_stream_start((std::string(id) + "/patches").c_str());
    gst_event_set_stream_flags(ours, GST_STREAM_FLAG_SPARSE);
    if (guint group = 0; gst_event_parse_group_id(event, &group)) {
        gst_event_set_group_id(ours, group);
    }
    output_.push(ours);
    // A stream after an end, without a flush.
    const std::lock_guard lock(mutex_);
    high_.ended = patches_ended_ = false;
}

bool Picker::set_high_caps(GstEvent* event) {
    GstCaps* caps = nullptr;
    GstVideoInfo info;
    gst_event_parse_caps(event, &caps);
    if (!gst_video_info_from_caps(&info, caps)) return false;
    {
        const std::lock_guard lock(mutex_);
        const bool resized =
            high_.has_caps && (high_.info.width != info.width || high_.info.height != info.height);
        if (resized) store_.void_offers();
        high_.info = info;
        high_.has_caps = true;
    }
    const double fps = info.fps_d > 0 ? static_cast<double>(info.fps_n) / info.fps_d : 0;
    session_.set_stream({info.width, info.height, fps});
    GstCaps* klv = gst_caps_new_simple("meta/x-klv", "parsed", G_TYPE_BOOLEAN, TRUE, nullptr);
    output_.push(gst_event_new_caps(klv));
    gst_caps_unref(klv);
    return true;
}

void Picker::set_segment(GstEvent* event) {
    GstFormat format = GST_FORMAT_UNDEFINED;
    {
        const std::lock_guard lock(mutex_);
        gst_event_copy_segment(event, &high_.segment);
        format = high_.segment.format;
    }
    // Without time there are neither patches nor gaps.
    if (format == GST_FORMAT_TIME) output_.push(gst_event_ref(event));
}

bool Picker::high_event(GstEvent* event) {
    bool understood = true;
    switch (GST_EVENT_TYPE(event)) {
        case GST_EVENT_STREAM_START:
            start_stream(event);
            break;
        case GST_EVENT_CAPS:
            understood = set_high_caps(event);
            break;
        case GST_EVENT_SEGMENT:
            set_segment(event);
            break;
        case GST_EVENT_GAP:
            output_.push(gst_event_ref(event));
            tick_at(event);
            break;
        case GST_EVENT_EOS: {
            {
                const std::lock_guard lock(mutex_);
                high_.ended = true;
            }
            end_if_done();
            break;
        }
        case GST_EVENT_FLUSH_START:
            output_.flush_start(gst_event_ref(event));
            break;
        case GST_EVENT_FLUSH_STOP: {
            {
                const std::lock_guard lock(mutex_);
                store_.clear();
                high_.ended = patches_ended_ = false;
                gst_segment_init(&high_.segment, GST_FORMAT_UNDEFINED);
            }
            session_.restart_ticks();
            carrier_.restart();
            output_.flush_stop(gst_event_ref(event));
            break;
        }
        default:
            break;
    }
    gst_event_unref(event);
    return understood;
}

// Time goes on where no frames come, too: plans are due then as well.
void Picker::tick_at(GstEvent* gap) {
    GstClockTime pts = GST_CLOCK_TIME_NONE;
    GstClockTime running_time = GST_CLOCK_TIME_NONE;
    gst_event_parse_gap(gap, &pts, nullptr);
    {
        const std::lock_guard lock(mutex_);
        if (active_.lockstep || high_.segment.format != GST_FORMAT_TIME) return;
        running_time = gst_segment_to_running_time(&high_.segment, GST_FORMAT_TIME, pts);
    }
    if (GST_CLOCK_TIME_IS_VALID(running_time)) session_.tick(running_time);
}

bool Picker::low_event(GstEvent* event) {
    bool understood = true;
    bool ended = false;
    {
        const std::lock_guard lock(mutex_);
        switch (GST_EVENT_TYPE(event)) {
            case GST_EVENT_STREAM_START:
                low_.ended = false;
                break;
            case GST_EVENT_CAPS: {
                GstCaps* caps = nullptr;
                gst_event_parse_caps(event, &caps);
                understood = low_.has_caps = gst_video_info_from_caps(&low_.info, caps) == TRUE;
                break;
            }
            case GST_EVENT_SEGMENT:
                gst_event_copy_segment(event, &low_.segment);
                break;
            case GST_EVENT_EOS:
                low_.ended = ended = true;
                break;
            case GST_EVENT_FLUSH_STOP:
                low_.ended = false;
                gst_segment_init(&low_.segment, GST_FORMAT_UNDEFINED);
                break;
            default:
                break;
        }
    }
    if (ended) end_if_done();
    gst_event_unref(event);
    return understood;
}

}  // namespace livesr::gst
