// Where the decoder upstream of a pad of raw video gets its pictures from.
#pragma once

#include <gst/gst.h>

namespace livesr::gst {

// The first source pad upstream of a sink pad for raw video that gives none: what the decoder is
// fed with. Before anything flows a pad's template decides. Owned by the caller; null where there
// is no decoder, or none can be told yet.
GstPad* find_encoded_source(GstPad* raw);

}  // namespace livesr::gst
