// Registers the elements of this folder.
#include "gst/register.h"

#include "gst/measure/loopsrc.h"
#include "gst/measure/srmeter.h"

namespace livesr::gst {

bool register_measure(GstPlugin* plugin) {
    return register_loop_src(plugin) && register_srmeter(plugin);
}

}  // namespace livesr::gst
