// See picture_reader.h.
#include "gst/enhancer/picture_reader.h"

#include <algorithm>
#include <utility>

namespace livesr::gst {

std::vector<CarriedPacket> PictureReader::read_coded(const StreamFormat& format,
                                                     std::span<const std::uint8_t> picture,
                                                     std::optional<std::uint64_t> running_time_ns) {
    std::vector<CarriedPacket> packets;
    const UserData found = read_user_data(format, carriage_uuid, picture);
    counts_.damaged += found.damaged;
    counts_.left_out += found.left_out;
    for (const auto& payload : found.payloads) {
        const auto part = read_part(payload);
        if (!part) {
            ++counts_.damaged;
            continue;
        }
        remember(part->picture);
        add(*part, running_time_ns, packets);
    }
    return packets;
}

std::vector<CarriedPacket> PictureReader::read_decoded(
    std::span<const std::uint8_t> payload, std::optional<std::uint64_t> running_time_ns) {
    std::vector<CarriedPacket> packets;
    const auto part = read_part(payload);
    if (!part) {
        // What was read when it was coded was counted then, and does not say so here.
        if (read_pictures_.empty()) ++counts_.damaged;
    } else if (!was_read(part->picture)) {
        add(*part, running_time_ns, packets);
    }
    return packets;
}

void PictureReader::add(const CarriedPart& part, std::optional<std::uint64_t> running_time_ns,
                        std::vector<CarriedPacket>& packets) {
    auto whole = assembler_.add(part);
    if (!whole) return;
    ++counts_.packets;
    CarriedPacket packet;
    packet.bytes = std::move(whole->bytes);
    if (running_time_ns) {
        // Counts wrap around; how far apart they are is what the part itself says, 16 bits.
        packet.carrier = {*running_time_ns, static_cast<std::int32_t>(part.picture - whole->frame)};
    }
    packets.push_back(std::move(packet));
}

void PictureReader::remember(std::uint32_t picture) {
    if (!read_pictures_.empty() && read_pictures_.back() == picture) return;
    if (read_pictures_.size() == max_read_pictures) read_pictures_.pop_front();
    read_pictures_.push_back(picture);
}

bool PictureReader::was_read(std::uint32_t picture) const {
    return std::ranges::find(read_pictures_, picture) != read_pictures_.end();
}

void PictureReader::restart() {
    assembler_.clear();
    read_pictures_.clear();
}

}  // namespace livesr::gst
