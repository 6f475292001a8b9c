// What is in a packet on its way to the network: how much of it is video and patches, and whether
// decoding can begin with it. Looks into MPEG-TS; of anything else the buffer's flags tell. Not
// thread-safe.
#pragma once

#include <gst/gst.h>

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <span>

namespace livesr::gst {

// What a receiver of MPEG-TS leaves out.
extern const std::array<std::uint8_t, 188> ts_null_packet;

struct WireContent {
    std::size_t media_bytes = 0;
    // A key frame begins in it.
    bool has_key = false;
    // So many pictures begin in it.
    std::size_t pictures = 0;
};

class WireReader {
  public:
    WireContent read(GstBuffer* buffer);
    // Whole packets of MPEG-TS.
    WireContent read_ts(std::span<const std::uint8_t> packets);

  private:
    void read_packet(std::span<const std::uint8_t> packet, WireContent& content);

    static constexpr std::size_t pids = 8192;
    std::bitset<pids> video_;    // as their PES headers say
    std::bitset<pids> patches_;  // and other private data
};

}  // namespace livesr::gst
