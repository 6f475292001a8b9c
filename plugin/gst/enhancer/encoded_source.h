// Where the decoder upstream of a pad of raw video gets its pictures from, and how these are
// written down.
#pragma once

#include <gst/gst.h>

#include <optional>

#include "core/bitstream/access_unit.h"

namespace livesr::gst {

// The first source pad upstream of a sink pad for raw video that gives none: what the decoder is
// fed with. Before anything flows a pad's template decides. Owned by the caller; null where there
// is no decoder, or none can be told yet.
GstPad* find_encoded_source(GstPad* raw);

// Absent where caps are of no codec that carries patches, or do not say how.
std::optional<StreamFormat> stream_format(const GstCaps* caps);

}  // namespace livesr::gst
