// From float parameters to the fixed point of enhance_kernels.h: choosing the scale of every
// layer's activations and of every channel's weights.
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "core/network/conv_reference.h"
#include "core/network/enhance_kernels.h"
#include "core/network/random.h"

namespace livesr {
namespace {

constexpr int largest_shift = 24;

// Room between the largest activation on the calibration picture and saturation.
constexpr double headroom = 4.0;

// Values beyond this make no picture; the limit keeps conversions to integers defined.
constexpr double largest_real = 1e30;

// A picture with what drives activations high: noise, hard edges in all directions, strokes as of
// text, a checkerboard at full contrast, smooth shades. Values in [0, 1].
Plane calibration_picture(int side) {
    Plane plane(side, side, 1);
    Random random(20);
    const int tile = 8;
    const int tiles = (side + tile - 1) / tile;
    for (int ty = 0; ty < tiles; ++ty)
        for (int tx = 0; tx < tiles; ++tx) {
            const int kind = (ty * tiles + tx) % 7;
            const double base = random.uniform();
            // No sines: they round differently from library to library, and bytes depend on this.
            const double slope_x = 2 * random.uniform() - 1;
            const double slope_y = 2 * random.uniform() - 1;
            const double slope = std::sqrt(slope_x * slope_x + slope_y * slope_y);
            for (int y = ty * tile; y < std::min(side, (ty + 1) * tile); ++y)
                for (int x = tx * tile; x < std::min(side, (tx + 1) * tile); ++x) {
                    const double noise = random.uniform();
                    const double across =
                        (slope_x * (x % tile - 3.5) + slope_y * (y % tile - 3.5)) / slope;
                    double value = 0;
                    switch (kind) {
                        case 0:  // noise at full contrast
                            value = noise < 0.5 ? 0.0 : 1.0;
                            break;
                        case 1:  // an edge
                            value = across < 0 ? 0.0 : 1.0;
                            break;
                        case 2:  // a stroke, one to two pixels wide
                            value = std::abs(across) < 0.8 ? 1.0 : 0.0;
                            break;
                        case 3:
                            value = std::abs(across) < 0.8 ? 0.0 : 1.0;
                            break;
                        case 4:  // checkerboard
                            value = (x + y) % 2 == 0 ? 0.0 : 1.0;
                            break;
                        case 5:  // texture
                            value = base + 0.3 * (noise - 0.5);
                            break;
                        default:  // shade
                            value = base + 0.05 * across;
                            break;
                    }
                    *plane.at(x, y) = static_cast<float>(std::clamp(value, 0.0, 1.0));
                }
        }
    return plane;
}

// The largest activation of every hidden layer on the calibration picture.
std::vector<double> calibrate(const Network& network) {
    const Architecture& a = network.architecture;
    Plane plane = calibration_picture(32 + 2 * margin(a));
    if (cell_side(a) > 1) plane = by_cells(plane);
    std::vector<double> largest;
    for (int l = 0; l + 1 < a.layers; ++l) {
        plane = convolve(plane, network.parameters.data() + parameter_offset(a, l),
                         output_channels(a, l));
        relu(plane);
        double peak = 0;
        for (const float value : plane.values)
            if (value > peak) peak = value;  // false for NaN, which huge parameters can give
        largest.push_back(std::min(peak, largest_real));
    }
    return largest;
}

struct Channel {
    const float* weights;  // count of them
    int count;
    double bias;
};

// Writes the channel's integers for a given shift; false when a sum of some of them could overflow.
bool quantise_channel(const Channel& channel, double weight_scale, double bias_scale,
                      std::int32_t input_limit, int shift, std::int16_t* weights,
                      std::int32_t* bias) {
    using Limits = std::numeric_limits<std::int32_t>;
    std::int64_t positive = 0;
    std::int64_t negative = 0;
    for (int i = 0; i < channel.count; ++i) {
        const double value = std::nearbyint(static_cast<double>(channel.weights[i]) * weight_scale);
        if (std::abs(value) > std::numeric_limits<std::int16_t>::max()) return false;
        weights[i] = static_cast<std::int16_t>(value);
        (value > 0 ? positive : negative) += weights[i];
    }
    const double scaled_bias = std::nearbyint(channel.bias * bias_scale);
    if (std::abs(scaled_bias) > Limits::max()) return false;
    const std::int64_t start =
        static_cast<std::int64_t>(scaled_bias) + (shift > 0 ? std::int64_t{1} << (shift - 1) : 0);
    const std::int64_t highest = std::max<std::int64_t>(start, 0) + positive * input_limit;
    const std::int64_t lowest = std::min<std::int64_t>(start, 0) + negative * input_limit;
    if (highest > Limits::max() || lowest < Limits::min()) return false;
    *bias = static_cast<std::int32_t>(start);
    return true;
}

// in_scale, out_scale: integer units for 1.0. False when a channel does not fit even unshifted.
bool quantise_layer(const float* parameters, PackedLayer& layer, double in_scale, double out_scale,
                    std::int32_t input_limit) {
    const int count = 9 * layer.in;
    const float* biases = parameters + static_cast<std::ptrdiff_t>(count) * layer.out;
    for (int o = 0; o < layer.out; ++o) {
        const auto index = static_cast<std::size_t>(o);
        const Channel channel{parameters + static_cast<std::ptrdiff_t>(count) * o, count,
                              biases[o]};
        int shift = largest_shift;
        while (shift >= 0 &&
               !quantise_channel(channel, std::ldexp(out_scale / in_scale, shift),
                                 std::ldexp(out_scale, shift), input_limit, shift,
                                 layer.weights.data() + static_cast<std::ptrdiff_t>(count) * o,
                                 &layer.bias[index]))
            --shift;
        if (shift < 0) return false;
        layer.shift[index] = shift;
    }
    return true;
}

std::unique_ptr<const PackedNetwork::Data> pack(const Network& network) {
    const Architecture& a = network.architecture;
    if (const std::string problem = describe_problem(a); !problem.empty())
        throw std::invalid_argument("PackedNetwork: " + problem);
    if (network.parameters.size() != parameter_count(a))
        throw std::invalid_argument("PackedNetwork: " + std::to_string(network.parameters.size()) +
                                    " parameters, but " + std::to_string(parameter_count(a)) +
                                    " make up this architecture");
    if (!std::all_of(network.parameters.begin(), network.parameters.end(),
                     [](float value) { return std::isfinite(value); }))
        throw std::invalid_argument("PackedNetwork: a parameter is not finite");

    auto data = std::make_unique<PackedNetwork::Data>();
    data->architecture = a;
    const std::vector<double> largest = calibrate(network);
    double in_scale = 255.0;
    std::int32_t input_limit = 255;
    for (int l = 0; l < a.layers; ++l) {
        PackedLayer layer;
        layer.in = input_channels(a, l);
        layer.out = output_channels(a, l);
        const auto out = static_cast<std::size_t>(layer.out);
        layer.weights.resize(out * static_cast<std::size_t>(9 * layer.in));
        layer.bias.resize(out);
        layer.shift.resize(out);
        const bool last = l + 1 == a.layers;
        const double peak = last ? 0.0 : largest[static_cast<std::size_t>(l)];
        double out_scale = last ? 255.0 * (1 << residual_bits)
                                : activation_limit / (peak > 0 ? headroom * peak : 1.0);
        // Weights so large that they do not fit: give up resolution of the output, not its range.
        // In the last layer that bounds a residual which saturates anyway.
        while (!quantise_layer(network.parameters.data() + parameter_offset(a, l), layer, in_scale,
                               out_scale, input_limit))
            out_scale /= 2;
        in_scale = out_scale;
        input_limit = activation_limit;
        pack_rows(a, l, layer);
        data->layers.push_back(std::move(layer));
    }
    return data;
}

}  // namespace

PackedNetwork::PackedNetwork(const Network& network) : data_(pack(network)) {}
PackedNetwork::~PackedNetwork() = default;
const Architecture& PackedNetwork::architecture() const { return data_->architecture; }

}  // namespace livesr
