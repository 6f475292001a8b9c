// Planes of a picture, enlarged: the network where there is one, plainly elsewhere; cropped on the
// right and below to the size that is wanted, or brought to any size by bicubic. Spread over
// threads that live as long as the object.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/crew.h"
#include "core/network/enhance.h"
#include "core/picture/scale.h"

namespace livesr::gst {

// One plane to enlarge. dst_width x dst_height is at most scale times the source, any when
// there is no scale.
struct PlaneJob {
    const PackedNetwork* network = nullptr;  // null: plainly
    // By which it is enlarged; none: to the size that it is to have, without a network.
    Scale scale;
    int channels = 1;  // interleaved samples a pixel; 1 with a network
    const std::uint8_t* src = nullptr;
    std::ptrdiff_t src_stride = 0;
    int src_width = 0;
    int src_height = 0;
    std::uint8_t* dst = nullptr;
    std::ptrdiff_t dst_stride = 0;
    int dst_width = 0;
    int dst_height = 0;
};

class Upscaler {
  public:
    // threads: how many work on a picture, the caller's included; at least 1.
    explicit Upscaler(int threads);
    Upscaler(const Upscaler&) = delete;
    Upscaler& operator=(const Upscaler&) = delete;

    // Enlarges all planes of a picture; returns when they are done. The same bytes whatever the
    // number of threads. One call at a time.
    void run(std::span<const PlaneJob> planes);

  private:
    Crew crew_;
    std::vector<EnhanceScratch> scratches_;             // one a thread
    std::vector<std::vector<std::uint8_t>> uncropped_;  // one a plane, only where a crop is needed
};

}  // namespace livesr::gst
