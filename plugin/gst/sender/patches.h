// What patchpicker computes on pixels: how far each cell of a frame is from its decoded picture,
// and the packets that carry cells or an announcement.
#pragma once

#include <gst/video/video.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/patch/packet.h"
#include "core/picture/plane.h"
#include "gst/sender/frame_store.h"

namespace livesr::gst {

// The first plane, dense. False when the buffer cannot be read.
bool copy_luma(const GstVideoInfo& info, GstBuffer* buffer, std::vector<std::uint8_t>& pixels);

// The decoded picture of a frame into frame.low: given_side() of width and height, which for two
// thirds of the size is the plain enlargement. False when the buffer cannot be read.
bool copy_given(const GstVideoInfo& info, GstBuffer* buffer, LumaFrame& frame);
PlaneView given_plane(const LumaFrame& frame);

// Sum of squared errors of each whole cell, row by row, after plain enlargement.
std::vector<std::uint32_t> cell_errors(const LumaFrame& frame, int cell);

struct PacketStamp {
    std::uint32_t stream_id = 0;
    std::uint32_t sequence = 0;
};

// How patches are coded; quality as in CodedPatch, 0 lets each residual have the step that fits.
struct PatchCoding {
    PatchCodec codec = PatchCodec::residual;
    int quality = 0;
};

// The triplet of the cells at these indices of the grid, row by row; without cells it announces the
// sizes. Throws std::length_error when they do not fit one triplet.
std::vector<std::uint8_t> cells_packet(const LumaFrame& frame, int cell,
                                       std::span<const std::uint32_t> cells,
                                       const PatchCoding& coding, const PacketStamp& stamp);

}  // namespace livesr::gst
