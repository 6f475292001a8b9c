// patchpicker: high-resolution frames and their decoded low-resolution pictures in, patches out.
#pragma once

#include <gst/gst.h>

#include "gst/sender/picker.h"

G_BEGIN_DECLS

GType gst_patch_picker_get_type();

G_END_DECLS

namespace livesr::gst {

bool register_patch_picker(GstPlugin* plugin);

// For patchsender, which has one inside.
Picker& picker_of(GstElement* patchpicker);

}  // namespace livesr::gst
