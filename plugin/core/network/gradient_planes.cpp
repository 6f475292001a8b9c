// The gradient by the float kernels: forward, then layer by layer backwards, for one window.
#include <algorithm>
#include <vector>

#include "core/network/aligned.h"
#include "core/network/float_layers.h"
#include "core/network/gradient.h"

namespace livesr {
namespace {

class PlaneGradient final : public BatchGradient {
  public:
    PlaneGradient(const Architecture& a, const FloatKernels& kernels)
        : architecture_(a), kernels_(kernels), layers_(a, kernels.lanes) {
        for (int l = 0; l < a.layers; ++l) sums_.emplace_back(layers_.gradient_size(l));
        activations_.resize(static_cast<std::size_t>(a.layers));
    }

    void begin(std::span<const float> parameters) override {
        layers_.pack(parameters);
        for (auto& sums : sums_) std::fill(sums.begin(), sums.end(), 0.0F);
    }

    double add(const float* low, const float* residual, int width, int height, float charbonnier,
               float share) override;

    void finish(std::span<float> gradient) override {
        for (int l = 0; l < architecture_.layers; ++l)
            layers_.unpack_gradient(l, sums_[static_cast<std::size_t>(l)].data(), gradient);
    }

  private:
    void add_layer_gradient(int l, const FloatPlanes& input, const FloatPicture& gradient);

    Architecture architecture_;
    const FloatKernels& kernels_;
    FloatLayers layers_;
    std::vector<AlignedVector<float>> sums_;  // of each layer
    std::vector<FloatPicture> activations_;   // inputs of layer 1 and on
    FloatPicture gradient_;
    FloatPicture input_gradient_;
};

double PlaneGradient::add(const float* low, const float* residual, int width, int height,
                          float charbonnier, float share) {
    const Architecture& a = architecture_;
    const int m = margin(a);
    const int last = a.layers - 1;
    const FloatPlanes picture{low, width + 2 * m, 0, 1};
    const auto input = [&](int l) {
        return l == 0 ? picture : activations_[static_cast<std::size_t>(l)].planes();
    };
    for (int l = 0; l < last; ++l) {
        FloatPicture& out = activations_[static_cast<std::size_t>(l) + 1];
        out.resize(width + 2 * (last - l), height + 2 * (last - l), a.channels, kernels_.lanes, 0);
        layers_.forward(kernels_, l, input(l), out, AfterSum::relu);
    }

    // Gradients carry a border of zeros, two wide: the gradient of a valid convolution with respect
    // to its input is a valid convolution of that.
    const int outputs = a.scale * a.scale;
    gradient_.resize(width, height, outputs, kernels_.lanes, 2);
    layers_.forward(kernels_, last, input(last), gradient_, AfterSum::nothing);
    const float count =
        static_cast<float>(width) * static_cast<float>(height) * static_cast<float>(outputs);
    double loss = 0;
    for (int first = 0; first < outputs; first += kernels_.lanes)
        for (int y = 0; y < height; ++y)
            loss += kernels_.loss(
                gradient_.row(first / kernels_.lanes, y),
                residual + static_cast<std::ptrdiff_t>(y) * width * outputs + first, outputs,
                std::min(kernels_.lanes, outputs - first), width, charbonnier, share / count);

    for (int l = last; l >= 0; --l) {
        add_layer_gradient(l, input(l), gradient_);
        if (l == 0) break;
        const FloatPicture& activation = activations_[static_cast<std::size_t>(l)];
        input_gradient_.resize(activation.width(), activation.height(), a.channels, kernels_.lanes,
                               2);
        layers_.backward(kernels_, l, gradient_, activation, input_gradient_);
        std::swap(gradient_, input_gradient_);
    }
    return share * loss / count;
}

void PlaneGradient::add_layer_gradient(int l, const FloatPlanes& input,
                                       const FloatPicture& gradient) {
    const int lanes = kernels_.lanes;
    float* weights = sums_[static_cast<std::size_t>(l)].data();
    float* bias = weights + layers_.bias_gradient_offset(l);
    for (int p = 0; p < gradient.plane_count(); ++p)
        kernels_.bias_gradient(gradient.row(p, 0), gradient.row_size(), gradient.width(),
                               gradient.height(), bias + p * lanes);
    if (l == 0) {
        for (int p = 0; p < gradient.plane_count(); ++p)
            kernels_.first_weight_gradient(input.values, input.row, gradient.row(p, 0),
                                           gradient.row_size(), gradient.width(), gradient.height(),
                                           weights + static_cast<std::ptrdiff_t>(p) * 9 * lanes);
        return;
    }
    const std::ptrdiff_t plane_sums = static_cast<std::ptrdiff_t>(9) * gradient.channels() * lanes;
    for (int p = 0; p * lanes < input.channels; ++p)
        kernels_.weight_gradient(input.values + p * input.plane, input.row, gradient.planes(),
                                 gradient.width(), gradient.height(), weights + p * plane_sums);
}

}  // namespace

std::unique_ptr<BatchGradient> make_gradient_planes(const Architecture& architecture,
                                                    const FloatKernels& kernels) {
    return std::make_unique<PlaneGradient>(architecture, kernels);
}

}  // namespace livesr
