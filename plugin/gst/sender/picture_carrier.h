// Puts patch packets into coded pictures on their way out (core/patch/carriage.h): SEI of H.264 and
// HEVC, metadata OBUs of AV1. A packet goes with the next picture that has room for it, in parts
// where one picture's share of the link is too small. Thread-safe.
#pragma once

#include <gst/gst.h>

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>

#include "core/bitstream/access_unit.h"
#include "gst/sender/packet_outlet.h"
#include "gst/sender/patch_pacer.h"

namespace livesr::gst {

class PictureCarrier : public PacketOutlet {
  public:
    // A stream, or a flush: what waits is dropped, and pictures are counted from 0.
    void restart();
    // Of the coded pictures from now on.
    void set_format(std::optional<StreamFormat> format);

    bool push(OutgoingPacket packet) override;
    std::size_t easy_bytes() const override;
    void set_rate(std::uint32_t rate_bps) override;
    void drop_before(GstClockTime running_time) override;
    std::uint64_t dropped_late() const override;

    // Pictures are numbered by their time in frames of this duration, where nobody sees them go to
    // the encoder. 0: as picture_in() counts them.
    void count_by(std::uint64_t interval_ns);
    // A picture goes to the encoder, in display order.
    void picture_in(GstClockTime running_time);
    // A coded picture leaves. Takes the buffer and returns it, or another one that carries parts as
    // well. time: of the coded stream, rising.
    GstBuffer* carry(GstBuffer* picture, GstClockTime running_time, GstClockTime time);

  private:
    struct Waiting {
        OutgoingPacket packet;
        std::uint16_t message = 0;
        std::uint64_t since_ns = 0;  // of the coded stream
        std::size_t part_bytes = 0;  // 0: nothing of it has left
        std::size_t left = 0;        // bytes of it that have
        std::size_t wire_bytes = 0;
    };
    struct Picture {
        GstClockTime running_time;
        std::uint32_t number;
    };
    struct Carried {
        std::vector<std::uint8_t> data;
        std::vector<Waiting> complete;
    };

    std::uint32_t number_of(GstClockTime running_time) const;
    void advance(std::uint64_t now_ns);
    std::size_t room(std::uint64_t now_ns, std::size_t most) const;
    void drop_late(std::uint64_t now_ns);
    template <typename Which>
    void drop(Which which);
    bool add_part(Waiting& waiting, std::uint32_t number, int temporal_id, std::uint64_t now_ns,
                  std::vector<std::uint8_t>& data);
    Carried collect(std::uint32_t number, int temporal_id, std::uint64_t now_ns);

    mutable std::mutex mutex_;  // guards all below; not held while a packet is reported
    std::optional<StreamFormat> format_;
    PatchPacer pacer_;
    std::deque<Waiting> queue_;
    std::size_t queued_bytes_ = 0;
    std::uint16_t next_message_ = 0;
    std::deque<Picture> pictures_;
    std::uint32_t next_number_ = 0;
    std::uint64_t interval_ns_ = 0;
    GstClockTime last_carrier_ = GST_CLOCK_TIME_NONE;
    std::uint64_t now_ns_ = 0;
    std::uint64_t dropped_late_ = 0;
};

}  // namespace livesr::gst
