// Plain 3x3 convolutions in float: valid, pixels interleaved ([y][x][channel]), weights in the
// network's order ([out][in][3][3], then biases). What every fast path is tested against.
#pragma once

#include <vector>

namespace livesr {

struct Plane {
    int width = 0;
    int height = 0;
    int channels = 0;
    std::vector<float> values;

    Plane() = default;
    Plane(int w, int h, int c)
        : width(w),
          height(h),
          channels(c),
          values(static_cast<std::size_t>(w) * static_cast<std::size_t>(h) *
                 static_cast<std::size_t>(c)) {}
    float* at(int x, int y) {
        return values.data() + (static_cast<std::ptrdiff_t>(y) * width + x) * channels;
    }
    const float* at(int x, int y) const {
        return values.data() + (static_cast<std::ptrdiff_t>(y) * width + x) * channels;
    }
};

// Two pixels narrower and lower than the input. Sums run over rows, columns, input channels, in
// this order for every output: the result does not depend on how the compiler vectorises.
Plane convolve(const Plane& in, const float* parameters, int out_channels);

// Adds the gradient of weights and biases to `gradient` (same order as the parameters).
void add_parameter_gradient(const Plane& in, const Plane& out_gradient, float* gradient);

// Gradient with respect to the input: two pixels wider and higher than the output's.
Plane input_gradient(const Plane& out_gradient, const float* parameters, int in_channels);

void relu(Plane& plane);

// Cells of 2x2 pixels of one channel become four channels (dy * 2 + dx). Sides must be even.
Plane by_cells(const Plane& pixels);

}  // namespace livesr
