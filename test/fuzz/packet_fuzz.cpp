// Patch packets. The first byte of the input chooses: even, the rest is a KLV buffer as it came;
// odd, the rest is a triplet's body that gets the label, its length and the right checksum, since
// random bytes hardly ever have one and what lies behind it has to be reached.
#include <algorithm>
#include <vector>

#include "core/patch/crc32.h"
#include "core/patch/packet.h"
#include "targets.h"

namespace livesr::fuzz {
namespace {

constexpr std::size_t header_bytes = 27;
constexpr std::size_t checksum_offset = 23;

std::vector<std::uint8_t> with_checksum(Input given) {
    const std::size_t size = std::clamp<std::size_t>(given.size(), header_bytes, 60'000);
    const std::vector<std::uint8_t> announcement = write_packet({}, {});  // for its label
    std::vector<std::uint8_t> packet(19 + size);
    std::copy_n(announcement.begin(), 16, packet.begin());
    packet[16] = 0x82;
    packet[17] = static_cast<std::uint8_t>(size >> 8);
    packet[18] = static_cast<std::uint8_t>(size);
    const std::span<std::uint8_t> body = std::span(packet).subspan(19);
    std::copy_n(given.begin(), std::min(size, given.size()), body.begin());
    const std::uint32_t sum =
        crc32(body.subspan(checksum_offset + 4), crc32(body.first(checksum_offset)));
    for (std::size_t i = 0; i < 4; ++i) {
        body[checksum_offset + i] = static_cast<std::uint8_t>(sum >> (24 - 8 * i));
    }
    return packet;
}

void check(const PatchPacket& packet, Input buffer) {
    const PacketHeader& h = packet.header;
    require(h.scale.up >= 1 && h.scale.up <= 4, "a scale that there is");
    for (const CodedPatch& p : packet.patches) {
        require(p.payload.data() >= buffer.data() &&
                    p.payload.data() + p.payload.size() <= buffer.data() + buffer.size(),
                "the payload lies within the buffer");
        require(p.width > 0 && p.height > 0 && p.width <= 512 && p.height <= 512,
                "sizes of 1 to 512");
        require(p.x % h.scale.patch_unit() == 0 && p.width % h.scale.patch_unit() == 0 &&
                    p.y % h.scale.patch_unit() == 0 && p.height % h.scale.patch_unit() == 0,
                "multiples of scale");
        require(p.x + p.width < h.frame_width + 2 * h.scale.up &&
                    p.y + p.height < h.frame_height + 2 * h.scale.up,
                "a patch within the padded frame");
        require(!p.payload.empty(), "a patch with a picture");
    }

    const std::vector<std::uint8_t> again = write_packet(h, packet.patches);
    Input rest(again);
    PatchPacket copy;
    require(read_packet(rest, copy) == PacketError::none && rest.empty(),
            "what was read can be written and read again");
    require(copy.header == h && copy.patches.size() == packet.patches.size(), "nothing is lost");
    for (std::size_t i = 0; i < copy.patches.size(); ++i) {
        require(std::ranges::equal(packet.patches[i].payload, copy.patches[i].payload),
                "the payloads survive");
    }
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
