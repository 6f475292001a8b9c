// Registers the elements of this folder.
#include "gst/register.h"

#include "gst/transport/livesrdemux.h"
#include "gst/transport/livesrmux.h"

namespace livesr::gst {

bool register_transport(GstPlugin* plugin) {
    return register_livesrdemux(plugin) && register_livesrmux(plugin);
}

}  // namespace livesr::gst
