#include "core/network/adam.h"

#include <cmath>

namespace livesr {

void Adam::step(std::span<float> parameters, std::span<const float> gradient, float learning_rate) {
    constexpr float beta1 = 0.9F;
    constexpr float beta2 = 0.999F;
    constexpr float epsilon = 1e-8F;
    ++steps_;
    const auto t = static_cast<double>(steps_);
    const auto rate = static_cast<float>(learning_rate / (1 - std::pow(0.9, t)));
    const auto correction = static_cast<float>(1 / std::sqrt(1 - std::pow(0.999, t)));
    float* p = parameters.data();
    float* m = first_.data();
    float* v = second_.data();
    const float* g = gradient.data();
    for (std::size_t i = 0; i < first_.size(); ++i) {
        m[i] = beta1 * m[i] + (1 - beta1) * g[i];
        v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
        p[i] -= rate * m[i] / (std::sqrt(v[i]) * correction + epsilon);
    }
}

}  // namespace livesr
