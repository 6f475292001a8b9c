#include "core/network/gradient.h"

#include <stdexcept>

#include "core/network/float_layers.h"
#include "core/network/tile_layers.h"
#include "core/network/trainer.h"

namespace livesr {

std::unique_ptr<BatchGradient> BatchGradient::create(const Architecture& architecture, Isa isa) {
    const FloatKernels* plain = float_kernels(isa);
    const TileKernels* tiles = tile_kernels(isa);
    if (plain != nullptr && tiles != nullptr)
        return make_gradient_tiles(architecture, *plain, *tiles);
    return make_gradient_reference(architecture);
}

double loss_and_gradient(const Network& network, std::span<const float> low,
                         std::span<const float> residual, int batch, int width, int height,
                         float charbonnier, std::span<float> gradient, Isa isa) {
    const Architecture& a = network.architecture;
    const int m = a.layers;
    const std::size_t low_size = static_cast<std::size_t>(width + 2 * m) *
                                 static_cast<std::size_t>(height + 2 * m) *
                                 static_cast<std::size_t>(input_channels(a, 0));
    const std::size_t residual_size = static_cast<std::size_t>(width) *
                                      static_cast<std::size_t>(height) *
                                      static_cast<std::size_t>(output_channels(a, a.layers - 1));
    const auto count = static_cast<std::size_t>(batch);
    if (batch < 1 || width < 1 || height < 1 || low.size() != low_size * count ||
        residual.size() != residual_size * count || gradient.size() != parameter_count(a) ||
        network.parameters.size() != parameter_count(a))
        throw std::invalid_argument("loss_and_gradient: sizes do not fit");
    const auto sums = BatchGradient::create(a, isa);
    sums->begin(network.parameters);
    double loss = 0;
    for (std::size_t i = 0; i < count; ++i)
        loss += sums->add(low.data() + i * low_size, residual.data() + i * residual_size, width,
                          height, charbonnier, 1.0F / static_cast<float>(batch));
    sums->finish(gradient);
    return loss;
}

}  // namespace livesr
