// See carriage.h.
#include "core/patch/carriage.h"

#include <algorithm>
#include <stdexcept>

#include "core/patch/packet.h"

namespace livesr {
namespace {

constexpr std::uint8_t carriage_version = 1;

}  // namespace

const Uuid carriage_uuid = {0x6c, 0x69, 0x76, 0x65, 0x73, 0x72, 0x40, 0x01,
                            0xa3, 0x5e, 0x70, 0x61, 0x74, 0x63, 0x68, 0x73};

std::vector<std::uint8_t> write_part(const CarriedPart& part) {
    std::vector<std::uint8_t> out;
    out.reserve(part_header_bytes + part.bytes.size());
    const auto put = [&out](std::uint32_t value, int bytes) {
        for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
            out.push_back(static_cast<std::uint8_t>(value >> shift));
        }
    };
    put(carriage_version, 1);
    put(part.picture, 4);
    put(static_cast<std::uint16_t>(part.back), 2);
    put(part.message, 2);
    put(part.part, 1);
    put(part.parts, 1);
    out.insert(out.end(), part.bytes.begin(), part.bytes.end());
    return out;
}

std::optional<CarriedPart> read_part(std::span<const std::uint8_t> payload) {
    if (payload.size() <= part_header_bytes || payload[0] != carriage_version) return std::nullopt;
    const auto get = [payload](std::size_t at, int bytes) {
        std::uint32_t value = 0;
        for (int i = 0; i < bytes; ++i)
            value = value << 8 | payload[at + static_cast<std::size_t>(i)];
        return value;
    };
    CarriedPart part;
    part.picture = get(1, 4);
    part.back = static_cast<std::int16_t>(get(5, 2));
    part.message = static_cast<std::uint16_t>(get(7, 2));
    part.part = payload[9];
    part.parts = payload[10];
    part.bytes = payload.subspan(part_header_bytes);
    if (part.parts == 0 || part.part >= part.parts || part.bytes.size() > max_klv_bytes) {
        return std::nullopt;
    }
    return part;
}

void PartAssembler::drop_oldest() {
    bytes_ -= messages_.front().bytes;
    messages_.pop_front();
    ++incomplete_;
}

PartAssembler::Message& PartAssembler::message_of(const CarriedPart& part) {
    const std::uint32_t frame = part.picture - static_cast<std::uint32_t>(part.back);
    const auto is_same = [&](const Message& message) {
        return message.number == part.message && message.frame == frame &&
               message.parts.size() == part.parts;
    };
    const auto known = std::ranges::find_if(messages_, is_same);
    if (known != messages_.end()) return *known;
    if (messages_.size() >= max_messages) drop_oldest();
    Message fresh;
    fresh.number = part.message;
    fresh.frame = frame;
    fresh.parts.resize(part.parts);
    fresh.missing = part.parts;
    return messages_.emplace_back(std::move(fresh));
}

std::optional<PartAssembler::Packet> PartAssembler::add(const CarriedPart& part) {
    if (part.parts == 1) {
        return Packet{{part.bytes.begin(), part.bytes.end()},
                      part.picture - static_cast<std::uint32_t>(part.back)};
    }
    Message& message = message_of(part);
    std::vector<std::uint8_t>& place = message.parts[part.part];
    if (!place.empty()) return std::nullopt;
    place.assign(part.bytes.begin(), part.bytes.end());
    --message.missing;
    message.bytes += place.size();
    bytes_ += place.size();
    std::optional<Packet> packet;
    const auto here =
        std::ranges::find_if(messages_, [&](const Message& other) { return &other == &message; });
    if (message.bytes > max_klv_bytes) {
        // No packet is so large.
        bytes_ -= message.bytes;
        messages_.erase(here);
        ++incomplete_;
    } else if (message.missing == 0) {
        packet.emplace();
        packet->frame = message.frame;
        for (const auto& piece : message.parts) {
            packet->bytes.insert(packet->bytes.end(), piece.begin(), piece.end());
        }
        bytes_ -= message.bytes;
        messages_.erase(here);
    }
    while (bytes_ > max_bytes) drop_oldest();
    return packet;
}

void PartAssembler::clear() {
    messages_.clear();
    bytes_ = 0;
}

}  // namespace livesr
