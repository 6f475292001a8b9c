// Inference: every path gives the reference's bytes, and those are what the float network says.
#include "core/network/enhance.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/network/enhance_kernels.h"
#include "core/network/random.h"
#include "core/picture/resample.h"

namespace livesr {
namespace {

constexpr Isa fast_paths[] = {Isa::avx2, Isa::avx512, Isa::avx512vnni};

constexpr Architecture architectures[] = {
    {2, 8, 2},  {3, 8, 3},  {4, 8, 2},   {2, 16, 4}, {3, 16, 4}, {4, 16, 5}, {2, 24, 3}, {3, 32, 6},
    {4, 48, 3}, {3, 64, 3}, {2, 16, 16}, {1, 8, 2},  {1, 8, 3},  {1, 16, 4}, {1, 24, 3}};

// As a trained network: weights everywhere, the last layer small.
Network trained_like(const Architecture& a, std::uint64_t seed, double noise = 0.03) {
    Network network = make_network(a, seed);
    Random random(seed + 1000);
    for (float& p : network.parameters) p += static_cast<float>(noise * random.normal());
    return network;
}

enum class Fill { random, near_black, near_white, stripes };

std::vector<std::uint8_t> picture(int width, int height, Fill fill, std::uint64_t seed) {
    Random random(seed);
    std::vector<std::uint8_t> samples(static_cast<std::size_t>(width * height));
    for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x) {
            int value = 0;
            if (fill == Fill::random) value = random.below(256);
            if (fill == Fill::near_black) value = random.below(3);
            if (fill == Fill::near_white) value = 253 + random.below(3);
            if (fill == Fill::stripes) value = (x + y / 2) % 4 < 2 ? 0 : 255;
            samples[static_cast<std::size_t>(y * width + x)] = static_cast<std::uint8_t>(value);
        }
    return samples;
}

std::vector<std::uint8_t> enhanced(const PackedNetwork& network,
                                   const std::vector<std::uint8_t>& src, int width, int height,
                                   Isa isa) {
    const int scale = network.architecture().scale;
    std::vector<std::uint8_t> dst(src.size() * static_cast<std::size_t>(scale * scale));
    EnhanceScratch scratch;
    enhance(network, scratch, src.data(), width, width, height, dst.data(), width * scale, 0,
            height, isa);
    return dst;
}

}  // namespace

TEST_CASE("every path enhances to the reference's bytes, whatever the size and the fill") {
    constexpr int sizes[][2] = {{1, 1}, {7, 3}, {33, 20}, {61, 9}, {150, 7}};
    for (const Architecture& a : architectures) {
        const PackedNetwork network(trained_like(a, 5));
        for (const auto& size : sizes)
            for (const Fill fill :
                 {Fill::random, Fill::near_black, Fill::near_white, Fill::stripes}) {
                const int width = size[0];
                const int height = size[1];
                const auto src = picture(width, height, fill, 11);
                const auto expected = enhanced(network, src, width, height, Isa::reference);
                for (const Isa isa : fast_paths) {
                    if (!supported(isa)) continue;
                    CAPTURE(a.scale);
                    CAPTURE(a.channels);
                    CAPTURE(width);
                    CAPTURE(std::string(name(isa)));
                    CHECK(enhanced(network, src, width, height, isa) == expected);
                }
            }
    }
}

TEST_CASE("a picture wider than a column of the cache is enhanced to the reference's bytes") {
    const PackedNetwork network(trained_like({2, 64, 5}, 6));
    const auto src = picture(900, 3, Fill::random, 1);
    const auto expected = enhanced(network, src, 900, 3, Isa::reference);
    for (const Isa isa : fast_paths)
        if (supported(isa)) CHECK(enhanced(network, src, 900, 3, isa) == expected);
}

TEST_CASE("a restored picture is the same in strips, and as it was while the last layer is zero") {
    const auto src = picture(77, 30, Fill::random, 1);
    const Network still = make_network({1, 16, 4}, 3);
    CHECK(enhanced(PackedNetwork(still), src, 77, 30, best_isa()) == src);
    const PackedNetwork network(trained_like({1, 16, 4}, 6));
    const auto expected = enhanced(network, src, 77, 30, Isa::reference);
    CHECK(expected != src);
    std::vector<std::uint8_t> dst(src.size());
    EnhanceScratch scratch;
    for (const auto& [begin, end] : {std::pair{0, 7}, {7, 8}, {8, 21}, {21, 30}})
        enhance(network, scratch, src.data(), 77, 77, 30, dst.data(), 77, begin, end);
    CHECK(dst == expected);
}

TEST_CASE("sums cannot overflow: paths agree on extreme parameters") {
    const Architecture a{3, 16, 4};
    Random random(3);
    for (const float magnitude : {1e-30F, 1e-6F, 30.0F, 1e6F, 1e30F, 3e38F}) {
        Network network = make_network(a, 1);
        for (float& p : network.parameters)
            p = magnitude * static_cast<float>(2 * random.uniform() - 1);
        const PackedNetwork packed(network);
        for (const Fill fill : {Fill::random, Fill::near_white, Fill::stripes}) {
            const auto src = picture(40, 6, fill, 2);
            const auto expected = enhanced(packed, src, 40, 6, Isa::reference);
            for (const Isa isa : fast_paths)
                if (supported(isa)) CHECK(enhanced(packed, src, 40, 6, isa) == expected);
        }
    }
}

TEST_CASE("the bound on every channel's sum holds") {
    for (const float magnitude : {1e-6F, 0.05F, 1e6F}) {
        const PackedNetwork network(trained_like({2, 32, 5}, 9, magnitude));
        for (const PackedLayer& layer : network.data().layers) {
            const bool first = &layer == &network.data().layers.front();
            const std::int64_t input = first ? 255 : activation_limit;
            const auto count = static_cast<std::ptrdiff_t>(9 * layer.in);
            for (int o = 0; o < layer.out; ++o) {
                const std::int16_t* w = layer.weights.data() + count * o;
                std::int64_t highest = 0;
                std::int64_t lowest = 0;
                for (std::ptrdiff_t i = 0; i < count; ++i) (w[i] > 0 ? highest : lowest) += w[i];
                const std::int64_t bias = layer.bias[static_cast<std::size_t>(o)];
                CHECK(std::max<std::int64_t>(bias, 0) + highest * input <=
                      std::numeric_limits<std::int32_t>::max());
                CHECK(std::min<std::int64_t>(bias, 0) + lowest * input >=
                      std::numeric_limits<std::int32_t>::min());
            }
        }
    }
}

TEST_CASE("exactly the destination rectangle is written") {
    constexpr std::uint8_t guard = 0xA5;
    constexpr int pad = 70;
    for (const Architecture a : {Architecture{2, 16, 4}, {3, 16, 4}, {4, 16, 4}, {3, 32, 3}})
        for (const auto& [width, height] : {std::pair{1, 1}, {13, 5}, {37, 4}}) {
            const PackedNetwork network(trained_like(a, 5));
            const auto src = picture(width, height, Fill::random, 4);
            const int out_width = width * a.scale;
            const int out_height = height * a.scale;
            const int stride = out_width + 2 * pad;
            for (const Isa isa : {Isa::reference, Isa::avx2, Isa::avx512, Isa::avx512vnni}) {
                if (!supported(isa)) continue;
                std::vector<std::uint8_t> memory(
                    static_cast<std::size_t>(stride * (out_height + 2)), guard);
                EnhanceScratch scratch;
                enhance(network, scratch, src.data(), width, width, height,
                        memory.data() + stride + pad, stride, 0, height, isa);
                const auto inside = enhanced(network, src, width, height, Isa::reference);
                for (int y = 0; y < out_height + 2; ++y)
                    for (int x = 0; x < stride; ++x) {
                        const bool in =
                            y >= 1 && y <= out_height && x >= pad && x < pad + out_width;
                        const int expected =
                            in ? inside[static_cast<std::size_t>((y - 1) * out_width + x - pad)]
                               : guard;
                        REQUIRE(memory[static_cast<std::size_t>(y * stride + x)] == expected);
                    }
            }
        }
}

TEST_CASE("strips give the bytes of the whole frame") {
    const Architecture a{3, 16, 4};
    const PackedNetwork network(trained_like(a, 8));
    const int width = 45;
    const int height = 23;
    const auto src = picture(width, height, Fill::random, 4);
    for (const Isa isa : {Isa::reference, Isa::avx2, Isa::avx512, Isa::avx512vnni}) {
        if (!supported(isa)) continue;
        const auto whole = enhanced(network, src, width, height, isa);
        std::vector<std::uint8_t> strips(whole.size());
        const int cuts[] = {0, 1, 2, 9, 9, 20, 23};
        for (std::size_t i = 0; i + 1 < std::size(cuts); ++i) {
            EnhanceScratch scratch;
            enhance(network, scratch, src.data(), width, width, height, strips.data(), width * 3,
                    cuts[i], cuts[i + 1], isa);
        }
        CHECK(strips == whole);
    }
}

TEST_CASE("a scratch serves pictures and networks of any size in any order") {
    EnhanceScratch scratch;
    for (const Architecture& a : architectures)
        for (const int width : {90, 5, 40}) {
            const PackedNetwork network(trained_like(a, 2));
            const auto src = picture(width, 6, Fill::random, 4);
            std::vector<std::uint8_t> dst(src.size() * static_cast<std::size_t>(a.scale * a.scale));
            enhance(network, scratch, src.data(), width, width, 6, dst.data(), width * a.scale, 0,
                    6);
            CHECK(dst == enhanced(network, src, width, 6, Isa::reference));
        }
}

TEST_CASE("a crop with its margin gives the frame's pixels") {
    for (const Architecture a : {Architecture{2, 16, 4}, {3, 8, 3}, {4, 16, 6}, {1, 16, 4}}) {
        const PackedNetwork network(trained_like(a, 8));
        const int m = margin(a);
        const int width = 60;
        const int height = 44;
        const auto src = picture(width, height, Fill::random, 4);
        const auto frame = enhanced(network, src, width, height, best_isa());
        const int x = cell_side(a) == 1 ? 17 : 18;  // cells are whole
        const int y = 16;
        const int side = cell_side(a) == 1 ? 9 : 10;
        std::vector<std::uint8_t> crop;
        for (int row = y - m; row < y + side + m; ++row)
            for (int column = x - m; column < x + side + m; ++column)
                crop.push_back(src[static_cast<std::size_t>(row * width + column)]);
        const int crop_side = side + 2 * m;
        const auto big = enhanced(network, crop, crop_side, crop_side, best_isa());
        for (int row = 0; row < side * a.scale; ++row)
            for (int column = 0; column < side * a.scale; ++column)
                REQUIRE(big[static_cast<std::size_t>((m * a.scale + row) * crop_side * a.scale +
                                                     m * a.scale + column)] ==
                        frame[static_cast<std::size_t>((y * a.scale + row) * width * a.scale +
                                                       x * a.scale + column)]);
    }
}

TEST_CASE("a network whose last layer is zero is the bicubic of resample()") {
    for (const int scale : {2, 3, 4}) {
        const PackedNetwork network(make_network({scale, 16, 4}, 1));
        for (const Fill fill : {Fill::random, Fill::near_black, Fill::near_white, Fill::stripes})
            for (const auto& [width, height] : {std::pair{1, 1}, {5, 2}, {64, 33}}) {
                const auto src = picture(width, height, fill, 4);
                std::vector<std::uint8_t> expected(src.size() *
                                                   static_cast<std::size_t>(scale * scale));
                resample(Filter::bicubic, src.data(), width, width, height, expected.data(),
                         width * scale, width * scale, height * scale);
                for (const Isa isa : {Isa::reference, Isa::avx2, Isa::avx512, Isa::avx512vnni})
                    if (supported(isa))
                        CHECK(enhanced(network, src, width, height, isa) == expected);
            }
    }
}

TEST_CASE("fixed point stays within one grey level of the float network") {
    for (const Architecture a :
         {Architecture{2, 16, 4}, {3, 16, 4}, {4, 16, 4}, {2, 32, 6}, {1, 16, 4}}) {
        const Network network = trained_like(a, 21);
        const int width = 96;
        const int height = 64;
        // Shades with texture, as pictures have: at each of them the residual is a few levels.
        Random random(1);
        std::vector<std::uint8_t> src;
        std::vector<float> real;
        for (int y = 0; y < height; ++y)
            for (int x = 0; x < width; ++x) {
                const double value = 128 + 70 * std::sin(0.21 * x) * std::cos(0.13 * y) +
                                     ((x / 9 + y / 7) % 2 == 0 ? 30 : -30) + 10 * random.normal();
                src.push_back(static_cast<std::uint8_t>(std::clamp(value, 0.0, 255.0)));
                real.push_back(static_cast<float>(src.back()) / 255.0F);
            }
        const auto bytes = enhanced(PackedNetwork(network), src, width, height, best_isa());
        std::vector<float> exact(bytes.size());
        enhance_float(network, real.data(), width, height, exact.data());
        std::vector<float> bicubic(bytes.size());
        enhance_float(make_network(a, 1), real.data(), width, height, bicubic.data());
        int largest = 0;
        double error = 0;
        double residual = 0;
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            const double level = 255.0 * std::clamp(exact[i], 0.0F, 1.0F);
            largest = std::max(largest, std::abs(static_cast<int>(std::lround(level)) - bytes[i]));
            error += (level - bytes[i]) * (level - bytes[i]);
            residual += std::pow(255.0 * (exact[i] - bicubic[i]), 2);
        }
        CAPTURE(a.scale);
        CAPTURE(a.channels);
        CHECK(largest <= 1);
        // Rounding to bytes costs 1/12 whatever computes it; fixed point adds 0.3 % of the
        // residual.
        const auto count = static_cast<double>(bytes.size());
        CHECK(error / count < 1.01 / 12 + 0.003 * 0.003 * residual / count);
    }
}

TEST_CASE("the float network is the same on every path up to rounding") {
    for (const Architecture& a : architectures)
        for (const auto& size : {std::pair{1, 1}, {19, 5}, {30, 70}}) {
            const int width = size.first;
            const int height = size.second;
            const Network network = trained_like(a, 21);
            Random random(1);
            std::vector<float> src(static_cast<std::size_t>(width * height));
            for (float& value : src) value = static_cast<float>(random.uniform());
            std::vector<float> expected(src.size() * static_cast<std::size_t>(a.scale * a.scale));
            enhance_float(network, src.data(), width, height, expected.data(), Isa::reference);
            for (const Isa isa : fast_paths) {
                if (!supported(isa)) continue;
                std::vector<float> actual(expected.size());
                enhance_float(network, src.data(), width, height, actual.data(), isa);
                float largest = 0;
                for (std::size_t i = 0; i < actual.size(); ++i)
                    largest = std::max(largest, std::abs(actual[i] - expected[i]));
                CAPTURE(a.channels);
                CAPTURE(width);
                CHECK(largest < 2e-5F);
            }
        }
}

TEST_CASE("parameters that make no network are refused in words") {
    Network network = make_network({2, 16, 4}, 1);
    network.parameters[7] = std::numeric_limits<float>::quiet_NaN();
    CHECK_THROWS_AS(PackedNetwork{network}, std::invalid_argument);
    network.parameters[7] = std::numeric_limits<float>::infinity();
    CHECK_THROWS_AS(PackedNetwork{network}, std::invalid_argument);
    network.parameters[7] = 0;
    CHECK_NOTHROW(PackedNetwork{network});
    network.parameters.pop_back();
    CHECK_THROWS_AS(PackedNetwork{network}, std::invalid_argument);
    network.architecture.channels = 12;
    CHECK_THROWS_AS(PackedNetwork{network}, std::invalid_argument);
}

TEST_CASE("packing does not depend on the machine: golden integers of a fixed network") {
    Network fixed{{2, 8, 3}, {}};
    Random random(4);  // uniform numbers only: no library function that may round in its own way
    fixed.parameters.resize(parameter_count(fixed.architecture));
    for (float& p : fixed.parameters) p = static_cast<float>(0.6 * random.uniform() - 0.3);
    const PackedNetwork network(fixed);
    std::uint64_t hash = 0xCBF29CE484222325U;  // FNV-1a
    const auto mix = [&hash](std::int64_t value) {
        hash = (hash ^ static_cast<std::uint64_t>(value)) * 0x100000001B3U;
    };
    for (const PackedLayer& layer : network.data().layers) {
        for (const std::int16_t w : layer.weights) mix(w);
        for (const std::int32_t b : layer.bias) mix(b);
        for (const std::int32_t s : layer.shift) mix(s);
    }
    CHECK(hash == 10586819466669870302U);
}

}  // namespace livesr
