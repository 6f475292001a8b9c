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
// A network of scale 1 restores a picture that was enlarged plainly. It works on cells of 2x2
// pixels, counted from the picture's corner, which makes it as fast as one of scale 2:
//
//   x      the picture's luma / 255, edge-replicated; a cell's pixels (dy * 2 + dx) are 4 channels
//   r      conv3x3(h[layers-2])               channels -> 4
//   y      picture + pixel_shuffle(r)         blocks of 2x2
//
// Every convolution is *valid* (no padding inside the network): each layer shrinks the picture by
// one pixel (cell) a side, and the replicated margin makes up for it. So an output pixel depends on
// real pixels only, and enhancing a crop with its margin gives exactly the pixels that enhancing
// the frame gives: patches, strips and whole frames agree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace livesr {

struct Architecture {
    int scale = 2;      // 2, 3 or 4; 1 restores
    int channels = 16;  // a multiple of 8, 8 to 64
    int layers = 4;     // convolutions, the first and the last included; 2 to 16

    bool operator==(const Architecture&) const = default;
};

// Pixels of the picture, a side, that are one position of the network's layers.
constexpr int cell_side(const Architecture& a) { return a.scale == 1 ? 2 : 1; }
// Pixels that a position becomes, a side.
constexpr int output_side(const Architecture& a) { return a.scale * cell_side(a); }

// Pixels of the picture that is given which one output pixel sees beyond its own (its cell), a
// side: one position a layer.
constexpr int margin(const Architecture& a) { return a.layers * cell_side(a); }

// Input and output channels of convolution `layer` (0-based).
constexpr int input_channels(const Architecture& a, int layer) {
    return layer == 0 ? cell_side(a) * cell_side(a) : a.channels;
}
constexpr int output_channels(const Architecture& a, int layer) {
    return layer == a.layers - 1 ? output_side(a) * output_side(a) : a.channels;
}

// Number of parameters of all layers.
std::size_t parameter_count(const Architecture& a);

// Offset of a layer's weights in the parameter vector; its biases follow its weights.
std::size_t parameter_offset(const Architecture& a, int layer);

// Empty when the architecture is one of the family, else what is wrong with it.
std::string describe_problem(const Architecture& a);

// parameters: layer after layer, weights [out][in][3][3] then biases [out] (ONNX's Conv order).
// Output channel of the last layer: dy * output_side + dx.
struct Network {
    Architecture architecture;
    std::vector<float> parameters;
};

// He-normal weights, zero biases, the last layer all zero: the network starts as bicubic,
// or as the picture itself.
Network make_network(const Architecture& a, std::uint64_t seed);

// Makes the last layer all zero: the picture is bicubic's, or the picture itself, whatever the
// layers before have learned.
void add_nothing(Network& network);
bool adds_anything(const Network& network);

}  // namespace livesr
