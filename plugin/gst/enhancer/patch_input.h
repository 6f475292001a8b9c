// What comes in of patches, on the patches pad, inside pictures or beside the stream: KLV bytes in,
// patches and announced sizes out, everything else counted by its fault. The bytes are hostile
// until proven otherwise, and the patches of one stream have a budget in number and in pixels: what
// is over it is counted and dropped before any work is done for it. A packet that comes on two ways
// is used once. No GStreamer.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/patch/packet.h"
#include "gst/enhancer/alignment.h"
#include "gst/enhancer/allowance.h"
#include "gst/enhancer/carrier.h"
#include "gst/enhancer/output_size.h"

namespace livesr::gst {

// Packets that are missing among those that came: sequences count up by one within a stream.
class PacketLoss {
  public:
    void received(std::uint32_t stream_id, std::uint32_t sequence);
    // A late one takes its loss back.
    std::uint64_t lost() const { return lost_; }

  private:
    std::optional<std::uint32_t> stream_id_;
    std::uint32_t next_ = 0;
    std::uint64_t lost_ = 0;
};

// Which of the latest packets of a stream have come.
class SeenPackets {
  public:
    // False when it has come before. Another stream, and a jump beyond what is remembered, begin
    // anew.
    bool add(std::uint32_t stream_id, std::uint32_t sequence);
    void clear() { stream_id_.reset(); }

  private:
    static constexpr std::uint32_t remembered = 1024;

    std::optional<std::uint32_t> stream_id_;
    std::uint32_t newest_ = 0;
    std::bitset<remembered> seen_;  // by sequence modulo their number
};

// Whether the times that a transport gives patches can be used. The time here less the time at the
// sender is a constant; where it differs from one packet to the next by more than half a frame the
// transport repeats times or makes them up.
class TransportTimes {
  public:
    bool agree(std::uint64_t hint_ns, std::uint64_t sender_time_ns, std::uint64_t interval_ns);
    // Here less at the sender, of the latest packet; absent before the first.
    std::optional<std::int64_t> offset_ns() const { return offset_ns_; }
    void clear() { offset_ns_.reset(); }

  private:
    std::optional<std::int64_t> offset_ns_;
};

class PatchInput {
  public:
    // Patches of one stream: several times what the scheduler ever sends.
    static constexpr double max_patches_per_second = 100;
    static constexpr double max_pixels_per_second = 2'000'000;
    // After a pause, so much at once.
    static constexpr double burst_seconds = 2;

    // scale: of the packets that are taken; none: any.
    explicit PatchInput(const Scale& scale) : scale_(scale) {}

    struct Arrivals {
        std::vector<ReceivedPatch> patches;
        std::optional<AnnouncedSize> size;  // the last one of the buffer
    };
    struct Moment {
        std::uint64_t now_ns = 0;  // of the clock that the budget refills by
        // Running time of the buffer by the transport, hence of the frame.
        std::optional<std::uint64_t> hint_ns = std::nullopt;
        std::uint64_t interval_ns = 0;  // of the stream's frames; 0: not known
        // The picture that the packet came inside of; the transport's time is absent then.
        std::optional<Carrier> carrier = std::nullopt;
    };
    // All triplets of one buffer.
    Arrivals read(std::span<const std::uint8_t> bytes, const Moment& moment);
    // The transport begins again.
    void restart() { times_.clear(); }
    // A flush: what has come may come again.
    void forget() {
        times_.clear();
        seen_.clear();
    }

    struct Counts {
        std::uint64_t received = 0;  // triplets, good or bad
        std::uint64_t patches = 0;
        std::uint64_t bytes = 0;
        std::uint64_t announcements = 0;
        std::uint64_t repeated = 0;                    // triplets that had come before
        std::array<std::uint64_t, 6> packet_errors{};  // by PacketError
        std::uint64_t bad_image = 0;
        std::uint64_t other_scale = 0;
        std::uint64_t over_budget = 0;
        std::uint64_t bad_time = 0;          // packets whose time no stream can have come to
        std::uint64_t distrusted_times = 0;  // packets whose time of the transport does not hold
    };
    const Counts& counts() const { return counts_; }
    std::uint64_t lost() const { return loss_.lost(); }
    // Scale of the last packet that was refused because of it, if one was.
    Scale foreign_scale() const { return foreign_scale_; }
    std::optional<std::int64_t> transport_offset_ns() const { return times_.offset_ns(); }

  private:
    void read_patches(const PatchPacket& packet, const Moment& moment, Arrivals& arrivals);
    bool afford(const CodedPatch& patch);

    Scale scale_;
    Scale foreign_scale_;
    Counts counts_;
    PacketLoss loss_;
    SeenPackets seen_;
    TransportTimes times_;
    Allowance patches_{max_patches_per_second, max_patches_per_second* burst_seconds};
    Allowance pixels_{max_pixels_per_second, max_pixels_per_second* burst_seconds};
};

}  // namespace livesr::gst
