// livesrmux: mpegtsmux that begins when all of its tracks are there.
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

GType gst_livesr_mux_get_type();

G_END_DECLS

namespace livesr::gst {

bool register_livesrmux(GstPlugin* plugin);

}  // namespace livesr::gst
