// srloopsrc: a Y4M file, forward and backward over and over.
#pragma once

#include <gst/gst.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace livesr::gst {

bool register_loop_src(GstPlugin* plugin);

// Which of `frames` frames is shown as the number-th: 0 1 2 1 0 1 2 ... for three.
std::uint64_t loop_frame(std::uint64_t number, std::uint64_t frames);

struct LoopPlace {
    std::size_t clip = 0;
    std::uint64_t frame = 0;
    bool operator==(const LoopPlace&) const = default;
};

// What is shown as the number-th frame of clips that take turns of `turn` frames (0: the first
// alone, for ever), each going on where its last turn ended. frames: of each clip, at least one.
LoopPlace loop_place(std::uint64_t number, std::uint64_t turn,
                     std::span<const std::uint64_t> frames);

}  // namespace livesr::gst
