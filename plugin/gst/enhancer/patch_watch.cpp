// See patch_watch.h.
#include "gst/enhancer/patch_watch.h"

namespace livesr::gst {
namespace {

const char* const relay_remedy =
    "Check that the sender is a patchsender with patches on. Inside the pictures they pass every "
    "relay that does not encode the video again. Beside them (carriage=klv) its patches pad must "
    "be "
    "linked to the multiplexer, the relay must keep the KLV stream (ffmpeg -c copy drops it; "
    "docs/relays.md), and the demultiplexer's KLV pad must be linked to srenhancer's patches pad.";

}  // namespace

std::optional<PatchWatch::Warning> PatchWatch::look(const Seen& seen) {
    if (auto warning = look_for_frames(seen)) return warning;
    return look_for_packets(seen);
}

std::optional<PatchWatch::Warning> PatchWatch::look_for_packets(const Seen& seen) {
    if (!since_ns_ || seen.packets != packets_ || seen.running_time_ns < *since_ns_) {
        since_ns_ = seen.running_time_ns;
        if (seen.packets != packets_) silent_ = false;
        packets_ = seen.packets;
        return std::nullopt;
    }
    if (silent_ || seen.running_time_ns - *since_ns_ < patience_ns) return std::nullopt;
    silent_ = true;
    const std::string seconds = std::to_string(patience_ns / 1'000'000'000);
    const std::string cause =
        seen.packets == 0
            ? "Video has come for " + seconds +
                  " s, and no patch packet with it: nothing is trained."
            : "No patch packet has come for " + seconds + " s, and video goes on: training ends.";
    return Warning{cause, relay_remedy};
}

std::optional<PatchWatch::Warning> PatchWatch::look_for_frames(const Seen& seen) {
    if (seen.misses_in_row < max_misses_in_row) {
        if (seen.misses_in_row == 0) lost_ = false;
        return std::nullopt;
    }
    if (lost_) return std::nullopt;
    lost_ = true;
    return Warning{
        "The last " + std::to_string(seen.misses_in_row) +
            " patches match no decoded picture: nothing is trained on them.",
        "The picture that is decoded here differs from the one that the sender decoded. Check that "
        "nothing between them encodes the video again or changes its size, and that this decoder "
        "conceals no lost data (packets-lost in stats); a hardware decoder must be bit-exact."};
}

}  // namespace livesr::gst
