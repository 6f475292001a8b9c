// Registers the elements of this folder.
#include "gst/register.h"

namespace livesr::gst {

bool register_measure(GstPlugin*) { return true; }

}  // namespace livesr::gst
