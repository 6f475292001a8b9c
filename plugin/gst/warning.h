// Warnings on the bus, the same way for every element.
#pragma once

#include <gst/gst.h>

#include <string>

namespace livesr::gst {

// A warning for people (cause, and what to do about it), and the same as element message
// "livesr-warning" for programs: not every binding hands on the text of a warning.
void post_warning(GstElement* element, const std::string& cause, const std::string& remedy);

}  // namespace livesr::gst
