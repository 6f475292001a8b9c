// The downscaler inside patchsender: pads by repeating the edge as the scale wants it, then takes
// every side to 1/scale with core's Lanczos filter. Not registered: nobody else needs it.
#pragma once

#include <gst/gst.h>

#include "core/picture/scale.h"

namespace livesr::gst {

// A new element, floating. I420 only.
GstElement* make_lowres_scaler();

// While it is in NULL. With a width or a height above 0, scale does not count: the picture gets
// that size, and a side that is 0 follows from the other and the input's shape.
void configure_lowres_scaler(GstElement* scaler, const Scale& scale, int width, int height);

// While it runs, from the streaming thread: the next frame gets this scale. False when the next
// element does not take that size; nothing has changed then.
bool change_lowres_scale(GstElement* scaler, const Scale& scale);

}  // namespace livesr::gst
