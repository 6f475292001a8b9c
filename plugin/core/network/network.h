// The network family: what a network is, not how it is computed.
//
// A network reads one plane of luma and adds a residual to its bicubic upscale:
//
//   x      low-resolution luma / 255, edge-replicated by margin() pixels on every side
//   h[0]   = relu(conv3x3(x))                 1        -> channels
//   h[l]   = relu(conv3x3(h[l-1]))            channels -> channels
//   r      = conv3x3(h[layers-2])             channels -> scale * scale
//   y      = bicubic(x) + pixel_shuffle(r)    (a = -0.5, half-pixel centres, edge-replicated)
//
// Every convolution is *valid* (no padding inside the network): each layer shrinks the picture by
// one pixel a side, and the replicated margin makes up for it. So an output pixel depends on real
// pixels only, and enhancing a crop with its margin gives exactly the pixels that enhancing the
// frame gives: patches, strips and whole frames agree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace livesr {

struct Architecture {
    int scale = 2;      // 2, 3 or 4
    int channels = 16;  // a multiple of 8, 8 to 64
    int layers = 4;     // convolutions, the first and the last included; 2 to 16

    bool operator==(const Architecture&) const = default;
};

// Low-resolution pixels that one output pixel sees beyond its own, a side: one a layer.
constexpr int margin(const Architecture& a) { return a.layers; }

// Input and output channels of convolution `layer` (0-based).
constexpr int input_channels(const Architecture& a, int layer) {
    return layer == 0 ? 1 : a.channels;
}
constexpr int output_channels(const Architecture& a, int layer) {
    return layer == a.layers - 1 ? a.scale * a.scale : a.channels;
}

// Number of parameters of all layers.
std::size_t parameter_count(const Architecture& a);

// Offset of a layer's weights in the parameter vector; its biases follow its weights.
std::size_t parameter_offset(const Architecture& a, int layer);

// Empty when the architecture is one of the family, else what is wrong with it.
std::string describe_problem(const Architecture& a);

// parameters: layer after layer, weights [out][in][3][3] then biases [out] (ONNX's Conv order).
// Output channel of the last layer: dy * scale + dx.
struct Network {
    Architecture architecture;
    std::vector<float> parameters;
};

// He-normal weights, zero biases, the last layer all zero: the network starts as bicubic.
Network make_network(const Architecture& a, std::uint64_t seed);

}  // namespace livesr
