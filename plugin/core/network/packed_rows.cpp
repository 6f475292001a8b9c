// Lays a layer's integers out for the row kernels.
#include "core/network/enhance_kernels.h"

namespace livesr {
namespace {

constexpr int round_up(int value, int step) { return (value + step - 1) / step * step; }

// Channels that the kernels compute with.
constexpr int padded(int channels) { return channels <= 8 ? 8 : round_up(channels, 16); }

// Where a weight goes: row_kernels.h has the layout.
struct Place {
    int lane;
    int pair;
    int half;  // of the pair
};

}  // namespace

void pack_rows(const Architecture& a, int layer_index, PackedLayer& layer) {
    const bool first = layer_index == 0 && layer.in == 1;
    const bool last = layer_index + 1 == a.layers;
    const int in = first ? 1 : padded(layer.in);
    const int block = output_side(a);
    const bool by_column = last && block != 4;
    const int pairs = first ? first_pairs : last ? last_pairs(block, in) : hidden_pairs(in);
    const int vectors = last ? last_vectors(block) : round_up(layer.out, 16) / 16;

    const auto place = [&](int o, int i, int column) -> Place {
        const int lane = last ? last_lane(block, column, o) : o;
        const int index = first ? column : by_column ? i : column * in + i;
        return {lane, index / 2, index % 2};
    };

    layer.row_weights.assign(static_cast<std::size_t>(vectors * 3 * pairs * 32), 0);
    layer.row_bias.assign(static_cast<std::size_t>(vectors * 16), 0);
    layer.row_shift.assign(static_cast<std::size_t>(round_up(layer.out, 16)), 0);
    for (int o = 0; o < layer.out; ++o) {
        for (int i = 0; i < layer.in; ++i)
            for (int t = 0; t < 9; ++t) {
                const Place at = place(o, i, t % 3);
                const int vector = at.lane / 16;
                const int index =
                    (((vector * 3 + t / 3) * pairs + at.pair) * 16 + at.lane % 16) * 2 + at.half;
                layer.row_weights[static_cast<std::size_t>(index)] =
                    layer.weights[static_cast<std::size_t>((o * layer.in + i) * 9 + t)];
            }
        const auto from = static_cast<std::size_t>(o);
        // When the columns are added up afterwards, the bias must come in once.
        const int bias_lane = last ? last_lane(block, 1, o) : o;
        layer.row_bias[static_cast<std::size_t>(bias_lane)] = layer.bias[from];
        layer.row_shift[from] = layer.shift[from];
    }
}

RowLayer PackedLayer::rows() const {
    return {row_weights.data(), row_bias.data(), row_shift.data(), in == 1 ? 1 : padded(in),
            padded(out)};
}

}  // namespace livesr
