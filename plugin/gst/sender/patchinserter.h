// patchinserter: coded video and patches in, coded video with patches inside out.
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

GType gst_patch_inserter_get_type();

G_END_DECLS

namespace livesr::gst {

bool register_patch_inserter(GstPlugin* plugin);

}  // namespace livesr::gst
