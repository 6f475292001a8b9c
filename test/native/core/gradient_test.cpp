// Loss, gradient and optimiser.
#include "core/network/gradient.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "core/network/adam.h"
#include "core/network/random.h"
#include "core/network/trainer.h"

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
    for (const Architecture a :
         {Architecture{2, 8, 2}, Architecture{3, 16, 4}, Architecture{1, 16, 3}}) {
        const int m = a.layers;
        const int w = 5;
        const int h = 4;
        Network network = random_network(a, 3);
        const auto low = random_values(
            static_cast<std::size_t>((w + 2 * m) * (h + 2 * m) * input_channels(a, 0)), 1, 1);
        const auto residual = random_values(
            static_cast<std::size_t>(w * h * output_channels(a, a.layers - 1)), 0.2, 2);
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

TEST_CASE("every path gives the reference's gradient up to rounding") {
    constexpr Architecture architectures[] = {{2, 8, 2},  {3, 8, 3},  {4, 8, 2},  {2, 16, 4},
                                              {3, 16, 4}, {4, 16, 5}, {2, 24, 3}, {3, 32, 6},
                                              {4, 48, 3}, {3, 64, 2}, {2, 8, 16}, {1, 8, 2},
                                              {1, 8, 3},  {1, 16, 4}, {1, 24, 3}};
    constexpr int sizes[][2] = {{1, 1}, {7, 3}, {26, 5}, {13, 40}};
    for (const Architecture& a : architectures) {
        const int m = a.layers;
        const Network network = random_network(a, 3);
        for (const auto& size : sizes) {
            const int w = size[0];
            const int h = size[1];
            const int batch = 2;
            const auto low = random_values(
                static_cast<std::size_t>(batch * (w + 2 * m) * (h + 2 * m) * input_channels(a, 0)),
                1, 1);
            const auto residual = random_values(
                static_cast<std::size_t>(batch * w * h * output_channels(a, a.layers - 1)), 0.2, 2);
            std::vector<float> expected(parameter_count(a));
            const double expected_loss = loss_and_gradient(network, low, residual, batch, w, h,
                                                           0.01F, expected, Isa::reference);
            double norm = 0;
            for (const float g : expected) norm += static_cast<double>(g) * g;
            for (const Isa isa : {Isa::avx2, Isa::avx512, Isa::avx512vnni}) {
                if (!supported(isa)) continue;
                // What was in the memory must not matter: the gradient is written, not added.
                std::vector<float> actual(parameter_count(a), 1e30F);
                const double loss =
                    loss_and_gradient(network, low, residual, batch, w, h, 0.01F, actual, isa);
                double difference = 0;
                for (std::size_t i = 0; i < expected.size(); ++i)
                    difference += std::pow(static_cast<double>(expected[i]) - actual[i], 2);
                CAPTURE(a.scale);
                CAPTURE(a.channels);
                CAPTURE(w);
                CAPTURE(std::string(name(isa)));
                CHECK(std::sqrt(difference / norm) < 1e-5);
                CHECK(loss == doctest::Approx(expected_loss).epsilon(1e-6));
            }
        }
    }
}

TEST_CASE(
    "windows of different sizes add up on every path, and nothing of the last batch is left") {
    const Architecture a{3, 24, 4};
    const int m = margin(a);
    const Network network = random_network(a, 3);
    const auto gradient_of = [&](Isa isa) {
        const auto sums = BatchGradient::create(a, isa);
        std::vector<float> gradient(parameter_count(a));
        for (int batch = 0; batch < 2; ++batch) {
            sums->begin(network.parameters);
            for (const auto& [w, h] : {std::pair{30, 9}, {3, 17}, {1, 1}, {30, 10}, {61, 2}}) {
                const auto low =
                    random_values(static_cast<std::size_t>((w + 2 * m) * (h + 2 * m)), 1, 1);
                const auto residual = random_values(static_cast<std::size_t>(w * h * 9), 0.2, 2);
                sums->add(low.data(), residual.data(), w, h, 0.01F, 0.2F);
            }
            sums->finish(gradient);
        }
        return gradient;
    };
    const auto expected = gradient_of(Isa::reference);
    for (const Isa isa : {Isa::avx2, Isa::avx512}) {
        if (!supported(isa)) continue;
        const auto actual = gradient_of(isa);
        double difference = 0;
        double norm = 0;
        for (std::size_t i = 0; i < expected.size(); ++i) {
            difference += std::pow(static_cast<double>(expected[i]) - actual[i], 2);
            norm += static_cast<double>(expected[i]) * expected[i];
        }
        CHECK(std::sqrt(difference / norm) < 1e-5);
    }
}

TEST_CASE("Adam follows its formula") {
    std::vector<float> parameters = {0.5F, -1.0F, 2.0F};
    Adam adam(3);
    double p[] = {0.5, -1.0, 2.0};
    double m[3] = {};
    double v[3] = {};
    Random random(1);
    for (int t = 1; t <= 50; ++t) {
        const double rate = t < 20 ? 1e-2 : 1e-3;
        std::vector<float> gradient;
        for (int i = 0; i < 3; ++i) {
            // From tiny to large: epsilon must be added after the root.
            const double g = std::pow(10.0, -8.0 + 5.0 * i) * random.normal();
            gradient.push_back(static_cast<float>(g));
            m[i] = 0.9 * m[i] + 0.1 * g;
            v[i] = 0.999 * v[i] + 0.001 * g * g;
            const double m_hat = m[i] / (1 - std::pow(0.9, t));
            const double v_hat = v[i] / (1 - std::pow(0.999, t));
            p[i] -= rate * m_hat / (std::sqrt(v_hat) + 1e-8);
        }
        adam.step(parameters, gradient, static_cast<float>(rate));
        for (std::size_t i = 0; i < 3; ++i)
            REQUIRE(parameters[i] == doctest::Approx(p[i]).epsilon(1e-5));
    }
}

}  // namespace livesr
