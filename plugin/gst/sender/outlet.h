// Which element of a pipeline gives a stream to the network.
#pragma once

#include <gst/gst.h>

namespace livesr::gst {

// The first sink pad of an element of the kind Sink/Network that what leaves `src` comes to; a
// reference, or null.
GstPad* find_network_pad(GstPad* src);

}  // namespace livesr::gst
