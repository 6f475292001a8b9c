// The network in float, for comparison with other implementations of the exported model.
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "core/network/conv_reference.h"
#include "core/network/enhance.h"

namespace livesr {
namespace {

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

}  // namespace

void enhance_float(const Network& network, const float* src, int width, int height, float* dst,
                   Isa isa) {
    static_cast<void>(isa);
    const Architecture& a = network.architecture;
    const int m = margin(a);
    Plane plane(width + 2 * m, height + 2 * m, 1);
    for (int y = 0; y < plane.height; ++y)
        for (int x = 0; x < plane.width; ++x)
            *plane.at(x, y) =
                src[static_cast<std::ptrdiff_t>(std::clamp(y - m, 0, height - 1)) * width +
                    std::clamp(x - m, 0, width - 1)];
    for (int l = 0; l < a.layers; ++l) {
        plane = convolve(plane, network.parameters.data() + parameter_offset(a, l),
                         output_channels(a, l));
        if (l + 1 < a.layers) relu(plane);
    }

    bicubic(src, width, height, a.scale, dst);
    const std::ptrdiff_t out_width = static_cast<std::ptrdiff_t>(width) * a.scale;
    for (int y = 0; y < height * a.scale; ++y)
        for (int x = 0; x < width * a.scale; ++x)
            dst[y * out_width + x] +=
                plane.at(x / a.scale, y / a.scale)[(y % a.scale) * a.scale + x % a.scale];
}

}  // namespace livesr
