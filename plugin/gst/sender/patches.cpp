// See patches.h.
#include "gst/sender/patches.h"

#include "core/patch/packet.h"
#include "core/picture/metrics.h"
#include "core/picture/resample.h"

namespace livesr::gst {

namespace {

PatchHeader header_of(int width, int height, GstClockTime running_time, const PacketStamp& stamp) {
    PatchHeader header;
    header.scale = static_cast<std::uint8_t>(stamp.scale);
    header.stream_id = stamp.stream_id;
    header.sequence = stamp.sequence;
    header.running_time_ns = running_time;
    header.frame_width = static_cast<std::uint16_t>(width);
    header.frame_height = static_cast<std::uint16_t>(height);
    return header;
}

}  // namespace

std::vector<std::uint32_t> cell_errors(const LumaFrame& frame, const std::uint8_t* low,
                                       std::ptrdiff_t low_stride, int scale, int cell) {
    const int columns = frame.width / cell;
    const int rows = frame.height / cell;
    const int width = padded_side(frame.width, scale);
    const int height = padded_side(frame.height, scale);
    std::vector<std::uint8_t> enlarged(static_cast<std::size_t>(width) *
                                       static_cast<std::size_t>(height));
    resample(Filter::bicubic, low, low_stride, width / scale, height / scale, enlarged.data(),
             width, width, height);
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

std::vector<std::uint8_t> patch_packet(const LumaFrame& frame, int cell, int column, int row,
                                       int quality, const PacketStamp& stamp) {
    const int x = column * cell;
    const int y = row * cell;
    const std::vector<std::uint8_t> jpeg =
        encode_jpeg_luma(frame.pixels.data() + static_cast<std::ptrdiff_t>(y) * frame.width + x,
                         frame.width, cell, cell, quality);
    PatchHeader header = header_of(frame.width, frame.height, frame.running_time, stamp);
    header.codec = PatchCodec::jpeg_luma;
    header.quality = static_cast<std::uint8_t>(quality);
    header.x = static_cast<std::uint16_t>(x);
    header.y = static_cast<std::uint16_t>(y);
    header.width = static_cast<std::uint16_t>(cell);
    header.height = static_cast<std::uint16_t>(cell);
    return write_packet(header, jpeg);
}

std::vector<std::uint8_t> announcement_packet(int width, int height, GstClockTime running_time,
                                              const PacketStamp& stamp) {
    return write_packet(header_of(width, height, running_time, stamp), {});
}

}  // namespace livesr::gst
