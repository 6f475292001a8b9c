// The packets that leave patchpicker: numbers them, hands them to their outlet, tells the engine
// and counts. Thread-safe.
#pragma once

#include <gst/gst.h>

#include <cstdint>
#include <mutex>
#include <vector>

#include "gst/sender/frame_store.h"
#include "gst/sender/packet_outlet.h"
#include "gst/sender/patches.h"
#include "gst/sender/session.h"

namespace livesr::gst {

class PacketWriter {
  public:
    explicit PacketWriter(SenderSession& session) : session_(session) {}

    // Where packets leave from now on; borrowed. nullptr: none leave.
    void set_outlet(PacketOutlet* outlet);
    // Numbers and counts start anew.
    void start(std::uint32_t stream_id);
    // The stream begins again with the picture of this time: packets of earlier frames are dropped,
    // those that wait in the outlet too.
    void begin_again(GstClockTime running_time);

    // Sends the frame's cells, as many in one buffer as fit. Throws std::runtime_error when one is
    // not of its grid.
    void send_cells(const LumaFrame& frame, const std::vector<std::uint32_t>& cells,
                    const PatchCoding& coding);

    // Tells a receiver the frame's true size: at once when that or the scale changed, and once a
    // second while it cannot be told from the decoded size or `repeats`. `frame` needs no pixels.
    void announce_if_due(const LumaFrame& frame, bool repeats);

    void add_stats(GstStructure* stats) const;

  private:
    struct Count {
        std::uint64_t packets = 0;
        std::uint64_t patches = 0;
        std::uint64_t bytes = 0;
    };

    PacketStamp next_stamp();
    bool has_receiver(const LumaFrame& frame) const;
    std::size_t cells_together() const;
    PacketOutlet* outlet() const;
    // `patches` in the packet; none: an announcement.
    void send(const LumaFrame& frame, std::vector<std::uint8_t> packet, std::size_t patches);
    void on_sent(const OutgoingPacket& packet, std::size_t bytes);

    SenderSession& session_;
    mutable std::mutex mutex_;  // guards all below
    PacketOutlet* outlet_ = nullptr;
    PacketStamp stamp_;
    GstClockTime begin_ = 0;  // no receiver has frames from before
    GstClockTime next_announcement_ = 0;
    int announced_width_ = 0;
    int announced_height_ = 0;
    Scale announced_scale_;
    Count carrying_;  // packets with patches
    Count announcements_;
    std::uint64_t dropped_ = 0;
};

}  // namespace livesr::gst
