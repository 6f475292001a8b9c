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

// [plane][y][x][lane] with a border around it that stays zero. Memory grows and is kept.
class FloatPicture {
  public:
    void resize(int width, int height, int channels, int lanes, int border);

    int width() const { return width_; }
    int height() const { return height_; }
    int channels() const { return channels_; }
    int plane_count() const { return (channels_ + lanes_ - 1) / lanes_; }
    std::ptrdiff_t row_size() const { return row_size_; }

    float* row(int plane, int y) { return values_.data() + offset(plane, y); }
    const float* row(int plane, int y) const { return values_.data() + offset(plane, y); }

    FloatPlanes planes() const { return {row(0, 0), row_size_, plane_size_, channels_}; }
    // The first pixel is the border's.
    FloatPlanes planes_with_border() const {
        return {values_.data(), row_size_, plane_size_, channels_};
    }

  private:
    std::ptrdiff_t offset(int plane, int y) const {
        return plane * plane_size_ + (y + border_) * row_size_ +
               static_cast<std::ptrdiff_t>(border_) * lanes_;
    }

    int width_ = 0;
    int height_ = 0;
    int channels_ = 0;
    int lanes_ = 0;
    int border_ = 0;
    std::ptrdiff_t row_size_ = 0;
    std::ptrdiff_t plane_size_ = 0;
    AlignedVector<float> values_;
};

class FloatLayers {
  public:
    FloatLayers(const Architecture& architecture, int lanes);

    void pack(std::span<const float> parameters);

    // out = convolution of the layer; out.width() and height() say how much of it.
    void forward(const FloatKernels& kernels, int layer, const FloatPlanes& in, FloatPicture& out,
                 AfterSum after) const;

    // in_gradient from out_gradient (which has a border of two), masked by the layer's input.
    void backward(const FloatKernels& kernels, int layer, const FloatPicture& out_gradient,
                  const FloatPicture& input, FloatPicture& in_gradient) const;

    // Sums of a layer's gradient as the kernels give them: weights, then biases.
    std::size_t gradient_size(int layer) const;
    std::ptrdiff_t bias_gradient_offset(int layer) const;
    void unpack_gradient(int layer, const float* sums, std::span<float> gradient) const;

  private:
    struct Layer {
        int in = 0;
        int out = 0;
        std::ptrdiff_t parameters = 0;
        AlignedVector<float> forward;   // [output plane][kernel row][in][kernel column][lane]
        AlignedVector<float> backward;  // [input plane][kernel row][out][kernel column][lane]
        AlignedVector<float> bias;
    };

    int lanes_;
    std::vector<Layer> layers_;
    AlignedVector<float> zero_;
};

}  // namespace livesr
