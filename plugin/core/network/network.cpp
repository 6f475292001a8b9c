#include "core/network/network.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "core/network/random.h"

namespace livesr {

std::size_t parameter_offset(const Architecture& a, int layer) {
    std::size_t offset = 0;
    for (int l = 0; l < layer; ++l) {
        const auto in = static_cast<std::size_t>(input_channels(a, l));
        const auto out = static_cast<std::size_t>(output_channels(a, l));
        offset += 9 * in * out + out;
    }
    return offset;
}

std::size_t parameter_count(const Architecture& a) { return parameter_offset(a, a.layers); }

std::string describe_problem(const Architecture& a) {
    if (a.scale < 1 || a.scale > 4) return "scale " + std::to_string(a.scale) + " is not 1 to 4";
    if (a.channels < 8 || a.channels > 64 || a.channels % 8 != 0)
        return "channels " + std::to_string(a.channels) + " is not a multiple of 8 from 8 to 64";
    if (a.layers < 2 || a.layers > 16)
        return "layers " + std::to_string(a.layers) + " is not between 2 and 16";
    return {};
}

Network make_network(const Architecture& a, std::uint64_t seed) {
    Network network{a, std::vector<float>(parameter_count(a), 0.0F)};
    Random random(seed);
    for (int l = 0; l + 1 < a.layers; ++l) {
        const int fan_in = 9 * input_channels(a, l);
        const double deviation = std::sqrt(2.0 / fan_in);
        float* weights = network.parameters.data() + parameter_offset(a, l);
        for (int i = 0; i < fan_in * output_channels(a, l); ++i)
            weights[i] = static_cast<float>(deviation * random.normal());
    }
    return network;
}

namespace {

auto last_layer(auto& network) {
    const Architecture& a = network.architecture;
    return std::span(network.parameters).subspan(parameter_offset(a, a.layers - 1));
}

}  // namespace

void add_nothing(Network& network) { std::ranges::fill(last_layer(network), 0.0F); }

bool adds_anything(const Network& network) {
    return std::ranges::any_of(last_layer(network), [](float value) { return value != 0.0F; });
}

}  // namespace livesr
