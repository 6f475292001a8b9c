// Reading of patch packets.
#include "gst/enhancer/patch_input.h"

#include <utility>

namespace livesr::gst {

namespace {

// A gap beyond this is no loss: the sender began anew, or the packet lies.
constexpr std::uint32_t most_lost_at_once = 10'000;

}  // namespace

void PacketLoss::received(std::uint32_t stream_id, std::uint32_t sequence) {
    const bool anew = stream_id_ != stream_id;
    const std::uint32_t ahead = sequence - next_;
    stream_id_ = stream_id;
    if (!anew && ahead >= 0x8000'0000U) {
        if (lost_ > 0) --lost_;
        return;
    }
    if (!anew && ahead <= most_lost_at_once) lost_ += ahead;
    next_ = sequence + 1;
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
        const PacketHeader& header = packet.header;
        loss_.received(header.stream_id, header.sequence);
        if (scale_ != 0 && header.scale != scale_) {
            ++counts_.other_scale;
            foreign_scale_ = header.scale;
            continue;
        }
        arrivals.sender_time_ns = header.running_time_ns;
        arrivals.size = {running_time_ns, header.frame_width, header.frame_height};
        if (packet.patches.empty()) ++counts_.announcements;
        for (const CodedPatch& coded : packet.patches) {
            ++counts_.patches;
            ReceivedPatch patch;
            patch.running_time_ns = running_time_ns;
            patch.sequence = header.sequence;
            patch.stream_id = header.stream_id;
            patch.sender_time_ns = header.running_time_ns;
            patch.scale = header.scale;
            patch.x = coded.x;
            patch.y = coded.y;
            patch.width = coded.width;
            patch.height = coded.height;
            if (coded.codec == PatchCodec::residual) {
                patch.residual_step = coded.quality;
                patch.residual.assign(coded.payload.begin(), coded.payload.end());
            } else if (auto pixels = decode_jpeg_luma(coded.payload, coded.width, coded.height)) {
                patch.high = std::move(*pixels);
            } else {
                ++counts_.bad_image;
                continue;
            }
            arrivals.patches.push_back(std::move(patch));
        }
    }
    return arrivals;
}

}  // namespace livesr::gst
