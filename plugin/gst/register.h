// Registers the plugin's elements: one function a folder, each beside the elements that it
// registers. Tests call register_elements(nullptr); the plugin passes itself.
#pragma once

#include <gst/gst.h>

namespace livesr::gst {

bool register_sender(GstPlugin* plugin);     // sender/: patchsender, patchpicker
bool register_enhancer(GstPlugin* plugin);   // enhancer/: srenhancer
bool register_transport(GstPlugin* plugin);  // transport/: livesrdemux, livesrmux
bool register_measure(GstPlugin* plugin);    // measure/: srloopsrc, srmeter

inline bool register_elements(GstPlugin* plugin) {
    return register_sender(plugin) && register_enhancer(plugin) && register_transport(plugin) &&
           register_measure(plugin);
}

}  // namespace livesr::gst
