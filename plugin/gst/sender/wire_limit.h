// Keeps what goes to the network within a cap in any second, whatever had piled up. No clock: times
// are handed in (ns, rising). Not thread-safe.
//
// The cap is of video and patches; tables and headers of the transport, and sound, come on top. All
// bits together get a tenth above the cap at most, but what the transport needs is never held
// against video and patches that keep to their cap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

namespace livesr::gst {

class WireLimit {
  public:
    // 0: no limit.
    void set_cap(std::uint64_t cap_bps) { cap_bps_ = cap_bps; }
    // How long a packet has to wait of which so many bytes are video and patches. Ask again after
    // that, and call sent() when it goes.
    std::uint64_t wait_ns(std::uint64_t now_ns, std::size_t bytes, std::size_t media_bytes);
    void sent(std::uint64_t now_ns, std::size_t bytes, std::size_t media_bytes);

  private:
    struct Bits {
        std::uint64_t all = 0;
        std::uint64_t media = 0;
    };
    struct Slot {
        std::uint64_t number;
        Bits bits;
    };

    void forget(std::uint64_t now_ns);
    bool fits(const Bits& bits) const;

    std::uint64_t cap_bps_ = 0;
    std::deque<Slot> slots_;  // of the last second
    Bits bits_;               // in them
};

}  // namespace livesr::gst
