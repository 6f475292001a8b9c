#include "core/network/conv_reference.h"

#include <algorithm>
#include <cstddef>

namespace livesr {
namespace {

// [out][in][tap] to [tap][in][out], so that the inner loop runs over neighbours in memory.
std::vector<float> transposed(const float* weights, int in, int out) {
    std::vector<float> result(static_cast<std::size_t>(9) * static_cast<std::size_t>(in) *
                              static_cast<std::size_t>(out));
    for (int o = 0; o < out; ++o)
        for (int i = 0; i < in; ++i)
            for (int t = 0; t < 9; ++t)
                result[static_cast<std::size_t>((t * in + i) * out + o)] =
                    weights[(o * in + i) * 9 + t];
    return result;
}

}  // namespace

Plane convolve(const Plane& in, const float* parameters, int out_channels) {
    const int ic = in.channels;
    const std::vector<float> weights = transposed(parameters, ic, out_channels);
    const float* bias = parameters + static_cast<std::ptrdiff_t>(9) * ic * out_channels;
    Plane out(in.width - 2, in.height - 2, out_channels);
    for (int y = 0; y < out.height; ++y)
        for (int x = 0; x < out.width; ++x) {
            float* sums = out.at(x, y);
            std::copy_n(bias, out_channels, sums);
            for (int t = 0; t < 9; ++t) {
                const float* pixel = in.at(x + t % 3, y + t / 3);
                for (int i = 0; i < ic; ++i) {
                    const float value = pixel[i];
                    const float* w =
                        weights.data() + static_cast<std::ptrdiff_t>(t * ic + i) * out_channels;
                    for (int o = 0; o < out_channels; ++o) sums[o] += value * w[o];
                }
            }
        }
    return out;
}

void add_parameter_gradient(const Plane& in, const Plane& out_gradient, float* gradient) {
    const int ic = in.channels;
    const int oc = out_gradient.channels;
    float* bias = gradient + static_cast<std::ptrdiff_t>(9) * ic * oc;
    for (int o = 0; o < oc; ++o)
        for (int y = 0; y < out_gradient.height; ++y)
            for (int x = 0; x < out_gradient.width; ++x) bias[o] += out_gradient.at(x, y)[o];
    for (int t = 0; t < 9; ++t) {
        std::vector<float> sums(static_cast<std::size_t>(ic) * static_cast<std::size_t>(oc));
        for (int y = 0; y < out_gradient.height; ++y)
            for (int x = 0; x < out_gradient.width; ++x) {
                const float* pixel = in.at(x + t % 3, y + t / 3);
                const float* g = out_gradient.at(x, y);
                for (int i = 0; i < ic; ++i)
                    for (int o = 0; o < oc; ++o)
                        sums[static_cast<std::size_t>(i * oc + o)] += pixel[i] * g[o];
            }
        for (int o = 0; o < oc; ++o)
            for (int i = 0; i < ic; ++i)
                gradient[(o * ic + i) * 9 + t] += sums[static_cast<std::size_t>(i * oc + o)];
    }
}

Plane input_gradient(const Plane& out_gradient, const float* parameters, int in_channels) {
    const int oc = out_gradient.channels;
    Plane in(out_gradient.width + 2, out_gradient.height + 2, in_channels);
    for (int y = 0; y < out_gradient.height; ++y)
        for (int x = 0; x < out_gradient.width; ++x)
            for (int o = 0; o < oc; ++o) {
                const float g = out_gradient.at(x, y)[o];
                for (int i = 0; i < in_channels; ++i)
                    for (int t = 0; t < 9; ++t)
                        in.at(x + t % 3, y + t / 3)[i] +=
                            g * parameters[(o * in_channels + i) * 9 + t];
            }
    return in;
}

void relu(Plane& plane) {
    for (float& value : plane.values) value = std::max(value, 0.0F);
}

Plane by_cells(const Plane& pixels) {
    Plane cells(pixels.width / 2, pixels.height / 2, 4);
    for (int y = 0; y < cells.height; ++y)
        for (int x = 0; x < cells.width; ++x)
            for (int i = 0; i < 4; ++i)
                cells.at(x, y)[i] = *pixels.at(2 * x + i % 2, 2 * y + i / 2);
    return cells;
}

}  // namespace livesr
