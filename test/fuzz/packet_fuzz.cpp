// Patch packets. The first byte of the input chooses: even, the rest is a KLV buffer as it came;
// odd, the rest is a triplet's body that gets the label, its length and the right checksum, since
// random bytes hardly ever have one and what lies behind it has to be reached.
#include <algorithm>
#include <vector>

#include "core/patch/packet.h"
#include "targets.h"

namespace livesr::fuzz {
namespace {

constexpr std::size_t header_bytes = 40;

std::vector<std::uint8_t> with_checksum(Input body) {
    PatchHeader header;
    const Input payload = body.size() > header_bytes ? body.subspan(header_bytes) : Input{};
    const std::size_t room = max_klv_bytes - 16 - 4 - header_bytes;
    std::vector<std::uint8_t> packet =
        write_packet(header, payload.first(std::min(room, payload.size())));
    // write_packet made label, length and room; the header is the fuzzer's, and so is its checksum.
    const std::size_t body_size = header_bytes + std::min(room, payload.size());
    const std::size_t at = packet.size() - body_size;
    std::copy_n(body.begin(), std::min<std::size_t>(36, body.size()),
                packet.begin() + static_cast<std::ptrdiff_t>(at));
    std::uint32_t crc = ~0U;
    for (std::size_t i = 0; i < body_size; ++i) {
        if (i >= 36 && i < header_bytes) continue;
        crc ^= packet[at + i];
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0xEDB88320U : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
        packet[at + 36 + i] = static_cast<std::uint8_t>(~crc >> (24 - 8 * i));
    }
    return packet;
}

void check(const PatchPacket& packet, Input buffer) {
    const PatchHeader& h = packet.header;
    require(packet.payload.data() >= buffer.data() &&
                packet.payload.data() + packet.payload.size() <= buffer.data() + buffer.size(),
            "the payload lies within the buffer");
    require(h.scale >= 1 && h.scale <= 4, "scale 1 to 4");
    require(h.width <= 512 && h.height <= 512, "sizes at most 512");
    require(h.x % h.scale == 0 && h.width % h.scale == 0 && h.y % h.scale == 0 &&
                h.height % h.scale == 0,
            "multiples of scale");
    require(h.x + h.width < h.frame_width + 2 * h.scale &&
                h.y + h.height < h.frame_height + 2 * h.scale,
            "a patch within the padded frame");
    if (h.codec == PatchCodec::jpeg_luma) {
        require(h.width > 0 && h.height > 0 && !packet.payload.empty(), "a patch with a picture");
    }

    const std::vector<std::uint8_t> again = write_packet(h, packet.payload);
    Input rest(again);
    PatchPacket copy;
    require(read_packet(rest, copy) == PacketError::none && rest.empty(),
            "what was read can be written and read again");
    require(std::equal(packet.payload.begin(), packet.payload.end(), copy.payload.begin(),
                       copy.payload.end()),
            "the payload survives");
}

}  // namespace

void packet(Input input) {
    if (input.empty()) return;
    const bool sealed = (input[0] & 1) != 0;
    const Input given = input.subspan(1);
    // A copy of exactly that size, so that the sanitizer sees a read beyond it.
    const std::vector<std::uint8_t> buffer =
        sealed ? with_checksum(given) : std::vector<std::uint8_t>(given.begin(), given.end());
    Input rest(buffer);
    while (!rest.empty()) {
        const std::size_t before = rest.size();
        PatchPacket packet;
        const PacketError error = read_packet(rest, packet);
        require(rest.size() < before, "reading gets on");
        require(!name(error).empty(), "every error has a name");
        if (error == PacketError::none) check(packet, buffer);
    }
}

}  // namespace livesr::fuzz
