// Entry point of libgstlivesr.so.
#include <gst/gst.h>

#include "gst/register.h"

namespace {

gboolean plugin_init(GstPlugin* plugin) {
    return livesr::gst::register_elements(plugin) ? TRUE : FALSE;
}

}  // namespace

#define PACKAGE "livesr"

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, livesr,
                  "Neural-enhanced live ingest: low-resolution video and image patches out of the "
                  "sender, super-resolution that learns from them at the server",
                  plugin_init, "0.1.0", "MIT/X11", "livesr", "https://www.npmjs.com/package/livesr")
