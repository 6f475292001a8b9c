// A network's weights as the float kernels take them, and pictures of many channels.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "core/network/aligned.h"
#include "core/network/float_kernels.h"
#include "core/network/isa.h"
#include "core/network/network.h"

namespace livesr {

// Nullptr: no fast path.
const FloatKernels* float_kernels(Isa isa);

// [plane][y][x][lane]. Memory grows and is kept.
class FloatPicture {
  public:
    void resize(int width, int height, int channels, int lanes);

    int width() const { return width_; }
    int height() const { return height_; }
    int plane_count() const { return (channels_ + lanes_ - 1) / lanes_; }
    std::ptrdiff_t row_size() const { return static_cast<std::ptrdiff_t>(width_) * lanes_; }
    std::ptrdiff_t plane_size() const { return row_size() * height_; }

    float* row(int plane, int y) { return values_.data() + plane * plane_size() + y * row_size(); }
    const float* row(int plane, int y) const {
        return values_.data() + plane * plane_size() + y * row_size();
    }
    FloatPlanes planes() const { return {row(0, 0), row_size(), plane_size(), channels_}; }

  private:
    int width_ = 0;
    int height_ = 0;
    int channels_ = 0;
    int lanes_ = 0;
    AlignedVector<float> values_;
};

// The first `count` layers of a network.
class FloatLayers {
  public:
    FloatLayers(const Architecture& architecture, int lanes, int count);

    void pack(std::span<const float> parameters);

    // Row of one plane of a layer's output. in: at the row of the kernel's first tap.
    void forward_row(const FloatKernels& kernels, int layer, int plane, const FloatPlanes& in,
                     int width, FloatRow out) const;

    // All of a layer's output; out.width() and out.height() say how much that is.
    void forward(const FloatKernels& kernels, int layer, const FloatPlanes& in, bool relu,
                 FloatPicture& out) const;

  private:
    struct Layer {
        int in = 0;
        int out = 0;
        std::ptrdiff_t parameters = 0;
        AlignedVector<float> weights;  // [output plane][kernel row][in][kernel column][lane]
        AlignedVector<float> bias;
    };

    int lanes_;
    std::vector<Layer> layers_;
};

}  // namespace livesr
