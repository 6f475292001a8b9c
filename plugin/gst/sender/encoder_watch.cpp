// See encoder_watch.h.
#include "gst/sender/encoder_watch.h"

#include <utility>

namespace livesr::gst {

namespace {

// No look-ahead holds back this much.
constexpr std::uint64_t max_silence_ns = 10'000'000'000;
constexpr std::uint64_t window_length_ns = 5'000'000'000;
constexpr std::uint64_t min_frames = 25;
// Of the frames of a window.
constexpr double min_share = 0.8;
// A look-ahead fills up in the first windows.
constexpr unsigned windows_to_be_sure = 3;

const char* const remedy =
    "Look for its own messages, set it to real-time use and less work (a faster preset, a greater "
    "scale), or take the default encoder";

}  // namespace

std::optional<EncoderWatch::Trouble> EncoderWatch::frame_in(std::uint64_t now_ns) {
    if (count_.in == 0 || now_ns < now_ns_) {
        window_ = count_;
        window_ns_ = out_ns_ = now_ns;
    }
    now_ns_ = now_ns;
    ++count_.in;
    return look(now_ns);
}

void EncoderWatch::frame_out() {
    ++count_.out;
    out_ns_ = now_ns_;
}

std::optional<EncoderWatch::Trouble> EncoderWatch::look(std::uint64_t now_ns) {
    if (now_ns >= out_ns_ + max_silence_ns && count_.in >= count_.out + min_frames &&
        !std::exchange(told_silent_, true)) {
        return Trouble{"The encoder gives out nothing: it got " +
                           std::to_string(count_.in - count_.out) +
                           " frames in the last 10 s and more that did not come out",
                       remedy};
    }
    if (now_ns < window_ns_ + window_length_ns) return std::nullopt;
    const std::uint64_t in = count_.in - window_.in;
    const std::uint64_t out = count_.out - window_.out;
    const bool is_poor = in >= min_frames && out > 0 &&
                         static_cast<double>(out) < min_share * static_cast<double>(in);
    poor_windows_ = is_poor ? poor_windows_ + 1 : 0;
    window_ = count_;
    window_ns_ = now_ns;
    if (poor_windows_ < windows_to_be_sure || std::exchange(told_poor_, true)) return std::nullopt;
    return Trouble{"The encoder leaves out frames: of the last " + std::to_string(in) +
                       " it gave out " + std::to_string(out),
                   remedy};
}

}  // namespace livesr::gst
