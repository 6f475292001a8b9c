// x264's own rate control keeps to its buffer (VBV), which may change while it runs: what is set
// here before each frame keeps that frame within what may go. Only x264enc has such a buffer.
#pragma once

#include <gst/gst.h>

#include <cstdint>
#include <optional>

namespace livesr::gst {

// The buffer, in ms of the bit rate, with which x264 spends no more than `room_ms` of it on the
// next frame. most_ms: as the fragment says. key_due: it will be a key frame.
unsigned x264_buffer_ms(double room_ms, double frame_ms, unsigned most_ms, bool key_due);

class X264Buffer {
  public:
    // Nothing unless `encoder` (borrowed) is an x264enc.
    static std::optional<X264Buffer> of(GstElement* encoder);

    // frame_ns: the frame's duration; GST_CLOCK_TIME_NONE: unknown, the buffer stays.
    void before_frame(double room_bits, GstClockTime frame_ns);
    void frame_came(bool is_key);
    // How long until x264 makes a key frame anyway: 0: with the next frame; NONE when unknown.
    GstClockTime time_to_key() const;

  private:
    explicit X264Buffer(GstElement* encoder);
    std::optional<unsigned> frames_to_key() const;

    GstElement* encoder_;
    unsigned most_ms_ = 0;
    unsigned frames_between_keys_ = 0;  // 0: x264's choice
    unsigned frames_since_key_ = 0;     // 0: none came yet
    GstClockTime frame_ns_ = GST_CLOCK_TIME_NONE;
    unsigned told_kbps_ = 0;  // by the plan
    unsigned set_kbps_ = 0;   // for the last frame
};

}  // namespace livesr::gst
