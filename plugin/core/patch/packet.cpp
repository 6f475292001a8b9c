#include "core/patch/packet.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>

namespace livesr {
namespace {

constexpr std::array<std::uint8_t, 16> label = {0x06, 0x0E, 0x2B, 0x34, 0x01, 0x01, 0x01, 0x01,
                                                0x0F, 0x00, 'l',  'i',  'v',  'e',  's',  'r'};
constexpr std::uint8_t packet_version = 1;
constexpr std::size_t header_bytes = 40;
constexpr std::size_t checksum_offset = 36;
constexpr int largest_patch_side = 512;

using Bytes = std::span<const std::uint8_t>;

constexpr std::array<std::uint32_t, 256> make_crc_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t c = i;
        for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ ((c & 1U) != 0 ? 0xEDB88320U : 0U);
        table[i] = c;
    }
    return table;
}

constexpr auto crc_table = make_crc_table();

std::uint32_t crc_update(std::uint32_t state, Bytes bytes) {
    for (const std::uint8_t b : bytes) state = (state >> 8) ^ crc_table[(state ^ b) & 0xFFU];
    return state;
}

std::uint32_t packet_checksum(Bytes header, Bytes payload) {
    return ~crc_update(crc_update(~0U, header.first(checksum_offset)), payload);
}

void put(std::vector<std::uint8_t>& out, std::uint64_t value, int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
        out.push_back(static_cast<std::uint8_t>(value >> shift));
    }
}

template <typename T>
T get(Bytes bytes, std::size_t offset) {
    T value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
        value = static_cast<T>((std::uint64_t{value} << 8) | bytes[offset + i]);
    }
    return value;
}

void put_ber_length(std::vector<std::uint8_t>& out, std::size_t length) {
    if (length < 0x80) {
        put(out, length, 1);
        return;
    }
    const int bytes = length < 0x100 ? 1 : length < 0x10000 ? 2 : 3;
    put(out, 0x80U | static_cast<unsigned>(bytes), 1);
    put(out, length, bytes);
}

// Takes a BER length off the front of `bytes`; nullopt when it is cut off, indefinite, or longer
// than the four bytes that the protocol allows.
std::optional<std::size_t> take_ber_length(Bytes& bytes) {
    if (bytes.empty()) return std::nullopt;
    const std::uint8_t first = bytes[0];
    bytes = bytes.subspan(1);
    if (first < 0x80) return first;
    const std::size_t count = first & 0x7FU;
    if (count < 1 || count > 3 || bytes.size() < count) return std::nullopt;
    std::size_t length = 0;
    for (std::size_t i = 0; i < count; ++i) length = (length << 8) | bytes[i];
    bytes = bytes.subspan(count);
    return length;
}

int padded(int size, int scale) {
    const int unit = 2 * scale;
    return (size + unit - 1) / unit * unit;
}

bool is_consistent(const PatchHeader& h, std::size_t payload) {
    if (h.scale < 1 || h.scale > 4 || h.frame_width == 0 || h.frame_height == 0) return false;
    if (h.codec == PatchCodec::none) {
        return h.quality == 0 && h.x == 0 && h.y == 0 && h.width == 0 && h.height == 0 &&
               payload == 0;
    }
    if (h.codec != PatchCodec::jpeg_luma || h.quality < 1 || h.quality > 100 || payload == 0) {
        return false;
    }
    const auto side_fits = [&](int position, int side, int frame) {
        return side >= 1 && side <= largest_patch_side && side % h.scale == 0 &&
               position % h.scale == 0 && position + side <= padded(frame, h.scale);
    };
    return side_fits(h.x, h.width, h.frame_width) && side_fits(h.y, h.height, h.frame_height);
}

PatchHeader parse_header(Bytes b) {
    PatchHeader h;
    h.codec = static_cast<PatchCodec>(b[1]);
    h.quality = b[2];
    h.scale = b[3];
    h.stream_id = get<std::uint32_t>(b, 4);
    h.sequence = get<std::uint32_t>(b, 8);
    h.running_time_ns = get<std::uint64_t>(b, 12);
    h.frame_width = get<std::uint16_t>(b, 20);
    h.frame_height = get<std::uint16_t>(b, 22);
    h.x = get<std::uint16_t>(b, 24);
    h.y = get<std::uint16_t>(b, 26);
    h.width = get<std::uint16_t>(b, 28);
    h.height = get<std::uint16_t>(b, 30);
    return h;
}

}  // namespace

std::string_view name(PacketError e) {
    switch (e) {
        case PacketError::none:
            return "none";
        case PacketError::truncated:
            return "truncated";
        case PacketError::foreign:
            return "foreign";
        case PacketError::version:
            return "version";
        case PacketError::checksum:
            return "checksum";
        case PacketError::bad_header:
            return "bad-header";
    }
    return "unknown";
}

std::vector<std::uint8_t> write_packet(const PatchHeader& header, Bytes payload) {
    std::vector<std::uint8_t> body;
    body.reserve(header_bytes + payload.size());
    put(body, packet_version, 1);
    put(body, static_cast<std::uint8_t>(header.codec), 1);
    put(body, header.quality, 1);
    put(body, header.scale, 1);
    put(body, header.stream_id, 4);
    put(body, header.sequence, 4);
    put(body, header.running_time_ns, 8);
    put(body, header.frame_width, 2);
    put(body, header.frame_height, 2);
    put(body, header.x, 2);
    put(body, header.y, 2);
    put(body, header.width, 2);
    put(body, header.height, 2);
    put(body, payload.size(), 4);
    put(body, packet_checksum(body, payload), 4);
    body.insert(body.end(), payload.begin(), payload.end());

    std::vector<std::uint8_t> triplet(label.begin(), label.end());
    put_ber_length(triplet, body.size());
    if (triplet.size() + body.size() > max_klv_bytes) {
        throw std::length_error("a patch packet of " +
                                std::to_string(triplet.size() + body.size()) +
                                " bytes does not fit MPEG-TS (at most " +
                                std::to_string(max_klv_bytes) + "): use a smaller patch");
    }
    triplet.insert(triplet.end(), body.begin(), body.end());
    return triplet;
}

PacketError read_packet(Bytes& bytes, PatchPacket& packet) {
    // Without a readable length nothing after this triplet can be found: all of it is used up.
    Bytes rest = bytes;
    bytes = {};
    if (rest.size() < label.size()) return PacketError::truncated;
    const bool ours = std::equal(label.begin(), label.end(), rest.begin());
    rest = rest.subspan(label.size());
    const auto length = take_ber_length(rest);
    if (!length || *length > rest.size()) return PacketError::truncated;
    const Bytes body = rest.first(*length);
    bytes = rest.subspan(*length);

    if (!ours) return PacketError::foreign;
    if (body.size() < header_bytes) return PacketError::truncated;
    if (body[0] != packet_version) return PacketError::version;
    const Bytes payload = body.subspan(header_bytes);
    if (get<std::uint32_t>(body, checksum_offset) != packet_checksum(body, payload)) {
        return PacketError::checksum;
    }
    const PatchHeader header = parse_header(body);
    if (get<std::uint32_t>(body, 32) != payload.size() || !is_consistent(header, payload.size())) {
        return PacketError::bad_header;
    }
    packet.header = header;
    packet.payload = payload;
    return PacketError::none;
}

}  // namespace livesr
