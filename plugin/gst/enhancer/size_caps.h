// Caps of one side of srenhancer from those of the other.
#pragma once

#include <gst/gst.h>

#include <functional>
#include <optional>
#include <utility>

namespace livesr::gst {

constexpr int smallest_side = 16;
constexpr int largest_side = 8192;  // of the input

// The size of the output for a fixed input size; absent where it is refused.
using TrueSize = std::function<std::optional<std::pair<int, int>>(int width, int height)>;

// direction: of the pad that `caps` belong to. Returns what the other pad can have; of two sizes
// that fit, the true one comes first. scale 0: any size becomes the true one.
GstCaps* scale_caps(const GstCaps* caps, GstPadDirection direction, int scale,
                    const TrueSize& true_size);

}  // namespace livesr::gst
