// The gradient by the tile kernels: forward, then layer by layer backwards, for one window. Between
// layers there are only the points that the next convolution takes; a row in its plain form lives
// for as long as it takes to transform it.
#include <algorithm>
#include <vector>

#include "core/network/float_layers.h"
#include "core/network/gradient.h"
#include "core/network/tile_layers.h"

namespace livesr {
namespace {

// Zeros before a row (the border of a gradient) and after it (the rest of its last tile).
constexpr int row_head = 2;
constexpr int row_tail = 8;

class TileGradient final : public BatchGradient {
  public:
    TileGradient(const Architecture& a, const FloatKernels& plain, const TileKernels& tiles)
        : architecture_(a),
          plain_(plain),
          tiles_(tiles),
          first_(a, plain.lanes, 1),
          first_tiled_(input_channels(a, 0) > 1 ? 0 : 1),
          zero_(static_cast<std::size_t>(plain.lanes)),
          inputs_(static_cast<std::size_t>(a.layers)) {
        for (int l = first_tiled_; l < a.layers; ++l)
            layers_.emplace_back(input_channels(a, l), output_channels(a, l), plain.lanes);
        const int planes = planes_of(a.channels, plain.lanes);
        first_sums_.resize(static_cast<std::size_t>(planes * 9 * plain.lanes));
        first_bias_sums_.resize(static_cast<std::size_t>(planes * plain.lanes));
    }

    void begin(std::span<const float> parameters) override {
        if (first_tiled_ > 0) first_.pack(parameters);
        std::fill(first_sums_.begin(), first_sums_.end(), 0.0F);
        std::fill(first_bias_sums_.begin(), first_bias_sums_.end(), 0.0F);
        for (int l = first_tiled_; l < architecture_.layers; ++l)
            layer(l).begin(parameters.subspan(parameter_offset(architecture_, l)));
    }

    double add(const float* low, const float* residual, int width, int height, float charbonnier,
               float share) override;
    void finish(std::span<float> gradient) override;

  private:
    // What the backward pass needs of a layer's input: its points, and where it was positive.
    struct Input {
        TiledPicture points;
        std::vector<std::uint16_t> positive;  // [plane][y][x]
    };
    // A layer's gradient: points for the weights' gradient and points for the input's.
    struct Gradient {
        TiledPicture for_weights;
        TiledPicture for_input;
    };

    TileLayer& layer(int l) { return layers_[static_cast<std::size_t>(l - first_tiled_)]; }
    Input& input(int l) { return inputs_[static_cast<std::size_t>(l)]; }
    // Size of layer l's output; of the input: -1.
    int width(int l) const { return width_ + 2 * (architecture_.layers - 1 - l); }
    int height(int l) const { return height_ + 2 * (architecture_.layers - 1 - l); }

    void resize(int width, int height);
    float* plain_row() {
        return row_.data() + static_cast<std::ptrdiff_t>(row_head) * plain_.lanes;
    }
    void clear_tail(int width) {
        std::fill_n(plain_row() + static_cast<std::ptrdiff_t>(width) * plain_.lanes,
                    row_tail * plain_.lanes, 0.0F);
    }
    std::uint16_t* positive(int l, int plane, int y) {
        return input(l).positive.data() +
               (static_cast<std::ptrdiff_t>(plane) * height(l - 1) + y) * width(l - 1);
    }

    // The input of several channels.
    void load(const float* low);
    void forward_first(const float* low);
    void forward(int l);
    double forward_last(const float* residual, float charbonnier, float share);
    // The plain row is row y of layer l's output, before relu.
    void store_activation(int l, int plane, int y);
    // The plain row is row y of layer l's gradient.
    void store_gradient(int l, int plane, int y, Gradient& to);
    void weight_gradient(int l);
    void backward(int l);

    // Calls each(y) for every row of layer l's sums over `in`, with the plain row holding it.
    template <class Each>
    void convolve_rows(const TiledPicture& in, int first_row, int rows, const float* weights,
                       const float* bias, Each each);

    Architecture architecture_;
    const FloatKernels& plain_;
    const TileKernels& tiles_;
    FloatLayers first_;
    int first_tiled_;                // 1, or 0 where the input has several channels
    std::vector<TileLayer> layers_;  // from there on
    AlignedVector<float> first_sums_;
    AlignedVector<float> first_bias_sums_;
    AlignedVector<float> zero_;

    int width_ = 0;
    int height_ = 0;
    std::vector<Input> inputs_;
    Gradient gradient_;
    Gradient next_gradient_;
    FloatPicture first_gradient_;
    AlignedVector<float> row_;
    AlignedVector<float> sums_;
};

void TileGradient::resize(int width, int height) {
    width_ = width;
    height_ = height;
    const Architecture& a = architecture_;
    const int lanes = plain_.lanes;
    for (int l = 1; l < a.layers; ++l) {
        input(l).points.resize(tiles_of(this->width(l)), this->height(l - 1), a.channels, lanes, 0);
        input(l).positive.resize(static_cast<std::size_t>(planes_of(a.channels, lanes)) *
                                 static_cast<std::size_t>(this->width(l - 1)) *
                                 static_cast<std::size_t>(this->height(l - 1)));
    }
    if (first_tiled_ == 0)
        input(0).points.resize(tiles_of(this->width(0)), this->height(-1), input_channels(a, 0),
                               lanes, 0);
    first_gradient_.resize(this->width(0), this->height(0), a.channels, lanes);
    const int tiles = tiles_of(this->width(0) + 2);
    row_.assign(static_cast<std::size_t>((row_head + tiles * tile_outputs + row_tail) * lanes), 0);
    sums_.resize(static_cast<std::size_t>(2 * tile_points * tiles * lanes));
}

template <class Each>
void TileGradient::convolve_rows(const TiledPicture& in, int first_row, int rows,
                                 const float* weights, const float* bias, Each each) {
    const std::ptrdiff_t sums_row =
        static_cast<std::ptrdiff_t>(tile_points) * in.tiles() * plain_.lanes;
    for (int y = 0; y < rows; y += 2) {
        const int count = std::min(2, rows - y);
        tiles_.convolve(in.from(0, first_row + y), in.tiles(), count, weights, sums_.data());
        for (int r = 0; r < count; ++r) {
            tiles_.transform_sums(sums_.data() + r * sums_row, in.tiles(), bias, plain_row());
            each(y + r);
        }
    }
}

void TileGradient::store_activation(int l, int plane, int y) {
    tiles_.relu(plain_row(), width(l), positive(l + 1, plane, y));
    clear_tail(width(l));
    TiledPicture& points = input(l + 1).points;
    tiles_.transform_input(plain_row(), points.tiles(), points.row(plane, y), points.point_size());
}

void TileGradient::store_gradient(int l, int plane, int y, Gradient& to) {
    plain_.bias_gradient(plain_row(), 0, width(l), 1, layer(l).bias_sums(plane));
    clear_tail(width(l));
    tiles_.transform_gradient(plain_row(), to.for_weights.tiles(), to.for_weights.row(plane, y),
                              to.for_weights.point_size());
    tiles_.transform_input(plain_row() - static_cast<std::ptrdiff_t>(row_head) * plain_.lanes,
                           to.for_input.tiles(), to.for_input.row(plane, y),
                           to.for_input.point_size());
}

void TileGradient::load(const float* low) {
    const int lanes = plain_.lanes;
    const int channels = input_channels(architecture_, 0);
    TiledPicture& points = input(0).points;
    for (int y = 0; y < height(-1); ++y) {
        std::fill_n(plain_row(), width(-1) * lanes, 0.0F);
        for (int x = 0; x < width(-1); ++x, low += channels)
            std::copy_n(low, channels, plain_row() + static_cast<std::ptrdiff_t>(x) * lanes);
        clear_tail(width(-1));
        tiles_.transform_input(plain_row(), points.tiles(), points.row(0, y), points.point_size());
    }
}

void TileGradient::forward_first(const float* low) {
    const int in_width = width_ + 2 * margin(architecture_);
    const int planes = planes_of(architecture_.channels, plain_.lanes);
    for (int p = 0; p < planes; ++p)
        for (int y = 0; y < height(0); ++y) {
            first_.forward_row(plain_, 0, p,
                               {low + static_cast<std::ptrdiff_t>(y) * in_width, in_width, 0, 1},
                               width(0), {plain_row(), false});
            store_activation(0, p, y);
        }
}

void TileGradient::forward(int l) {
    const int planes = planes_of(layer(l).out(), plain_.lanes);
    for (int p = 0; p < planes; ++p)
        convolve_rows(input(l).points, 0, height(l), layer(l).forward(p), layer(l).bias(p),
                      [&](int y) { store_activation(l, p, y); });
}

double TileGradient::forward_last(const float* residual, float charbonnier, float share) {
    const int last = architecture_.layers - 1;
    const int outputs = layer(last).out();
    const int lanes = plain_.lanes;
    gradient_.for_weights.resize(tiles_of(width_), height_, outputs, lanes, 0);
    gradient_.for_input.resize(tiles_of(width_ + 2), height_, outputs, lanes, 2);
    double loss = 0;
    for (int p = 0; p < planes_of(outputs, lanes); ++p)
        convolve_rows(input(last).points, 0, height_, layer(last).forward(p), layer(last).bias(p),
                      [&](int y) {
                          const float* target = residual +
                                                static_cast<std::ptrdiff_t>(y) * width_ * outputs +
                                                p * lanes;
                          loss += plain_.loss(plain_row(), target, outputs,
                                              std::min(lanes, outputs - p * lanes), width_,
                                              charbonnier, share);
                          store_gradient(last, p, y, gradient_);
                      });
    return loss;
}

void TileGradient::weight_gradient(int l) {
    const int planes = planes_of(layer(l).in(), plain_.lanes);
    for (int p = 0; p < planes; ++p)
        tiles_.weight_gradient(input(l).points.from(p, 0), gradient_.for_weights.from(0, 0),
                               gradient_.for_weights.tiles(), height(l), layer(l).weight_sums(p));
}

void TileGradient::backward(int l) {
    const int channels = layer(l).in();
    const int lanes = plain_.lanes;
    const bool tiled = l > first_tiled_;
    if (tiled) {
        next_gradient_.for_weights.resize(tiles_of(width(l - 1)), height(l - 1), channels, lanes,
                                          0);
        next_gradient_.for_input.resize(tiles_of(width(l - 1) + 2), height(l - 1), channels, lanes,
                                        2);
    }
    for (int p = 0; p < planes_of(channels, lanes); ++p)
        convolve_rows(gradient_.for_input, -2, height(l - 1), layer(l).backward(p), zero_.data(),
                      [&](int y) {
                          tiles_.mask(plain_row(), width(l - 1), positive(l, p, y));
                          if (tiled)
                              store_gradient(l - 1, p, y, next_gradient_);
                          else
                              std::copy_n(plain_row(), width(0) * lanes, first_gradient_.row(p, y));
                      });
    std::swap(gradient_, next_gradient_);
}

double TileGradient::add(const float* low, const float* residual, int width, int height,
                         float charbonnier, float share) {
    const int last = architecture_.layers - 1;
    const float count = static_cast<float>(width) * static_cast<float>(height) *
                        static_cast<float>(layer(last).out());
    resize(width, height);
    if (first_tiled_ == 0)
        load(low);
    else
        forward_first(low);
    for (int l = first_tiled_; l < last; ++l) forward(l);
    const double loss = forward_last(residual, charbonnier, share / count);
    for (int l = last; l > 0; --l) {
        weight_gradient(l);
        backward(l);
    }
    if (first_tiled_ == 0) {
        weight_gradient(0);
        return share * loss / count;
    }

    const int in_width = width + 2 * margin(architecture_);
    for (int p = 0; p < first_gradient_.plane_count(); ++p) {
        const float* gradient = first_gradient_.row(p, 0);
        const std::ptrdiff_t row = first_gradient_.row_size();
        plain_.first_weight_gradient(
            low, in_width, gradient, row, this->width(0), this->height(0),
            first_sums_.data() + static_cast<std::ptrdiff_t>(p) * 9 * plain_.lanes);
        plain_.bias_gradient(gradient, row, this->width(0), this->height(0),
                             first_bias_sums_.data() + p * plain_.lanes);
    }
    return share * loss / count;
}

void TileGradient::finish(std::span<float> gradient) {
    const int channels = architecture_.channels;
    const int lanes = plain_.lanes;
    for (int o = 0; o < channels && first_tiled_ > 0; ++o) {
        for (int t = 0; t < 9; ++t)
            gradient[static_cast<std::size_t>(o * 9 + t)] =
                first_sums_[static_cast<std::size_t>((o / lanes * 9 + t) * lanes + o % lanes)];
        gradient[static_cast<std::size_t>(channels * 9 + o)] =
            first_bias_sums_[static_cast<std::size_t>(o)];
    }
    for (int l = first_tiled_; l < architecture_.layers; ++l)
        layer(l).finish(gradient.subspan(parameter_offset(architecture_, l)));
}

}  // namespace

std::unique_ptr<BatchGradient> make_gradient_tiles(const Architecture& architecture,
                                                   const FloatKernels& plain,
                                                   const TileKernels& tiles) {
    return std::make_unique<TileGradient>(architecture, plain, tiles);
}

}  // namespace livesr
