// Picks the path for enhance() and keeps its scratch memory.
#include "core/network/enhance.h"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "core/network/enhance_kernels.h"
#include "core/picture/bicubic_taps.h"

namespace livesr {

EnhanceScratch::EnhanceScratch() : data_(std::make_unique<Data>()) {}
EnhanceScratch::~EnhanceScratch() = default;

const RowKernels* row_kernels(Isa isa) {
#if defined(__x86_64__)
    switch (isa) {
        case Isa::avx2:
            return &row_kernels_avx2;
        case Isa::avx512:
            return &row_kernels_avx512;
        case Isa::avx512vnni:
            return &row_kernels_avx512vnni;
        case Isa::reference:
            break;
    }
#else
    static_cast<void>(isa);
#endif
    return nullptr;
}

void enhance_region(const PackedNetwork& network, EnhanceScratch& scratch, const PlaneView& src,
                    const Region& region, std::uint8_t* dst, std::ptrdiff_t dst_stride, Isa isa) {
    const int cell = cell_side(network.architecture());
    const Region whole{region.x0 / cell * cell, region.y0 / cell * cell,
                       (region.x1 + cell - 1) / cell * cell, (region.y1 + cell - 1) / cell * cell};
    if (whole.x0 != region.x0 || whole.y0 != region.y0 || whole.x1 != region.x1 ||
        whole.y1 != region.y1) {
        // Cells that are cut by the region's border, or the picture's.
        const int width = whole.x1 - whole.x0;
        std::vector<std::uint8_t> pixels(static_cast<std::size_t>(width) *
                                         static_cast<std::size_t>(whole.y1 - whole.y0));
        enhance_region(network, scratch, src, whole, pixels.data(), width, isa);
        for (int y = region.y0; y < region.y1; ++y)
            std::copy_n(pixels.data() + static_cast<std::ptrdiff_t>(y - whole.y0) * width +
                            (region.x0 - whole.x0),
                        region.x1 - region.x0, dst + (y - region.y0) * dst_stride);
        return;
    }
    if (const RowKernels* kernels = row_kernels(isa))
        enhance_region_rows(*kernels, network.data(), scratch.data(), src, region, dst, dst_stride);
    else
        enhance_region_reference(network.data(), src, region, dst, dst_stride);
}

void enhance(const PackedNetwork& network, EnhanceScratch& scratch, const std::uint8_t* src,
             std::ptrdiff_t src_stride, int width, int height, std::uint8_t* dst,
             std::ptrdiff_t dst_stride, int row_begin, int row_end, Isa isa) {
    if (width < 1 || height < 1 || row_begin < 0 || row_begin > row_end || row_end > height)
        throw std::invalid_argument("enhance: rows outside the picture");
    if (row_begin == row_end) return;
    const int scale = network.architecture().scale;
    enhance_region(network, scratch, {src, src_stride, width, height},
                   {0, row_begin, width, row_end}, dst + row_begin * scale * dst_stride, dst_stride,
                   isa);
}

}  // namespace livesr
