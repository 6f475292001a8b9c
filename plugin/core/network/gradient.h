// Loss and gradient of a batch, one window at a time, so that windows of different sizes can make
// up a batch. The reference serves everywhere; fast paths differ from it by rounding only.
#pragma once

#include <memory>
#include <span>

#include "core/network/isa.h"
#include "core/network/network.h"

namespace livesr {

struct FloatKernels;
struct TileKernels;

class BatchGradient {
  public:
    static std::unique_ptr<BatchGradient> create(const Architecture& architecture, Isa isa);
    virtual ~BatchGradient() = default;

    // Takes the weights of this batch and sets the sums to zero.
    virtual void begin(std::span<const float> parameters) = 0;

    // In positions of the network, m of them beyond the window. low: [height + 2m][width + 2m]
    // [input channels], in [0, 1]. residual: [height][width][output channels], truth minus base.
    // Adds share * gradient of the window's mean loss and returns share * mean loss, where the loss
    // of an error d is sqrt(d^2 + c^2) - c with c = charbonnier.
    virtual double add(const float* low, const float* residual, int width, int height,
                       float charbonnier, float share) = 0;

    // Writes the sums in the order of the parameters.
    virtual void finish(std::span<float> gradient) = 0;
};

std::unique_ptr<BatchGradient> make_gradient_reference(const Architecture& architecture);
std::unique_ptr<BatchGradient> make_gradient_tiles(const Architecture& architecture,
                                                   const FloatKernels& plain,
                                                   const TileKernels& tiles);

}  // namespace livesr
