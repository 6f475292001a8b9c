// The fast paths of training and of enhance_float: 3x3 convolutions in float, one function a row or
// a plane. The driver (gradient_planes.cpp) is shared; only what is here is written for an
// instruction set.
//
// Channels are in planes of `lanes` channels: [plane][y][x][lane], the last plane padded with
// zeros. A picture of one channel is a plane without lanes: [y][x]. All pointers to lanes are
// 64-byte aligned. Plain data only, for the reason given in row_kernels.h.
#pragma once

#include <cstddef>

namespace livesr {

// A few planes of a picture to read.
struct FloatPlanes {
    const float* values;
    std::ptrdiff_t row;  // distances, in floats
    std::ptrdiff_t plane;
    int channels;  // 1: without lanes
};

struct FloatRow {
    float* values;  // [x][lane] of one plane
    bool relu;
};

struct FloatKernels {
    int lanes;

    // One row of one output plane: `in` at the row and column of the kernel's first tap.
    // weights: [kernel row][input channel][kernel column][lane]; bias: [lane].
    void (*convolve)(const FloatPlanes& in, int width, const float* weights, const float* bias,
                     FloatRow out);

    // Adds the gradient of the first layer's weights: input of one channel, one plane of the
    // gradient. sums: [kernel row][kernel column][lane].
    void (*first_weight_gradient)(const float* input, std::ptrdiff_t input_row,
                                  const float* gradient, std::ptrdiff_t gradient_row, int width,
                                  int height, float* sums);

    // sums[lane] += the plane's sum.
    void (*bias_gradient)(const float* gradient, std::ptrdiff_t gradient_row, int width, int height,
                          float* sums);

    // Errors of one row in one plane of `valid` lanes: values become share * error / root with
    // root = sqrt(error^2 + c^2); returns the sum of root - c. target: [x][target_stride].
    double (*loss)(float* values, const float* target, std::ptrdiff_t target_stride, int valid,
                   int width, float charbonnier, float share);
};

#if defined(__x86_64__)
extern const FloatKernels float_kernels_avx2;
extern const FloatKernels float_kernels_avx512;
#endif

}  // namespace livesr
