// srenhancer as a GObject: what its two source files share. Documented in srenhancer.cpp.
#pragma once

#include <gst/base/gstbasetransform.h>
#include <gst/video/video.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "gst/enhancer/enhancer.h"

G_BEGIN_DECLS

#define GST_TYPE_SR_ENHANCER (gst_sr_enhancer_get_type())
G_DECLARE_FINAL_TYPE(GstSrEnhancer, gst_sr_enhancer, GST, SR_ENHANCER, GstBaseTransform)

G_END_DECLS

struct _GstSrEnhancer {
    GstBaseTransform parent;

    // Object lock: settings. They take effect at the next start.
    livesr::gst::EnhancerSettings* settings;
    int backend;

    // Made in start(), gone after stop(). Whoever uses it holds a share.
    std::mutex* running_mutex;
    std::shared_ptr<livesr::gst::Enhancer>* running;

    // Streaming thread.
    GstVideoInfo in_info;
    GstVideoInfo out_info;
    int is_live;      // what upstream says: 0 or 1; -1 until it is asked, at the first frame
    bool has_output;  // since the start or the last flush

    GstPad* patches_pad;          // object lock
    GstSegment* patches_segment;  // streaming thread of patches
    GstClockTime latency;         // object lock; the pipeline's, from the LATENCY event
    GstClockTime interval;        // object lock; between frames, 0 when the caps do not say
};

namespace livesr::gst {

// What runs between start and stop; null outside.
std::shared_ptr<Enhancer> running(GstSrEnhancer* self);
// Absent for a time outside the segment, and for none.
std::optional<std::uint64_t> running_time(const GstSegment& segment, GstClockTime time);

// patches_pad.cpp: the element's request_new_pad and release_pad. There is one such pad at most.
GstPad* request_patches_pad(GstElement* element, GstPadTemplate* pad_template, const gchar* name,
                            const GstCaps* caps);
void release_patches_pad(GstElement* element, GstPad* pad);

// srenhancer_deadline.cpp
// Absent where no frame can be late. Asks upstream at the first call after a start.
std::optional<Enhancer::Deadline> deadline(GstSrEnhancer* self,
                                           std::optional<std::uint64_t> running_time_ns);
// Whether a sink in time would have had the frame by now.
bool is_late(GstSrEnhancer* self, std::uint64_t running_time_ns);
// The element's query: a frame's stay is part of the latency.
gboolean answer_query(GstBaseTransform* transform, GstPadDirection direction, GstQuery* query);

// srenhancer_properties.cpp
void install_properties(GObjectClass* object_class);
void init_properties(GstSrEnhancer* self);
// Tells that gain-db, training-state and model-in-use may be other than they were.
void notify_read_only(GstSrEnhancer* self);

}  // namespace livesr::gst
