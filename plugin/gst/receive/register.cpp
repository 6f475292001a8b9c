// Registers the element of this folder.
#include "gst/register.h"

#include "gst/receive/livesrdemux.h"

namespace livesr::gst {

bool register_receive(GstPlugin* plugin) { return register_livesrdemux(plugin); }

}  // namespace livesr::gst
