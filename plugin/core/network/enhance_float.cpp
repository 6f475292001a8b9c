// The network in float, for comparison with other implementations of the exported model.
#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "core/network/conv_reference.h"
#include "core/network/enhance.h"
#include "core/network/float_layers.h"

namespace livesr {
namespace {

// Bounds the memory of the layers between.
constexpr int strip_rows = 32;

float keys_cubic(double distance) {
    const double a = -0.5;
    const double d = std::abs(distance);
    if (d < 1) return static_cast<float>(((a + 2) * d - (a + 3)) * d * d + 1);
    if (d < 2) return static_cast<float>(((a * d - 5 * a) * d + 8 * a) * d - 4 * a);
    return 0.0F;
}

std::array<float, 5> taps(int scale, int phase) {
    const double offset = (phase + 0.5) / scale - 0.5;
    std::array<float, 5> result{};
    for (int i = 0; i < 5; ++i) result[static_cast<std::size_t>(i)] = keys_cubic(i - 2 - offset);
    return result;
}

void bicubic(const float* src, int width, int height, int scale, float* dst) {
    const int out_width = width * scale;
    std::vector<float> rows(static_cast<std::size_t>(out_width) * static_cast<std::size_t>(height));
    for (int phase = 0; phase < scale; ++phase) {
        const std::array<float, 5> t = taps(scale, phase);
        for (int y = 0; y < height; ++y)
            for (int x = 0; x < width; ++x) {
                float sum = 0;
                for (int i = 0; i < 5; ++i)
                    sum += t[static_cast<std::size_t>(i)] *
                           src[static_cast<std::ptrdiff_t>(y) * width +
                               std::clamp(x + i - 2, 0, width - 1)];
                rows[static_cast<std::size_t>(y * out_width + x * scale + phase)] = sum;
            }
    }
    for (int phase = 0; phase < scale; ++phase) {
        const std::array<float, 5> t = taps(scale, phase);
        for (int y = 0; y < height; ++y) {
            float* out = dst + static_cast<std::ptrdiff_t>(y * scale + phase) * out_width;
            std::fill_n(out, out_width, 0.0F);
            for (int i = 0; i < 5; ++i) {
                const float* row =
                    rows.data() +
                    static_cast<std::ptrdiff_t>(std::clamp(y + i - 2, 0, height - 1)) * out_width;
                for (int x = 0; x < out_width; ++x)
                    out[x] += t[static_cast<std::size_t>(i)] * row[x];
            }
        }
    }
}

// The picture's rows [begin - margin, end + margin), as wide as wanted, its edge repeated.
Plane with_margin(const float* src, int width, int height, int wanted_width, int begin, int end,
                  int margin) {
    Plane plane(wanted_width + 2 * margin, end - begin + 2 * margin, 1);
    for (int y = 0; y < plane.height; ++y) {
        const float* row =
            src +
            static_cast<std::ptrdiff_t>(std::clamp(begin + y - margin, 0, height - 1)) * width;
        for (int x = 0; x < plane.width; ++x)
            *plane.at(x, y) = row[std::clamp(x - margin, 0, width - 1)];
    }
    return plane;
}

// Residuals of a strip of rows: at(x, y) points to the outputs of a position.
class Residuals {
  public:
    Residuals(const Network& network, Isa isa)
        : network_(network),
          // Kernels take one plane.
          kernels_(cell_side(network.architecture) > 1 ? nullptr : float_kernels(isa)),
          layers_(network.architecture, kernels_ == nullptr ? 1 : kernels_->lanes,
                  network.architecture.layers) {
        if (kernels_ != nullptr) layers_.pack(network.parameters);
    }

    void compute(Plane low) {
        if (kernels_ == nullptr)
            plain(std::move(low));
        else
            by_kernels(low);
    }

    float at(int x, int y, int output) const {
        if (kernels_ == nullptr) return plane_.at(x, y)[output];
        const int lanes = kernels_->lanes;
        return out_.row(output / lanes, y)[x * lanes + output % lanes];
    }

  private:
    void plain(Plane low) {
        const Architecture& a = network_.architecture;
        plane_ = cell_side(a) > 1 ? by_cells(low) : std::move(low);
        for (int l = 0; l < a.layers; ++l) {
            plane_ = convolve(plane_, network_.parameters.data() + parameter_offset(a, l),
                              output_channels(a, l));
            if (l + 1 < a.layers) relu(plane_);
        }
    }

    void by_kernels(const Plane& low) {
        const Architecture& a = network_.architecture;
        for (int l = 0; l < a.layers; ++l) {
            const FloatPlanes in =
                l == 0 ? FloatPlanes{low.values.data(), low.width, 0, 1} : in_.planes();
            const int shrunk = 2 * (l + 1);
            out_.resize(low.width - shrunk, low.height - shrunk, output_channels(a, l),
                        kernels_->lanes);
            layers_.forward(*kernels_, l, in, l + 1 < a.layers, out_);
            if (l + 1 < a.layers) std::swap(in_, out_);
        }
    }

    const Network& network_;
    const FloatKernels* kernels_;
    FloatLayers layers_;
    FloatPicture in_;
    FloatPicture out_;
    Plane plane_;
};

}  // namespace

void enhance_float(const Network& network, const float* src, int width, int height, float* dst,
                   Isa isa) {
    const Architecture& a = network.architecture;
    const int s = a.scale;
    const int cell = cell_side(a);
    const int block = output_side(a);
    const auto whole = [cell](int side) { return (side + cell - 1) / cell * cell; };
    bicubic(src, width, height, s, dst);
    Residuals residuals(network, isa);
    for (int begin = 0; begin < height; begin += strip_rows) {
        const int end = std::min(height, begin + strip_rows);
        residuals.compute(with_margin(src, width, height, whole(width), begin,
                                      begin + whole(end - begin), margin(a)));
        for (int y = 0; y < (end - begin) * s; ++y) {
            float* row = dst + static_cast<std::ptrdiff_t>(begin * s + y) * width * s;
            for (int x = 0; x < width * s; ++x)
                row[x] += residuals.at(x / block, y / block, y % block * block + x % block);
        }
    }
}

}  // namespace livesr
