// srloopsrc: a Y4M file, forward and backward over and over.
#pragma once

#include <gst/gst.h>

#include <cstdint>

namespace livesr::gst {

bool register_loop_src(GstPlugin* plugin);

// Which of `frames` frames is shown as the number-th: 0 1 2 1 0 1 2 ... for three.
std::uint64_t loop_frame(std::uint64_t number, std::uint64_t frames);

}  // namespace livesr::gst
