// What the sending elements post on the bus, for applications.
#pragma once

#include <gst/gst.h>

#include <nlohmann/json.hpp>

#include "core/picture/scale.h"

namespace livesr::gst {

// Element message "livesr-plan": what was decided, once a second, and by which gradients.
void post_plan(GstElement* element, const nlohmann::json& plan);

// Element message "livesr-rung": frames are sent at this scale from this running time on.
void post_rung(GstElement* element, const Scale& scale, GstClockTime running_time);

}  // namespace livesr::gst
