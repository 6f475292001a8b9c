// What training by tiles (tile_kernels.h) keeps: pictures in points, and a layer's weights and
// sums.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/network/aligned.h"
#include "core/network/isa.h"
#include "core/network/tile_kernels.h"

namespace livesr {

// Nullptr: no fast path.
const TileKernels* tile_kernels(Isa isa);

constexpr int tiles_of(int outputs) { return (outputs + tile_outputs - 1) / tile_outputs; }
constexpr int planes_of(int channels, int lanes) { return (channels + lanes - 1) / lanes; }

// [point][plane][y][tile][lane], with rows of zeros above and below. Memory grows and is kept.
class TiledPicture {
  public:
    void resize(int tiles, int height, int channels, int lanes, int border);

    int tiles() const { return tiles_; }
    std::ptrdiff_t point_size() const { return point_size_; }
    float* row(int plane, int y) {
        return values_.data() + plane * plane_size_ + (y + border_) * row_size_;
    }
    // From row y of a plane on, all its channels or those of the following planes.
    TiledPlanes from(int plane, int y) const {
        return {values_.data() + plane * plane_size_ + (y + border_) * row_size_, row_size_,
                plane_size_, point_size_, channels_};
    }

  private:
    int tiles_ = 0;
    int channels_ = 0;
    int border_ = 0;
    std::ptrdiff_t row_size_ = 0;
    std::ptrdiff_t plane_size_ = 0;
    std::ptrdiff_t point_size_ = 0;
    AlignedVector<float> values_;
};

// A layer with several input channels.
class TileLayer {
  public:
    TileLayer(int in, int out, int lanes);

    int in() const { return in_; }
    int out() const { return out_; }

    // parameters: the layer's weights, then biases. Sets the sums to zero.
    void begin(std::span<const float> parameters);
    void finish(std::span<float> gradient) const;

    const float* forward(int out_plane) const;
    const float* backward(int in_plane) const;
    const float* bias(int out_plane) const { return bias_.data() + out_plane * lanes_; }
    float* weight_sums(int in_plane);
    float* bias_sums(int out_plane) { return bias_sums_.data() + out_plane * lanes_; }

  private:
    std::ptrdiff_t plane_weights(int channels) const {
        return static_cast<std::ptrdiff_t>(tile_points) * 3 * channels * lanes_;
    }

    int in_;
    int out_;
    int lanes_;
    AlignedVector<float> forward_;   // [output plane][point][in][kernel row][lane]
    AlignedVector<float> backward_;  // [input plane][point][out][kernel row][lane]
    AlignedVector<float> bias_;
    AlignedVector<float> weight_sums_;  // [input plane][point][kernel row][out][lane]
    AlignedVector<float> bias_sums_;
};

}  // namespace livesr
