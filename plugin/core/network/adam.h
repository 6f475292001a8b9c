// Adam (Kingma, Ba 2015) with the usual constants, and the moving average of the weights.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace livesr {

class Adam {
  public:
    explicit Adam(std::size_t count) : first_(count), second_(count) {}

    // One step: parameters -= learning_rate * m / (sqrt(v) + 1e-8), both moments bias-corrected.
    void step(std::span<float> parameters, std::span<const float> gradient, float learning_rate);

  private:
    std::uint64_t steps_ = 0;
    std::vector<float> first_;
    std::vector<float> second_;
};

}  // namespace livesr
