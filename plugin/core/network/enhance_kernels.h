// What lies behind enhance.h: the packed network, the scratch memory, and one function an
// instruction set that enhances a rectangle. Not for use outside plugin/core/network.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/network/aligned.h"
#include "core/network/enhance.h"
#include "core/network/fixed_point.h"
#include "core/network/row_kernels.h"
#include "core/picture/plane.h"

namespace livesr {

struct PackedLayer {
    int in = 0;
    int out = 0;
    std::vector<std::int16_t> weights;  // [out][in][3][3]
    std::vector<std::int32_t> bias;     // [out]
    std::vector<std::int32_t> shift;    // [out]

    // The same for the row kernels.
    AlignedVector<std::int16_t> row_weights;
    AlignedVector<std::int32_t> row_bias;
    AlignedVector<std::int32_t> row_shift;
    RowLayer rows() const;
};

struct PackedNetwork::Data {
    Architecture architecture;
    std::vector<PackedLayer> layers;
};

struct EnhanceScratch::Data {
    AlignedVector<std::int16_t> memory;
};

// dst is the enlarged region's first pixel. The two at the end take regions of whole cells.
void enhance_region(const PackedNetwork& network, EnhanceScratch& scratch, const PlaneView& src,
                    const Region& region, std::uint8_t* dst, std::ptrdiff_t dst_stride, Isa isa);

// Nullptr: no fast path.
const RowKernels* row_kernels(Isa isa);

// Fills in what the row kernels read.
void pack_rows(const Architecture& architecture, int layer_index, PackedLayer& layer);

void enhance_region_rows(const RowKernels& kernels, const PackedNetwork::Data& network,
                         EnhanceScratch::Data& scratch, const PlaneView& src, const Region& region,
                         std::uint8_t* dst, std::ptrdiff_t dst_stride);

void enhance_region_reference(const PackedNetwork::Data& network, const PlaneView& src,
                              const Region& region, std::uint8_t* dst, std::ptrdiff_t dst_stride);

}  // namespace livesr
