#include "core/network/flat_levels.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <vector>

namespace livesr {
namespace {

constexpr int taps = 9;
constexpr std::size_t most_levels = 64;

// What a level's equation may be left off by, as a share of its own weight in the system.
constexpr double exact_slack = 1e-6;
constexpr double near_slack = 1;

// A layer's weights summed over its taps: what it does where all its inputs are alike.
class FlatLayer {
  public:
    FlatLayer(const Network& network, int layer)
        : inputs_(static_cast<std::size_t>(input_channels(network.architecture, layer))),
          outputs_(static_cast<std::size_t>(output_channels(network.architecture, layer))) {
        const float* from =
            network.parameters.data() + parameter_offset(network.architecture, layer);
        sums_.resize(inputs_ * outputs_);
        for (double& sum : sums_) {
            for (int tap = 0; tap < taps; ++tap) sum += *from++;
        }
        biases_.assign(from, from + outputs_);
    }

    std::vector<double> operator()(const std::vector<double>& in) const {
        std::vector<double> out = biases_;
        for (std::size_t o = 0; o < outputs_; ++o) {
            for (std::size_t i = 0; i < inputs_; ++i) out[o] += sums_[o * inputs_ + i] * in[i];
        }
        return out;
    }

  private:
    std::size_t inputs_;
    std::size_t outputs_;
    std::vector<double> sums_;  // [out][in]
    std::vector<double> biases_;
};

using Rows = std::vector<std::vector<double>>;

// Solves a x = b for each column of b; a is symmetric and positive definite.
void solve(Rows& a, Rows& b) {
    const std::size_t n = a.size();
    for (std::size_t pivot = 0; pivot < n; ++pivot) {
        for (std::size_t row = pivot + 1; row < n; ++row) {
            const double factor = a[row][pivot] / a[pivot][pivot];
            for (std::size_t c = pivot; c < n; ++c) a[row][c] -= factor * a[pivot][c];
            for (std::size_t c = 0; c < b[row].size(); ++c) b[row][c] -= factor * b[pivot][c];
        }
    }
    for (std::size_t row = n; row-- > 0;) {
        for (std::size_t c = 0; c < b[row].size(); ++c) {
            for (std::size_t k = row + 1; k < n; ++k) b[row][c] -= a[row][k] * b[k][c];
            b[row][c] /= a[row][row];
        }
    }
}

}  // namespace

void keep_flat(Network& network, std::span<const std::uint8_t> exact,
               std::span<const std::uint8_t> near) {
    const Architecture& a = network.architecture;
    const std::size_t count = exact.size() + near.size();
    if (count > most_levels) throw std::invalid_argument("more than 64 levels to keep");
    if (count == 0) return;

    std::vector<FlatLayer> hidden;
    for (int layer = 0; layer + 1 < a.layers; ++layer) hidden.emplace_back(network, layer);
    const FlatLayer last(network, a.layers - 1);

    Rows seen;   // by level: what the last layer is given
    Rows added;  // by level: what it answers
    for (std::size_t i = 0; i < count; ++i) {
        const int level = i < exact.size() ? exact[i] : near[i - exact.size()];
        std::vector<double> h(static_cast<std::size_t>(input_channels(a, 0)), level / 255.0);
        for (const FlatLayer& layer : hidden) {
            h = layer(h);
            for (double& value : h) value = std::max(0.0, value);
        }
        added.push_back(last(h));
        seen.push_back(std::move(h));
    }

    // Each weight counts like the bias; those of one channel's taps change alike.
    Rows gram(count, std::vector<double>(count));
    for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t j = 0; j < count; ++j) {
            double product = 0;
            for (std::size_t c = 0; c < seen[i].size(); ++c) product += seen[i][c] * seen[j][c];
            gram[i][j] = taps * product + 1;
        }
    }
    for (std::size_t i = 0; i < count; ++i) {
        gram[i][i] *= 1 + (i < exact.size() ? exact_slack : near_slack);
    }
    solve(gram, added);

    float* weights = network.parameters.data() + parameter_offset(a, a.layers - 1);
    const auto outputs = static_cast<std::size_t>(output_channels(a, a.layers - 1));
    const std::size_t channels = seen.front().size();
    float* biases = weights + outputs * channels * taps;
    for (std::size_t o = 0; o < outputs; ++o) {
        for (std::size_t c = 0; c < channels; ++c) {
            double change = 0;
            for (std::size_t i = 0; i < count; ++i) change += added[i][o] * seen[i][c];
            for (int tap = 0; tap < taps; ++tap) {
                weights[(o * channels + c) * taps + static_cast<std::size_t>(tap)] -=
                    static_cast<float>(change);
            }
        }
        double change = 0;
        for (std::size_t i = 0; i < count; ++i) change += added[i][o];
        biases[o] -= static_cast<float>(change);
    }
}

}  // namespace livesr
