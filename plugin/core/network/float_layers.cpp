#include "core/network/float_layers.h"

#include <algorithm>

namespace livesr {

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

void FloatPicture::resize(int width, int height, int channels, int lanes) {
    width_ = width;
    height_ = height;
    channels_ = channels;
    lanes_ = lanes;
    values_.resize(
        std::max(values_.size(), static_cast<std::size_t>(plane_size() * plane_count())));
}

FloatLayers::FloatLayers(const Architecture& a, int lanes, int count) : lanes_(lanes) {
    for (int l = 0; l < count; ++l) {
        Layer layer;
        layer.in = input_channels(a, l);
        layer.out = output_channels(a, l);
        layer.parameters = static_cast<std::ptrdiff_t>(parameter_offset(a, l));
        const int lanes_of_out = (layer.out + lanes - 1) / lanes * lanes;
        layer.weights.resize(static_cast<std::size_t>(9 * layer.in * lanes_of_out));
        layer.bias.resize(static_cast<std::size_t>(lanes_of_out));
        layers_.push_back(std::move(layer));
    }
}

void FloatLayers::pack(std::span<const float> parameters) {
    for (Layer& layer : layers_) {
        const float* from = parameters.data() + layer.parameters;
        for (int o = 0; o < layer.out; ++o)
            for (int i = 0; i < layer.in; ++i)
                for (int t = 0; t < 9; ++t) {
                    const int to =
                        (((o / lanes_ * 3 + t / 3) * layer.in + i) * 3 + t % 3) * lanes_ +
                        o % lanes_;
                    layer.weights[static_cast<std::size_t>(to)] = *from++;
                }
        std::copy_n(from, layer.out, layer.bias.begin());
    }
}

void FloatLayers::forward_row(const FloatKernels& kernels, int l, int plane, const FloatPlanes& in,
                              int width, FloatRow out) const {
    const Layer& layer = layers_[static_cast<std::size_t>(l)];
    kernels.convolve(
        in, width,
        layer.weights.data() + static_cast<std::ptrdiff_t>(plane) * 9 * layer.in * lanes_,
        layer.bias.data() + plane * lanes_, out);
}

void FloatLayers::forward(const FloatKernels& kernels, int l, const FloatPlanes& in, bool relu,
                          FloatPicture& out) const {
    for (int p = 0; p < out.plane_count(); ++p)
        for (int y = 0; y < out.height(); ++y) {
            FloatPlanes from = in;
            from.values += y * in.row;
            forward_row(kernels, l, p, from, out.width(), {out.row(p, y), relu});
        }
}

}  // namespace livesr
