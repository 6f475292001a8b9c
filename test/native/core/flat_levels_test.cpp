// Flat pictures stay as they are, and nothing else changes more than it must.
#include "core/network/flat_levels.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "core/network/enhance.h"
#include "core/network/random.h"

namespace livesr {
namespace {

constexpr std::array<std::uint8_t, 4> exact{0, 16, 235, 255};
constexpr std::array<std::uint8_t, 5> near{48, 80, 128, 160, 208};

// As training might leave it: everything somewhat off, by a few levels where a picture is flat.
Network trained(const Architecture& a, std::uint64_t seed) {
    Network network = make_network(a, seed);
    Random random(seed + 1);
    for (std::size_t i = parameter_offset(a, a.layers - 1); i < network.parameters.size(); ++i) {
        network.parameters[i] = static_cast<float>(0.002 * random.normal());
    }
    return network;
}

// Levels that the shown picture of a flat one is off by, at the most.
int error_of(const Network& network, std::uint8_t level) {
    constexpr int side = 24;
    const int scale = network.architecture.scale;
    const std::vector<std::uint8_t> low(side * side, level);
    std::vector<std::uint8_t> shown(low.size() * static_cast<std::size_t>(scale * scale));
    const PackedNetwork packed(network);
    EnhanceScratch scratch;
    enhance(packed, scratch, low.data(), side, side, side, shown.data(), side * scale, 0, side);
    int most = 0;
    for (const std::uint8_t pixel : shown) most = std::max(most, std::abs(pixel - level));
    return most;
}

}  // namespace

TEST_CASE("flat pictures of the levels asked for are shown as they are") {
    for (const Architecture a : {Architecture{1, 16, 4}, Architecture{2, 16, 4},
                                 Architecture{2, 8, 3}, Architecture{3, 16, 4}}) {
        for (std::uint64_t seed = 1; seed <= 5; ++seed) {
            Network network = trained(a, seed);
            int before = 0;
            for (const std::uint8_t level : exact) before += error_of(network, level);
            CHECK(before > 0);
            keep_flat(network, exact, near);
            for (const std::uint8_t level : exact) CHECK(error_of(network, level) == 0);
        }
    }
}

TEST_CASE("levels between are no worse than before") {
    const Architecture a{2, 16, 4};
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        Network network = trained(a, seed);
        int before = 0;
        for (const std::uint8_t level : near) before += error_of(network, level);
        keep_flat(network, exact, near);
        int after = 0;
        for (const std::uint8_t level : near) after += error_of(network, level);
        CHECK(after <= before);
    }
}

TEST_CASE("only the last layer changes, and a network that adds nothing not at all") {
    const Architecture a{2, 16, 4};
    const Network before = trained(a, 3);
    Network after = before;
    keep_flat(after, exact, near);
    const std::size_t last = parameter_offset(a, a.layers - 1);
    for (std::size_t i = 0; i < last; ++i) CHECK(after.parameters[i] == before.parameters[i]);
    CHECK(after.parameters != before.parameters);

    Network bicubic = make_network(a, 3);
    const std::vector<float> parameters = bicubic.parameters;
    keep_flat(bicubic, exact, near);
    CHECK(bicubic.parameters == parameters);
    Network untouched = before;
    keep_flat(untouched, {}, {});
    CHECK(untouched.parameters == before.parameters);
}

TEST_CASE("a level may be asked for twice, and more than 64 not at all") {
    Network network = trained({2, 16, 4}, 2);
    const std::array<std::uint8_t, 2> twice{16, 16};
    keep_flat(network, twice, twice);
    CHECK(error_of(network, 16) == 0);
    const std::vector<std::uint8_t> many(65, 1);
    CHECK_THROWS_AS(keep_flat(network, many, {}), std::invalid_argument);
}

}  // namespace livesr
