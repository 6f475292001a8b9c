#include "core/patch/packet.h"

#include <algorithm>
#include <array>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/patch/crc32.h"
#include "core/patch/residual.h"

namespace livesr {
namespace {

constexpr std::array<std::uint8_t, 16> label = {0x06, 0x0E, 0x2B, 0x34, 0x01, 0x01, 0x01, 0x01,
                                                0x0F, 0x00, 'l',  'i',  'v',  'e',  's',  'r'};
constexpr std::uint8_t packet_version = 3;
constexpr std::size_t header_bytes = 27;
constexpr std::size_t checksum_offset = 23;
constexpr int largest_patch_side = 512;

using Bytes = std::span<const std::uint8_t>;

std::uint32_t packet_checksum(Bytes body) {
    return crc32(body.subspan(checksum_offset + 4), crc32(body.first(checksum_offset)));
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

bool is_consistent(const PacketHeader& h) {
    return h.scale != 0 && h.frame_width > 0 && h.frame_height > 0;
}

bool is_quality(PatchCodec codec, int quality) {
    switch (codec) {
        case PatchCodec::jpeg_luma:
            return quality >= 1 && quality <= 100;
        case PatchCodec::residual:
            return quality >= least_residual_step && quality <= largest_residual_step;
    }
    return false;
}

bool is_consistent(const CodedPatch& patch, const PacketHeader& h) {
    const auto side_fits = [&](int position, int side, int frame) {
        return side >= 1 && side <= largest_patch_side && side % h.scale.patch_unit() == 0 &&
               position % h.scale.patch_unit() == 0 &&
               position + side <= padded_side(frame, h.scale);
    };
    return is_quality(patch.codec, patch.quality) && !patch.payload.empty() &&
           side_fits(patch.x, patch.width, h.frame_width) &&
           side_fits(patch.y, patch.height, h.frame_height);
}

PacketHeader parse_header(Bytes b) {
    PacketHeader h;
    h.scale = scale_of_code(b[1]);
    h.stream_id = get<std::uint32_t>(b, 3);
    h.sequence = get<std::uint32_t>(b, 7);
    h.running_time_ns = get<std::uint64_t>(b, 11);
    h.frame_width = get<std::uint16_t>(b, 19);
    h.frame_height = get<std::uint16_t>(b, 21);
    return h;
}

// Takes a patch off the front of `bytes`; nullopt when it is cut off.
std::optional<CodedPatch> take_patch(Bytes& bytes) {
    if (bytes.size() < patch_header_bytes) return std::nullopt;
    CodedPatch patch;
    patch.codec = static_cast<PatchCodec>(bytes[0]);
    patch.quality = bytes[1];
    patch.x = get<std::uint16_t>(bytes, 2);
    patch.y = get<std::uint16_t>(bytes, 4);
    patch.width = get<std::uint16_t>(bytes, 6);
    patch.height = get<std::uint16_t>(bytes, 8);
    const std::size_t length = get<std::uint16_t>(bytes, 10);
    bytes = bytes.subspan(patch_header_bytes);
    if (length > bytes.size()) return std::nullopt;
    patch.payload = bytes.first(length);
    bytes = bytes.subspan(length);
    return patch;
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

std::vector<std::uint8_t> write_packet(const PacketHeader& header,
                                       std::span<const CodedPatch> patches) {
    std::vector<std::uint8_t> body;
    put(body, packet_version, 1);
    put(body, header.scale.code(), 1);
    put(body, patches.size(), 1);
    put(body, header.stream_id, 4);
    put(body, header.sequence, 4);
    put(body, header.running_time_ns, 8);
    put(body, header.frame_width, 2);
    put(body, header.frame_height, 2);
    put(body, 0, 4);  // the checksum's place
    for (const CodedPatch& patch : patches) {
        put(body, static_cast<std::uint8_t>(patch.codec), 1);
        put(body, patch.quality, 1);
        put(body, patch.x, 2);
        put(body, patch.y, 2);
        put(body, patch.width, 2);
        put(body, patch.height, 2);
        put(body, patch.payload.size(), 2);
        body.insert(body.end(), patch.payload.begin(), patch.payload.end());
    }
    const std::uint32_t checksum = packet_checksum(body);
    for (std::size_t i = 0; i < 4; ++i) {
        body[checksum_offset + i] = static_cast<std::uint8_t>(checksum >> (24 - 8 * i));
    }

    std::vector<std::uint8_t> triplet(label.begin(), label.end());
    put_ber_length(triplet, body.size());
    if (patches.size() > most_patches_in_packet || triplet.size() + body.size() > max_klv_bytes) {
        throw std::length_error(
            "a packet of " + std::to_string(patches.size()) + " patches and " +
            std::to_string(triplet.size() + body.size()) + " bytes does not fit MPEG-TS (at most " +
            std::to_string(max_klv_bytes) + " bytes): send smaller patches, or fewer at once");
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
    if (get<std::uint32_t>(body, checksum_offset) != packet_checksum(body)) {
        return PacketError::checksum;
    }
    PatchPacket parsed;
    parsed.header = parse_header(body);
    if (!is_consistent(parsed.header)) return PacketError::bad_header;
    Bytes patches = body.subspan(header_bytes);
    for (int i = 0; i < body[2]; ++i) {
        const std::optional<CodedPatch> patch = take_patch(patches);
        if (!patch || !is_consistent(*patch, parsed.header)) return PacketError::bad_header;
        parsed.patches.push_back(*patch);
    }
    if (!patches.empty()) return PacketError::bad_header;
    packet = std::move(parsed);
    return PacketError::none;
}

}  // namespace livesr
