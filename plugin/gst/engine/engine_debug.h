// The debug category livesr-engine: the engine's log and the channel to it.
#pragma once

#include <gst/gst.h>

namespace livesr::gst {

GstDebugCategory* engine_debug_category();

}  // namespace livesr::gst
