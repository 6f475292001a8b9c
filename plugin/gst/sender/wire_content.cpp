// See wire_content.h.
#include "gst/sender/wire_content.h"

namespace livesr::gst {

namespace {

constexpr std::size_t packet_size = 188;
constexpr std::uint8_t sync_byte = 0x47;
constexpr std::uint8_t starts_unit = 0x40;
constexpr std::uint8_t has_adaptation = 0x20;
constexpr std::uint8_t has_payload = 0x10;
constexpr std::uint8_t random_access = 0x40;
constexpr std::uint8_t private_stream = 0xbd;
constexpr std::uint8_t metadata_stream = 0xfc;

bool is_ts(std::span<const std::uint8_t> bytes) {
    if (bytes.empty() || bytes.size() % packet_size != 0) return false;
    for (std::size_t at = 0; at < bytes.size(); at += packet_size) {
        if (bytes[at] != sync_byte) return false;
    }
    return true;
}

constexpr std::array<std::uint8_t, packet_size> make_null_packet() {
    std::array<std::uint8_t, packet_size> packet{};
    packet.fill(0xff);
    packet[0] = sync_byte;
    packet[1] = 0x1f;
    packet[3] = has_payload;
    return packet;
}

}  // namespace

const std::array<std::uint8_t, packet_size> ts_null_packet = make_null_packet();

void WireReader::read_packet(std::span<const std::uint8_t> packet, WireContent& content) {
    const std::size_t pid = (packet[1] & 0x1fU) << 8 | packet[2];
    std::size_t begin = 4;
    bool is_random_access = false;
    if (packet[3] & has_adaptation) {
        begin += 1U + packet[4];
        is_random_access = packet[4] > 0 && (packet[5] & random_access);
    }
    if (!(packet[3] & has_payload) || begin >= packet_size) return;
    const auto payload = packet.subspan(begin);
    const bool starts = packet[1] & starts_unit;
    if (starts && payload.size() >= 4 && payload[0] == 0 && payload[1] == 0 && payload[2] == 1) {
        const std::uint8_t stream = payload[3];
        video_[pid] = stream >= 0xe0 && stream <= 0xef;
        patches_[pid] = stream == private_stream || stream == metadata_stream;
    }
    if (video_[pid]) {
        content.pictures += starts;
        content.has_key = content.has_key || (starts && is_random_access);
    }
    if (video_[pid] || patches_[pid]) content.media_bytes += payload.size();
}

WireContent WireReader::read_ts(std::span<const std::uint8_t> packets) {
    WireContent content;
    for (; packets.size() >= packet_size; packets = packets.subspan(packet_size)) {
        read_packet(packets.first(packet_size), content);
    }
    return content;
}

WireContent WireReader::read(GstBuffer* buffer) {
    GstMapInfo map;
    if (!gst_buffer_map(buffer, &map, GST_MAP_READ)) return {gst_buffer_get_size(buffer), true, 0};
    const std::span<const std::uint8_t> bytes(map.data, map.size);
    WireContent content{map.size, !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT), 1};
    if (is_ts(bytes)) content = read_ts(bytes);
    gst_buffer_unmap(buffer, &map);
    return content;
}

}  // namespace livesr::gst
