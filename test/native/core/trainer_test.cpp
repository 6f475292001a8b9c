// Gradient, optimiser, drawing and the trainer that joins them.
#include "core/network/trainer.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/network/random.h"

namespace livesr {
namespace {

Network random_network(const Architecture& a, std::uint64_t seed) {
    Network network = make_network(a, seed);
    Random random(seed + 100);
    for (float& p : network.parameters) p += static_cast<float>(0.05 * random.normal());
    return network;
}

std::vector<float> random_values(std::size_t count, double scale, std::uint64_t seed) {
    Random random(seed);
    std::vector<float> values(count);
    for (float& value : values) value = static_cast<float>(scale * random.uniform());
    return values;
}

}  // namespace

TEST_CASE("the gradient of every layer agrees with finite differences") {
    for (const Architecture a : {Architecture{2, 8, 2}, Architecture{3, 16, 4}}) {
        const int m = margin(a);
        const int w = 5;
        const int h = 4;
        Network network = random_network(a, 3);
        const auto low = random_values(static_cast<std::size_t>((w + 2 * m) * (h + 2 * m)), 1, 1);
        const auto residual =
            random_values(static_cast<std::size_t>(w * h * a.scale * a.scale), 0.2, 2);
        std::vector<float> gradient(parameter_count(a));
        const auto loss = [&] {
            std::vector<float> unused(parameter_count(a));
            return loss_and_gradient(network, low, residual, 1, w, h, 0.1F, unused, Isa::reference);
        };
        loss_and_gradient(network, low, residual, 1, w, h, 0.1F, gradient, Isa::reference);
        for (int l = 0; l < a.layers; ++l) {
            const std::size_t begin = parameter_offset(a, l);
            const std::size_t end = parameter_offset(a, l + 1);
            for (std::size_t i = begin; i < end; i += 1 + (end - begin) / 23) {
                const float old = network.parameters[i];
                // Small, or a ReLU changes sides between the two.
                const float delta = 2.5e-4F;
                network.parameters[i] = old + delta;
                const double above = loss();
                network.parameters[i] = old - delta;
                const double below = loss();
                network.parameters[i] = old;
                CAPTURE(l);
                CAPTURE(i);
                CHECK((above - below) / (2 * delta) ==
                      doctest::Approx(gradient[i]).epsilon(0.02).scale(0.02));
            }
        }
    }
}

}  // namespace livesr
