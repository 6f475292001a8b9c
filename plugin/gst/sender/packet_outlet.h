// Where patch packets leave: on the patches pad (PatchOutput) or inside the pictures
// (PictureCarrier).
#pragma once

#include <gst/gst.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace livesr::gst {

struct OutgoingPacket {
    std::vector<std::uint8_t> bytes;  // one triplet (core/patch/packet.h)
    // Of its frame.
    GstClockTime running_time = 0;
    GstClockTime pts = 0;     // in the high-resolution stream's segment
    std::size_t patches = 0;  // none: an announcement
};

class PacketOutlet {
  public:
    // A packet is on its way; with all that it takes there. From any thread.
    using OnSent = std::function<void(const OutgoingPacket& packet, std::size_t bytes)>;

    PacketOutlet() = default;
    virtual ~PacketOutlet() = default;
    PacketOutlet(const PacketOutlet&) = delete;
    PacketOutlet& operator=(const PacketOutlet&) = delete;

    // Before the first packet.
    void set_on_sent(OnSent on_sent) { on_sent_ = std::move(on_sent); }
    // False when it was dropped, since too much waits already.
    virtual bool push(OutgoingPacket packet) = 0;
    // Packets of more bytes than this may have to wait long.
    virtual std::size_t easy_bytes() const = 0;
    // What video and patches may take (bit/s); 0: packets go at once.
    virtual void set_rate(std::uint32_t rate_bps) = 0;
    // No receiver has frames from before this time: packets of them that wait are dropped.
    virtual void drop_before(GstClockTime running_time) = 0;
    // Packets that could not go in time, or whose frame no receiver has.
    virtual std::uint64_t dropped_late() const = 0;

  protected:
    void sent(const OutgoingPacket& packet, std::size_t bytes) const {
        if (on_sent_) on_sent_(packet, bytes);
    }

  private:
    OnSent on_sent_;
};

}  // namespace livesr::gst
