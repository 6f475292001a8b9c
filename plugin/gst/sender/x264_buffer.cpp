// See x264_buffer.h.
#include "gst/sender/x264_buffer.h"

#include <algorithm>
#include <cmath>
#include <string_view>

namespace livesr::gst {

namespace {

// x264 lets a frame take all that is in a buffer of less than five frames, half of a larger one
// (clip_qscale in its ratecontrol.c). So a smaller buffer may give the larger key frame, and one
// just above five frames halves a frame without emptying what was saved.
constexpr double frames_of_small_buffer = 5;
// Other frames fare worse in a smaller buffer: at 25 frames a second it pays, at 30 it does not.
constexpr double worth_it = 1.5;
// x264 takes whole kbit.
constexpr double rounding_ms = 4;
// A frame may turn out larger than x264 meant it to.
constexpr double share_of_room = 0.95;
// It takes no buffer of less than a frame: below that the rate falls for the frame. A picture of
// next to no bits would cost more than it saves.
constexpr double least_share = 0.25;
// Where nothing is left at all. (A cut two seconds after another one, of a game: four frames of a
// quarter each made 0.1 % more than the uplink carries.)
constexpr double least_share_beyond = 0.1;

// What one frame may take of it.
double usable_ms(double buffer_ms, double frame_ms) {
    return buffer_ms < frames_of_small_buffer * frame_ms ? buffer_ms : buffer_ms / 2;
}

}  // namespace

unsigned x264_buffer_ms(double room_ms, double frame_ms, unsigned most_ms, bool key_due) {
    const double room = share_of_room * room_ms;
    const double small = std::floor(frames_of_small_buffer * frame_ms - rounding_ms);
    const double large = std::ceil(frames_of_small_buffer * frame_ms + rounding_ms);
    const double most = most_ms;
    const double best =
        small < most && usable_ms(small, frame_ms) > worth_it * usable_ms(most, frame_ms) ? small
                                                                                          : most;
    double buffer = std::max(frame_ms, room);
    if (room >= usable_ms(best, frame_ms)) {
        buffer = best;
    } else if (2 * room >= large && !(key_due && room < small)) {
        buffer = std::max(large, std::min(most, 2 * room));
    }
    return static_cast<unsigned>(std::max(1.0, std::floor(buffer)));
}

std::optional<X264Buffer> X264Buffer::of(GstElement* encoder) {
    GstElementFactory* factory = gst_element_get_factory(encoder);
    if (!factory || std::string_view(GST_OBJECT_NAME(factory)) != "x264enc") return std::nullopt;
    X264Buffer buffer(encoder);
    // No buffer is wanted: none is put in.
    if (buffer.most_ms_ == 0) return std::nullopt;
    return buffer;
}

X264Buffer::X264Buffer(GstElement* encoder) : encoder_(encoder) {
    g_object_get(encoder, "vbv-buf-capacity", &most_ms_, "key-int-max", &frames_between_keys_,
                 nullptr);
}

void X264Buffer::before_frame(double room_bits, GstClockTime frame_ns) {
    if (!GST_CLOCK_TIME_IS_VALID(frame_ns) || frame_ns == 0) return;
    frame_ns_ = frame_ns;
    guint kbps = 0;
    guint set_ms = 0;
    g_object_get(encoder_, "bitrate", &kbps, "vbv-buf-capacity", &set_ms, nullptr);
    if (kbps != set_kbps_) told_kbps_ = kbps;
    const double frame_ms = static_cast<double>(frame_ns) / GST_MSECOND;
    const double room_ms = std::max(0.0, room_bits) / std::max(1U, told_kbps_);
    const guint wanted_ms = x264_buffer_ms(room_ms, frame_ms, most_ms_, frames_to_key() == 0U);
    if (wanted_ms != set_ms) g_object_set(encoder_, "vbv-buf-capacity", wanted_ms, nullptr);
    const double share = std::clamp(share_of_room * room_ms / frame_ms,
                                    room_bits > 0 ? least_share : least_share_beyond, 1.0);
    set_kbps_ = std::max(1U, static_cast<guint>(share * told_kbps_));
    if (kbps != set_kbps_) g_object_set(encoder_, "bitrate", set_kbps_, nullptr);
}

void X264Buffer::frame_came(bool is_key) { frames_since_key_ = is_key ? 1 : frames_since_key_ + 1; }

std::optional<unsigned> X264Buffer::frames_to_key() const {
    if (frames_since_key_ == 0) return 0;
    if (frames_between_keys_ == 0) return std::nullopt;
    return frames_between_keys_ - std::min(frames_between_keys_, frames_since_key_);
}

GstClockTime X264Buffer::time_to_key() const {
    const auto frames = frames_to_key();
    if (frames == 0U) return 0;
    if (!frames || !GST_CLOCK_TIME_IS_VALID(frame_ns_)) return GST_CLOCK_TIME_NONE;
    return *frames * frame_ns_;
}

}  // namespace livesr::gst
