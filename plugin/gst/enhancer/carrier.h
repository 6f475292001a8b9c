// The picture that a patch packet came inside of. It names the packet's frame without any clock.
#pragma once

#include <cstdint>

namespace livesr::gst {

struct Carrier {
    std::uint64_t running_time_ns = 0;  // of the picture, here
    // Displayed pictures from the packet's own frame to this one; below 0 its own comes later.
    int back = 0;

    bool operator==(const Carrier&) const = default;
};

}  // namespace livesr::gst
