// The patch packet: one KLV triplet that carries patches of one frame, or announces the stream's
// true size. Layout in docs/protocol.md. Everything here treats its input as hostile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/picture/scale.h"

namespace livesr {

// Side of the squares that a frame's patches are cut from, from its top left corner on,
// high-resolution pixels (LiveNAS 5.2).
constexpr int patch_cell = 120;

enum class PatchCodec : std::uint8_t {
    jpeg_luma = 1,  // baseline JPEG, one component; quality is JPEG's, 1-100
    residual = 2,   // core/patch/residual.h; quality is the quantiser step
};

// What the patches of a packet have in common.
struct PacketHeader {
    Scale scale = 2;
    std::uint32_t stream_id = 0;
    std::uint32_t sequence = 0;         // of the packet
    std::uint64_t running_time_ns = 0;  // of the frame, at the sender
    std::uint16_t frame_width = 0;      // true size, before padding
    std::uint16_t frame_height = 0;

    bool operator==(const PacketHeader&) const = default;
};

struct CodedPatch {
    PatchCodec codec = PatchCodec::jpeg_luma;
    std::uint8_t quality = 0;
    std::uint16_t x = 0, y = 0;  // in high-resolution pixels, multiples of scale.patch_unit()
    std::uint16_t width = 0, height = 0;
    std::span<const std::uint8_t> payload;  // when parsed, points into the parsed buffer
};

struct PatchPacket {
    PacketHeader header;
    std::vector<CodedPatch> patches;  // none: an announcement of the sizes
};

constexpr std::size_t most_patches_in_packet = 255;

enum class PacketError { none, truncated, foreign, version, checksum, bad_header };
std::string_view name(PacketError e);

// Largest KLV buffer that MPEG-TS carries without loss (65,536 and more vanish silently).
constexpr std::size_t max_klv_bytes = 65'000;

// Bytes of a triplet: this many, and for each patch patch_header_bytes and its payload.
constexpr std::size_t packet_overhead_bytes = 46;
constexpr std::size_t patch_header_bytes = 12;

// One whole KLV triplet. Throws std::length_error when it would exceed max_klv_bytes, or when there
// are more patches than one can carry.
std::vector<std::uint8_t> write_packet(const PacketHeader& header,
                                       std::span<const CodedPatch> patches);

// Reads the next triplet of `bytes` and advances it past what was read. A foreign key is skipped
// with PacketError::foreign when its length is readable. Checks: label, length, version, CRC, every
// patch within the padded frame, multiples of the scale's patch_unit, a scale that there is, known
// codec, sizes at most 512. A packet with one bad patch is refused whole.
PacketError read_packet(std::span<const std::uint8_t>& bytes, PatchPacket& packet);

// Luma JPEG. Encoder: 4:0:0 baseline. Decoder refuses (nullopt) anything but one component of
// exactly width x height; never throws on bad bytes.
std::vector<std::uint8_t> encode_jpeg_luma(const std::uint8_t* src, std::ptrdiff_t stride,
                                           int width, int height, int quality);
std::optional<std::vector<std::uint8_t>> decode_jpeg_luma(std::span<const std::uint8_t> bytes,
                                                          int width, int height);

}  // namespace livesr
