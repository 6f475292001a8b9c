#include "core/network/float_layers.h"

#include <algorithm>

namespace livesr {
namespace {

constexpr int planes_of(int channels, int lanes) { return (channels + lanes - 1) / lanes; }

}  // namespace

const FloatKernels* float_kernels(Isa isa) {
#if defined(__x86_64__)
    switch (isa) {
        case Isa::avx2:
            return &float_kernels_avx2;
        case Isa::avx512:
        case Isa::avx512vnni:
            return &float_kernels_avx512;
        case Isa::reference:
            break;
    }
#else
    static_cast<void>(isa);
#endif
    return nullptr;
}

void FloatPicture::resize(int width, int height, int channels, int lanes, int border) {
    if (width == width_ && height == height_ && channels == channels_ && lanes == lanes_ &&
        border == border_)
        return;
    width_ = width;
    height_ = height;
    channels_ = channels;
    lanes_ = lanes;
    border_ = border;
    row_size_ = static_cast<std::ptrdiff_t>(width + 2 * border) * lanes;
    plane_size_ = row_size_ * (height + 2 * border);
    // Clears the border, which now lies elsewhere.
    values_.assign(static_cast<std::size_t>(plane_size_ * plane_count()), 0.0F);
}

FloatLayers::FloatLayers(const Architecture& a, int lanes)
    : lanes_(lanes), zero_(static_cast<std::size_t>(lanes)) {
    for (int l = 0; l < a.layers; ++l) {
        Layer layer;
        layer.in = input_channels(a, l);
        layer.out = output_channels(a, l);
        layer.parameters = static_cast<std::ptrdiff_t>(parameter_offset(a, l));
        const int out_planes = planes_of(layer.out, lanes);
        layer.forward.resize(static_cast<std::size_t>(9 * layer.in * out_planes * lanes));
        if (l > 0)
            layer.backward.resize(
                static_cast<std::size_t>(9 * layer.out * planes_of(layer.in, lanes) * lanes));
        layer.bias.resize(static_cast<std::size_t>(out_planes * lanes));
        layers_.push_back(std::move(layer));
    }
}

void FloatLayers::pack(std::span<const float> parameters) {
    for (Layer& layer : layers_) {
        const float* from = parameters.data() + layer.parameters;
        const int in = layer.in;
        const int out = layer.out;
        for (int o = 0; o < out; ++o)
            for (int i = 0; i < in; ++i)
                for (int t = 0; t < 9; ++t) {
                    const float weight = *from++;
                    const int row = t / 3;
                    const int column = t % 3;
                    const int forward =
                        (((o / lanes_ * 3 + row) * in + i) * 3 + column) * lanes_ + o % lanes_;
                    layer.forward[static_cast<std::size_t>(forward)] = weight;
                    if (layer.backward.empty()) continue;
                    // Backwards the kernel is turned by 180 degrees.
                    const int backward =
                        (((i / lanes_ * 3 + 2 - row) * out + o) * 3 + 2 - column) * lanes_ +
                        i % lanes_;
                    layer.backward[static_cast<std::size_t>(backward)] = weight;
                }
        std::copy_n(from, out, layer.bias.begin());
    }
}

void FloatLayers::forward(const FloatKernels& kernels, int l, const FloatPlanes& in,
                          FloatPicture& out, AfterSum after) const {
    const Layer& layer = layers_[static_cast<std::size_t>(l)];
    for (int p = 0; p < out.plane_count(); ++p)
        for (int y = 0; y < out.height(); ++y) {
            FloatPlanes from = in;
            from.values += y * in.row;
            kernels.convolve(
                from, out.width(),
                layer.forward.data() + static_cast<std::ptrdiff_t>(p) * 9 * layer.in * lanes_,
                layer.bias.data() + p * lanes_, {out.row(p, y), nullptr, after});
        }
}

void FloatLayers::backward(const FloatKernels& kernels, int l, const FloatPicture& out_gradient,
                           const FloatPicture& input, FloatPicture& in_gradient) const {
    const Layer& layer = layers_[static_cast<std::size_t>(l)];
    const FloatPlanes planes = out_gradient.planes_with_border();
    for (int p = 0; p < in_gradient.plane_count(); ++p)
        for (int y = 0; y < in_gradient.height(); ++y) {
            FloatPlanes from = planes;
            from.values += y * planes.row;
            kernels.convolve(
                from, in_gradient.width(),
                layer.backward.data() + static_cast<std::ptrdiff_t>(p) * 9 * layer.out * lanes_,
                zero_.data(), {in_gradient.row(p, y), input.row(p, y), AfterSum::mask});
        }
}

std::ptrdiff_t FloatLayers::bias_gradient_offset(int l) const {
    const Layer& layer = layers_[static_cast<std::size_t>(l)];
    if (l == 0) return static_cast<std::ptrdiff_t>(layer.forward.size());
    return static_cast<std::ptrdiff_t>(layer.backward.size());
}

std::size_t FloatLayers::gradient_size(int l) const {
    return static_cast<std::size_t>(bias_gradient_offset(l)) +
           layers_[static_cast<std::size_t>(l)].bias.size();
}

void FloatLayers::unpack_gradient(int l, const float* sums, std::span<float> gradient) const {
    const Layer& layer = layers_[static_cast<std::size_t>(l)];
    const int in = layer.in;
    const int out = layer.out;
    float* to = gradient.data() + layer.parameters;
    for (int o = 0; o < out; ++o)
        for (int i = 0; i < in; ++i)
            for (int t = 0; t < 9; ++t) {
                // First layer: lanes are outputs. Others: lanes are inputs.
                const int from = l == 0 ? (o / lanes_ * 9 + t) * lanes_ + o % lanes_
                                        : ((i / lanes_ * 9 + t) * out + o) * lanes_ + i % lanes_;
                *to++ = sums[from];
            }
    std::copy_n(sums + bias_gradient_offset(l), out, to);
}

}  // namespace livesr
