// What comes in on the patches pad: KLV bytes in, patches and announced sizes out, everything else
// counted by its fault. The bytes are hostile until proven otherwise. No GStreamer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/patch/packet.h"
#include "gst/enhancer/alignment.h"

namespace livesr::gst {

// The true size of the stream from a running time on.
struct AnnouncedSize {
    std::uint64_t running_time_ns = 0;
    int width = 0;
    int height = 0;

    bool same_size(const AnnouncedSize& other) const {
        return width == other.width && height == other.height;
    }
};

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

class PatchInput {
  public:
    // scale: of the packets that are taken; none: any.
    explicit PatchInput(const Scale& scale) : scale_(scale) {}

    struct Arrivals {
        std::vector<ReceivedPatch> patches;
        std::optional<AnnouncedSize> size;            // the last one of the buffer
        std::optional<std::uint64_t> sender_time_ns;  // of the last one's frame, at the sender
    };
    // All triplets of one buffer. running_time_ns: the buffer's, hence the frame's.
    Arrivals read(std::span<const std::uint8_t> bytes, std::uint64_t running_time_ns);

    struct Counts {
        std::uint64_t received = 0;  // triplets, good or bad
        std::uint64_t patches = 0;
        std::uint64_t bytes = 0;
        std::uint64_t announcements = 0;
        std::array<std::uint64_t, 6> packet_errors{};  // by PacketError
        std::uint64_t bad_image = 0;
        std::uint64_t other_scale = 0;
    };
    const Counts& counts() const { return counts_; }
    std::uint64_t lost() const { return loss_.lost(); }
    // Scale of the last packet that was refused because of it, if one was.
    Scale foreign_scale() const { return foreign_scale_; }

  private:
    Scale scale_;
    Scale foreign_scale_;
    Counts counts_;
    PacketLoss loss_;
};

}  // namespace livesr::gst
