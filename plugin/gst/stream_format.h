// How coded pictures are written down, as caps say it.
#pragma once

#include <gst/gst.h>

#include <optional>

#include "core/bitstream/access_unit.h"

namespace livesr::gst {

// nullopt: of another codec, or what the caps say does not suffice.
std::optional<StreamFormat> stream_format_of(const GstCaps* caps);

// Whether pictures of such caps have a place for data of a user.
bool has_user_data(const GstCaps* caps);

}  // namespace livesr::gst
