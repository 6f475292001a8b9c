// What patchpicker computes on pixels: how far each cell of a frame is from its decoded picture,
// and the packets that carry a cell or an announcement.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "gst/sender/frame_store.h"

namespace livesr::gst {

// Side of the low-resolution picture for a true side: padded to the next multiple of 2 * scale.
constexpr int padded_side(int side, int scale) {
    return (side + 2 * scale - 1) / (2 * scale) * (2 * scale);
}
constexpr int lowres_side(int side, int scale) { return padded_side(side, scale) / scale; }

// Sum of squared errors of each whole cell, row by row, after bicubic enlargement. low has
// lowres_side(frame.width, scale) x lowres_side(frame.height, scale) pixels.
std::vector<std::uint32_t> cell_errors(const LumaFrame& frame, const std::uint8_t* low,
                                       std::ptrdiff_t low_stride, int scale, int cell);

struct PacketStamp {
    std::uint32_t stream_id = 0;
    std::uint32_t sequence = 0;
    int scale = 2;
};

// The triplet of the cell at (column, row). Throws when it cannot be made (std::length_error).
std::vector<std::uint8_t> patch_packet(const LumaFrame& frame, int cell, int column, int row,
                                       int quality, const PacketStamp& stamp);
std::vector<std::uint8_t> announcement_packet(int width, int height, GstClockTime running_time,
                                              const PacketStamp& stamp);

}  // namespace livesr::gst
