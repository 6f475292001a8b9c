// Patch packets out of the pictures that carry them (docs/protocol.md, "Inside the picture"): from
// coded pictures as they enter the decoder, and from what a decoded picture still has of them. All
// bytes are hostile; what cannot be read is counted, and what is kept of packets that are not whole
// is bounded. No GStreamer. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "core/bitstream/access_unit.h"
#include "core/patch/carriage.h"
#include "gst/enhancer/carrier.h"

namespace livesr::gst {

struct CarriedPacket {
    std::vector<std::uint8_t> bytes;  // of one KLV triplet, as far as the sender is honest
    // The picture that completed it; absent where that has no time.
    std::optional<Carrier> carrier;
};

class PictureReader {
  public:
    // A coded picture or a part of it, in the order of the stream. running_time_ns: of the picture.
    std::vector<CarriedPacket> read_coded(const StreamFormat& format,
                                          std::span<const std::uint8_t> picture,
                                          std::optional<std::uint64_t> running_time_ns);
    // User data under carriage_uuid that came with a decoded picture. Nothing, where the picture
    // was read when it was coded.
    std::vector<CarriedPacket> read_decoded(std::span<const std::uint8_t> payload,
                                            std::optional<std::uint64_t> running_time_ns);
    // Pictures begin anew: a flush, or another decoder, part of whose pictures may have passed.
    void restart();
    // Something could not be read at all.
    void note_unread() { ++counts_.left_out; }

    struct Counts {
        std::uint64_t packets = 0;
        std::uint64_t damaged = 0;   // parts that are cut off or contradict themselves
        std::uint64_t left_out = 0;  // beyond the bounds of access_unit.h
    };
    const Counts& counts() const { return counts_; }
    // Packets of which parts are missing that were given up.
    std::uint64_t incomplete() const { return assembler_.incomplete(); }

  private:
    // As many pictures lie between the decoder's input and us, and more.
    static constexpr std::size_t max_read_pictures = 512;

    void add(const CarriedPart& part, std::optional<std::uint64_t> running_time_ns,
             std::vector<CarriedPacket>& packets);
    void remember(std::uint32_t picture);
    bool was_read(std::uint32_t picture) const;

    PartAssembler assembler_;
    std::deque<std::uint32_t> read_pictures_;  // coded ones, by the sender's count
    Counts counts_;
};

}  // namespace livesr::gst
