// What lies behind enhance.h: the packed network, the scratch memory, and one function an
// instruction set that enhances a rectangle. Not for use outside plugin/core/network.
//
// The arithmetic, which every path follows to the bit:
//
//   input        luma 0..255 as it is
//   hidden layer sum = bias + sum over taps and channels of weight * input     (32 bits, exact)
//                output = clamp(sum >> shift, 0, 32767)                        (arithmetic shift)
//   last layer   residual = clamp(sum >> shift, -limit, limit)                 (2^-10 grey levels)
//                pixel = clamp((v + (residual << 10) + (1 << 19)) >> 20, 0, 255)
//                with v the bicubic enlargement of picture/bicubic_taps.h
//
// bias carries the rounding of the shift. Weights are scaled by channel, so that shifting is all
// the rescaling there is, and so that |bias| + sum of |weight| * largest input < 2^31: no order of
// adding can overflow. That leaves the weights about 9 bits and the activations 15.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/network/enhance.h"
#include "core/picture/bicubic_taps.h"

namespace livesr {

constexpr std::int32_t activation_limit = 32767;
constexpr int residual_bits = 10;
constexpr std::int32_t residual_limit = 512 << residual_bits;
constexpr int residual_shift = vertical_shift - residual_bits;

struct PackedLayer {
    int in = 0;
    int out = 0;
    std::vector<std::int16_t> weights;  // [out][in][3][3]
    std::vector<std::int32_t> bias;     // [out]
    std::vector<std::int32_t> shift;    // [out]
};

struct PackedNetwork::Data {
    Architecture architecture;
    std::vector<PackedLayer> layers;
};

struct EnhanceScratch::Data {
    std::vector<std::byte> memory;
};

// Source pixels [x0, x1) x [y0, y1).
struct Region {
    int x0 = 0;
    int y0 = 0;
    int x1 = 0;
    int y1 = 0;
};

// A picture to read; samples outside it repeat its edge.
struct SourcePlane {
    const std::uint8_t* pixels = nullptr;
    std::ptrdiff_t stride = 0;
    int width = 0;
    int height = 0;
};

// dst is the enlarged region's first pixel.
void enhance_region(const PackedNetwork& network, EnhanceScratch& scratch, const SourcePlane& src,
                    const Region& region, std::uint8_t* dst, std::ptrdiff_t dst_stride, Isa isa);

void enhance_region_reference(const PackedNetwork::Data& network, const SourcePlane& src,
                              const Region& region, std::uint8_t* dst, std::ptrdiff_t dst_stride);

}  // namespace livesr
