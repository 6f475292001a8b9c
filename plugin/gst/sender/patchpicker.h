// patchpicker: high-resolution frames and their decoded low-resolution pictures in, patches out.
#pragma once

#include <gst/gst.h>

#include "gst/sender/session.h"
#include "gst/sender/settings.h"

G_BEGIN_DECLS

GType gst_patch_picker_get_type();

G_END_DECLS

namespace livesr::gst {

bool register_patch_picker(GstPlugin* plugin);

// For patchsender, which has a picker inside. `picker` is a GstPatchPicker.

// Replaces its settings; those that cannot change while it runs keep their values.
void configure_picker(GstElement* picker, const SenderSettings& settings);
// Called with every plan, from any thread; set before it starts.
void watch_plan(GstElement* picker, std::function<void(const Plan&)> on_plan);
SenderSession& session_of(GstElement* picker);
// No low-resolution pictures will come (any more): frames are no longer kept for them.
void set_lowres_expected(GstElement* picker, bool expected);
GstFlowReturn last_patch_flow(GstElement* picker);

}  // namespace livesr::gst
