// livesrdemux: a transport stream in; its picture, its sound and its patches out, on pads that
// stay.
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

GType gst_livesr_demux_get_type();

G_END_DECLS

namespace livesr::gst {

bool register_livesrdemux(GstPlugin* plugin);

}  // namespace livesr::gst
