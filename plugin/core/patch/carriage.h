// Patch packets inside coded pictures: parts that fit a picture's share of the link, each of which
// names the picture that carries it and the one that its packet is of. Layout in docs/protocol.md,
// "Inside the picture". Everything that reads here treats its input as hostile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "core/bitstream/access_unit.h"

namespace livesr {

// Under which coded pictures carry patch packets.
extern const Uuid carriage_uuid;

// One part of a packet, as a picture carries it.
struct CarriedPart {
    std::uint32_t picture =
        0;  // of the picture that carries it: displayed pictures, counted by the sender
    std::int16_t back = 0;      // displayed pictures from the packet's own to this one
    std::uint16_t message = 0;  // counts packets
    std::uint8_t part = 0;
    std::uint8_t parts = 1;
    std::span<const std::uint8_t> bytes;  // when parsed, points into the parsed payload
};

constexpr std::size_t part_header_bytes = 11;
constexpr std::size_t max_parts = 255;

std::vector<std::uint8_t> write_part(const CarriedPart& part);
// nullopt: truncated, of another version, or with numbers that contradict each other.
std::optional<CarriedPart> read_part(std::span<const std::uint8_t> payload);

// Puts packets together again from parts, in whatever order they come. Holds a bounded number of
// bytes: the oldest packets that are not complete go first.
class PartAssembler {
  public:
    static constexpr std::size_t max_messages = 32;
    static constexpr std::size_t max_bytes = 256U << 10U;

    // A complete packet, when this part completes one. Its frame is `back` displayed pictures
    // before the picture that carried `part`.
    struct Packet {
        std::vector<std::uint8_t> bytes;
        std::uint32_t frame = 0;  // of the packet: displayed pictures, counted by the sender
    };
    std::optional<Packet> add(const CarriedPart& part);
    void clear();
    // Packets of which parts are missing that were dropped.
    std::uint64_t incomplete() const { return incomplete_; }

  private:
    struct Message {
        std::uint16_t number = 0;
        std::uint32_t frame = 0;
        std::vector<std::vector<std::uint8_t>> parts;
        std::size_t missing = 0;
        std::size_t bytes = 0;
    };

    Message& message_of(const CarriedPart& part);
    void drop_oldest();

    std::deque<Message> messages_;
    std::size_t bytes_ = 0;
    std::uint64_t incomplete_ = 0;
};

}  // namespace livesr
