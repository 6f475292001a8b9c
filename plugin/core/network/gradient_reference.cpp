// The gradient in plain C++: the oracle of the fast paths, and what serves where they do not run.
#include <algorithm>
#include <cmath>
#include <vector>

#include "core/network/conv_reference.h"
#include "core/network/gradient.h"

namespace livesr {
namespace {

class ReferenceGradient final : public BatchGradient {
  public:
    explicit ReferenceGradient(const Architecture& a) : architecture_(a) {}

    void begin(std::span<const float> parameters) override {
        parameters_.assign(parameters.begin(), parameters.end());
        gradient_.assign(parameters.size(), 0.0F);
    }

    double add(const float* low, const float* residual, int width, int height, float charbonnier,
               float share) override {
        const Architecture& a = architecture_;
        const int m = a.layers;
        std::vector<Plane> inputs;  // of each layer
        Plane plane(width + 2 * m, height + 2 * m, input_channels(a, 0));
        std::copy_n(low, plane.values.size(), plane.values.begin());
        for (int l = 0; l < a.layers; ++l) {
            inputs.push_back(std::move(plane));
            plane = convolve(inputs.back(), parameters(l), output_channels(a, l));
            if (l + 1 < a.layers) relu(plane);
        }

        const auto count = static_cast<float>(plane.values.size());
        double loss = 0;
        for (std::size_t i = 0; i < plane.values.size(); ++i) {
            const float error = plane.values[i] - residual[i];
            const float root = std::sqrt(error * error + charbonnier * charbonnier);
            loss += root - charbonnier;
            plane.values[i] = root > 0 ? error / root * (share / count) : 0.0F;
        }

        for (int l = a.layers - 1; l >= 0; --l) {
            const Plane& in = inputs[static_cast<std::size_t>(l)];
            add_parameter_gradient(in, plane, gradient_.data() + parameter_offset(a, l));
            if (l == 0) break;
            plane = input_gradient(plane, parameters(l), in.channels);
            for (std::size_t i = 0; i < plane.values.size(); ++i)
                if (in.values[i] <= 0) plane.values[i] = 0;
        }
        return share * loss / count;
    }

    void finish(std::span<float> gradient) override {
        std::copy(gradient_.begin(), gradient_.end(), gradient.begin());
    }

  private:
    const float* parameters(int layer) const {
        return parameters_.data() + parameter_offset(architecture_, layer);
    }

    Architecture architecture_;
    std::vector<float> parameters_;
    std::vector<float> gradient_;
};

}  // namespace

std::unique_ptr<BatchGradient> make_gradient_reference(const Architecture& architecture) {
    return std::make_unique<ReferenceGradient>(architecture);
}

}  // namespace livesr
