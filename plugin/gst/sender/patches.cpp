// See patches.h.
#include "gst/sender/patches.h"

#include <cstring>
#include <utility>

#include "core/patch/residual.h"
#include "core/picture/crop.h"
#include "core/picture/metrics.h"
#include "core/picture/resample.h"

namespace livesr::gst {

bool copy_luma(const GstVideoInfo& info, GstBuffer* buffer, std::vector<std::uint8_t>& pixels) {
    GstVideoFrame video;
    if (!gst_video_frame_map(&video, &info, buffer, GST_MAP_READ)) return false;
    const auto width = static_cast<std::size_t>(GST_VIDEO_INFO_WIDTH(&info));
    const auto height = static_cast<std::size_t>(GST_VIDEO_INFO_HEIGHT(&info));
    pixels.resize(width * height);
    const auto* from = static_cast<const std::uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&video, 0));
    for (std::size_t y = 0; y < height; ++y) {
        std::memcpy(pixels.data() + y * width,
                    from + static_cast<std::ptrdiff_t>(y) * GST_VIDEO_FRAME_PLANE_STRIDE(&video, 0),
                    width);
    }
    gst_video_frame_unmap(&video);
    return true;
}

bool copy_given(const GstVideoInfo& info, GstBuffer* buffer, LumaFrame& frame) {
    if (frame.scale.down == 1) return copy_luma(info, buffer, frame.low);
    std::vector<std::uint8_t> decoded;
    if (!copy_luma(info, buffer, decoded)) return false;
    const int width = given_side(frame.width, frame.scale);
    const int height = given_side(frame.height, frame.scale);
    frame.low.resize(static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
    resample(plain_filter(frame.scale), decoded.data(), GST_VIDEO_INFO_WIDTH(&info),
             GST_VIDEO_INFO_WIDTH(&info), GST_VIDEO_INFO_HEIGHT(&info), frame.low.data(), width,
             width, height);
    return true;
}

PlaneView given_plane(const LumaFrame& frame) {
    const int width = given_side(frame.width, frame.scale);
    return {frame.low.data(), width, width, given_side(frame.height, frame.scale)};
}

std::vector<std::uint32_t> cell_errors(const LumaFrame& frame, int cell) {
    const Scale scale = frame.scale;
    const int columns = frame.width / cell;
    const int rows = frame.height / cell;
    const int width = padded_side(frame.width, scale);
    const int height = padded_side(frame.height, scale);
    const PlaneView low = given_plane(frame);
    std::vector<std::uint8_t> enlarged(static_cast<std::size_t>(width) *
                                       static_cast<std::size_t>(height));
    resample(Filter::bicubic, low.pixels, low.stride, low.width, low.height, enlarged.data(), width,
             width, height);
    std::vector<std::uint32_t> errors;
    errors.reserve(static_cast<std::size_t>(columns) * static_cast<std::size_t>(rows));
    for (int row = 0; row < rows; ++row) {
        for (int column = 0; column < columns; ++column) {
            const std::ptrdiff_t x = column * cell;
            const std::ptrdiff_t y = row * cell;
            // 120 * 120 * 255^2 fits in 32 bits.
            errors.push_back(static_cast<std::uint32_t>(
                squared_error(enlarged.data() + y * width + x, width,
                              frame.pixels.data() + y * frame.width + x, frame.width, cell, cell)));
        }
    }
    return errors;
}

std::vector<std::uint8_t> cells_packet(const LumaFrame& frame, int cell,
                                       std::span<const std::uint32_t> cells,
                                       const PatchCoding& coding, const PacketStamp& stamp) {
    PacketHeader header;
    header.scale = frame.scale;
    header.stream_id = stamp.stream_id;
    header.sequence = stamp.sequence;
    header.running_time_ns = frame.running_time;
    header.frame_width = static_cast<std::uint16_t>(frame.width);
    header.frame_height = static_cast<std::uint16_t>(frame.height);

    std::vector<std::vector<std::uint8_t>> payloads;
    std::vector<CodedPatch> patches;
    payloads.reserve(cells.size());
    for (const std::uint32_t index : cells) {
        const int columns = frame.width / cell;
        const int x = static_cast<int>(index) % columns * cell;
        const int y = static_cast<int>(index) / columns * cell;
        const auto* high = frame.pixels.data() + static_cast<std::ptrdiff_t>(y) * frame.width + x;
        int quality = coding.quality;
        if (coding.codec == PatchCodec::residual) {
            const int scale = frame.scale.network();
            const std::vector<std::uint8_t> low = crop(given_plane(frame), x / scale, y / scale,
                                                       cell / scale, cell / scale, residual_margin);
            const LowCrop under{low, cell, cell, scale};
            if (quality == 0) {
                FittingResidual fitting = encode_fitting_residual(high, frame.width, under);
                quality = fitting.step;
                payloads.push_back(std::move(fitting.payload));
            } else {
                payloads.push_back(encode_residual(high, frame.width, under, quality));
            }
        } else {
            payloads.push_back(encode_jpeg_luma(high, frame.width, cell, cell, quality));
        }
        CodedPatch patch;
        patch.codec = coding.codec;
        patch.quality = static_cast<std::uint8_t>(quality);
        patch.x = static_cast<std::uint16_t>(x);
        patch.y = static_cast<std::uint16_t>(y);
        patch.width = static_cast<std::uint16_t>(cell);
        patch.height = static_cast<std::uint16_t>(cell);
        patch.payload = payloads.back();
        patches.push_back(patch);
    }
    return write_packet(header, patches);
}

}  // namespace livesr::gst
