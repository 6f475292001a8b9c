// Inference in plain C++: the definition that the fast paths meet to the bit.
#include <algorithm>
#include <cstddef>
#include <vector>

#include "core/network/enhance_kernels.h"
#include "core/picture/bicubic_base.h"
#include "core/picture/bicubic_taps.h"

namespace livesr {
namespace {

struct IntegerPlane {
    int width = 0;
    int height = 0;
    int channels = 0;
    std::vector<std::int32_t> values;  // [y][x][channel]

    IntegerPlane(int w, int h, int c)
        : width(w),
          height(h),
          channels(c),
          values(static_cast<std::size_t>(w) * static_cast<std::size_t>(h) *
                 static_cast<std::size_t>(c)) {}
    std::int32_t* at(int x, int y) {
        return values.data() + (static_cast<std::ptrdiff_t>(y) * width + x) * channels;
    }
    const std::int32_t* at(int x, int y) const {
        return values.data() + (static_cast<std::ptrdiff_t>(y) * width + x) * channels;
    }
};

IntegerPlane convolve(const IntegerPlane& in, const PackedLayer& layer, std::int32_t low,
                      std::int32_t high) {
    std::vector<std::int32_t> weights(layer.weights.size());  // [tap][in][out]
    for (int o = 0; o < layer.out; ++o)
        for (int i = 0; i < layer.in; ++i)
            for (int t = 0; t < 9; ++t)
                weights[static_cast<std::size_t>((t * layer.in + i) * layer.out + o)] =
                    layer.weights[static_cast<std::size_t>((o * layer.in + i) * 9 + t)];

    IntegerPlane out(in.width - 2, in.height - 2, layer.out);
    for (int y = 0; y < out.height; ++y)
        for (int x = 0; x < out.width; ++x) {
            std::int32_t* sums = out.at(x, y);
            std::copy(layer.bias.begin(), layer.bias.end(), sums);
            for (int t = 0; t < 9; ++t) {
                const std::int32_t* pixel = in.at(x + t % 3, y + t / 3);
                for (int i = 0; i < layer.in; ++i) {
                    const std::int32_t* w =
                        weights.data() + static_cast<std::ptrdiff_t>(t * layer.in + i) * layer.out;
                    for (int o = 0; o < layer.out; ++o) sums[o] += pixel[i] * w[o];
                }
            }
            for (int o = 0; o < layer.out; ++o)
                sums[o] =
                    std::clamp(sums[o] >> layer.shift[static_cast<std::size_t>(o)], low, high);
        }
    return out;
}

// Region with the margin around it, the source's edge repeated.
IntegerPlane load(const PlaneView& src, const Region& region, const Architecture& a) {
    const int around = margin(a);
    const int cell = cell_side(a);
    IntegerPlane plane((region.x1 - region.x0 + 2 * around) / cell,
                       (region.y1 - region.y0 + 2 * around) / cell, cell * cell);
    for (int y = 0; y < plane.height * cell; ++y) {
        const int from_y = std::clamp(region.y0 - around + y, 0, src.height - 1);
        for (int x = 0; x < plane.width * cell; ++x) {
            const int from_x = std::clamp(region.x0 - around + x, 0, src.width - 1);
            plane.at(x / cell, y / cell)[y % cell * cell + x % cell] =
                src.pixels[from_y * src.stride + from_x];
        }
    }
    return plane;
}

}  // namespace

void enhance_region_reference(const PackedNetwork::Data& network, const PlaneView& src,
                              const Region& region, std::uint8_t* dst, std::ptrdiff_t dst_stride) {
    const int block = output_side(network.architecture);
    IntegerPlane plane = load(src, region, network.architecture);
    for (std::size_t l = 0; l + 1 < network.layers.size(); ++l)
        plane = convolve(plane, network.layers[l], 0, activation_limit);
    plane = convolve(plane, network.layers.back(), -residual_limit - 1, residual_limit);

    const std::vector<std::int32_t> base = bicubic_base(src, region, network.architecture.scale);
    const int width = plane.width * block;
    for (int y = 0; y < plane.height * block; ++y)
        for (int x = 0; x < width; ++x) {
            const std::int32_t residual =
                plane.at(x / block, y / block)[(y % block) * block + x % block];
            const std::int32_t v =
                base[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) +
                     static_cast<std::size_t>(x)];
            const std::int32_t value =
                (v + residual * (1 << residual_shift) + vertical_rounding) >> vertical_shift;
            dst[y * dst_stride + x] = static_cast<std::uint8_t>(std::clamp(value, 0, 255));
        }
}

}  // namespace livesr
