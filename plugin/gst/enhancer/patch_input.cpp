// Reading of patch packets.
#include "gst/enhancer/patch_input.h"

#include <utility>

namespace livesr::gst {

int padded_low_size(int true_size, int scale) {
    const int step = 2 * scale;
    return (true_size + step - 1) / step * 2;
}

PatchInput::Arrivals PatchInput::read(std::span<const std::uint8_t> bytes,
                                      std::uint64_t running_time_ns) {
    Arrivals arrivals;
    counts_.bytes += bytes.size();
    while (!bytes.empty()) {
        const std::size_t size_before = bytes.size();
        PatchPacket packet;
        const PacketError error = read_packet(bytes, packet);
        ++counts_.received;
        if (error != PacketError::none) {
            ++counts_.packet_errors[static_cast<std::size_t>(error)];
            // Nothing was skipped: where the next triplet begins is unknown.
            if (bytes.size() == size_before) break;
            continue;
        }
        const PatchHeader& header = packet.header;
        if (header.scale != scale_) {
            ++counts_.other_scale;
            foreign_scale_ = header.scale;
            continue;
        }
        arrivals.size = {running_time_ns, header.frame_width, header.frame_height};
        if (header.codec == PatchCodec::none) {
            ++counts_.announcements;
            continue;
        }
        auto pixels = decode_jpeg_luma(packet.payload, header.width, header.height);
        if (!pixels) {
            ++counts_.bad_image;
            continue;
        }
        ReceivedPatch patch;
        patch.running_time_ns = running_time_ns;
        patch.sequence = header.sequence;
        patch.x = header.x;
        patch.y = header.y;
        patch.width = header.width;
        patch.height = header.height;
        patch.high = std::move(*pixels);
        arrivals.patches.push_back(std::move(patch));
    }
    return arrivals;
}

}  // namespace livesr::gst
