// patchsender: full-resolution video in; encoded low-resolution video and patches out.
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

GType gst_patch_sender_get_type();

G_END_DECLS

namespace livesr::gst {

bool register_patch_sender(GstPlugin* plugin);

}  // namespace livesr::gst
