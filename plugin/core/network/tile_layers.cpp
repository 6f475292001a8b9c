#include "core/network/tile_layers.h"

#include <algorithm>

namespace livesr {
namespace {

// G of tile_kernels.h: three weights of a row to six points.
constexpr float to_points[tile_points][3] = {
    {1.0F / 4, 0, 0},
    {-1.0F / 6, -1.0F / 6, -1.0F / 6},
    {-1.0F / 6, 1.0F / 6, -1.0F / 6},
    {1.0F / 24, 1.0F / 12, 1.0F / 6},
    {1.0F / 24, -1.0F / 12, 1.0F / 6},
    {0, 0, 1},
};

// Weights of one plane of `lanes` results: [summed channel][tap][lane] to [point][summed channel]
// [kernel row][lane].
void transform_weights(const float* taps, int channels, int lanes, float* points) {
    for (int p = 0; p < tile_points; ++p)
        for (int c = 0; c < channels; ++c)
            for (int row = 0; row < 3; ++row, points += lanes) {
                const float* w = taps + static_cast<std::ptrdiff_t>(c * 9 + row * 3) * lanes;
                const float* g = to_points[p];
                for (int i = 0; i < lanes; ++i)
                    points[i] = g[0] * w[i] + g[1] * w[lanes + i] + g[2] * w[2 * lanes + i];
            }
}

}  // namespace

const TileKernels* tile_kernels(Isa isa) {
#if defined(__x86_64__)
    switch (isa) {
        case Isa::avx2:
            return &tile_kernels_avx2;
        case Isa::avx512:
        case Isa::avx512vnni:
            return &tile_kernels_avx512;
        case Isa::reference:
            break;
    }
#else
    static_cast<void>(isa);
#endif
    return nullptr;
}

void TiledPicture::resize(int tiles, int height, int channels, int lanes, int border) {
    const int planes = planes_of(channels, lanes);
    tiles_ = tiles;
    channels_ = channels;
    border_ = border;
    row_size_ = static_cast<std::ptrdiff_t>(tiles) * lanes;
    plane_size_ = row_size_ * (height + 2 * border);
    point_size_ = plane_size_ * planes;
    values_.resize(std::max(values_.size(), static_cast<std::size_t>(point_size_ * tile_points)));
    const std::ptrdiff_t border_size = row_size_ * border;
    for (std::ptrdiff_t plane = 0; plane < planes * tile_points; ++plane) {
        float* first = values_.data() + plane * plane_size_;
        std::fill_n(first, border_size, 0.0F);
        std::fill_n(first + plane_size_ - border_size, border_size, 0.0F);
    }
}

TileLayer::TileLayer(int in, int out, int lanes) : in_(in), out_(out), lanes_(lanes) {
    const int in_planes = planes_of(in, lanes);
    const int out_planes = planes_of(out, lanes);
    forward_.resize(static_cast<std::size_t>(out_planes * plane_weights(in)));
    backward_.resize(static_cast<std::size_t>(in_planes * plane_weights(out)));
    weight_sums_.resize(static_cast<std::size_t>(in_planes * plane_weights(out)));
    bias_.resize(static_cast<std::size_t>(out_planes * lanes));
    bias_sums_.resize(static_cast<std::size_t>(out_planes * lanes));
}

const float* TileLayer::forward(int out_plane) const {
    return forward_.data() + out_plane * plane_weights(in_);
}

const float* TileLayer::backward(int in_plane) const {
    return backward_.data() + in_plane * plane_weights(out_);
}

float* TileLayer::weight_sums(int in_plane) {
    return weight_sums_.data() + in_plane * plane_weights(out_);
}

void TileLayer::begin(std::span<const float> parameters) {
    // Backwards the kernel is turned by 180 degrees, and inputs and outputs change places.
    AlignedVector<float> taps(static_cast<std::size_t>(9 * std::max(in_, out_) * lanes_));
    for (int first = 0; first < out_; first += lanes_) {
        std::fill(taps.begin(), taps.end(), 0.0F);
        for (int o = first; o < std::min(out_, first + lanes_); ++o) {
            const float* from = parameters.data() + static_cast<std::ptrdiff_t>(o) * in_ * 9;
            for (int i = 0; i < in_ * 9; ++i)
                taps[static_cast<std::size_t>(i * lanes_ + o - first)] = from[i];
        }
        transform_weights(taps.data(), in_, lanes_,
                          forward_.data() + first / lanes_ * plane_weights(in_));
    }
    for (int first = 0; first < in_; first += lanes_) {
        std::fill(taps.begin(), taps.end(), 0.0F);
        for (int o = 0; o < out_; ++o)
            for (int i = first; i < std::min(in_, first + lanes_); ++i) {
                const float* from =
                    parameters.data() + static_cast<std::ptrdiff_t>(o * in_ + i) * 9;
                for (int t = 0; t < 9; ++t)
                    taps[static_cast<std::size_t>((o * 9 + 8 - t) * lanes_ + i - first)] = from[t];
            }
        transform_weights(taps.data(), out_, lanes_,
                          backward_.data() + first / lanes_ * plane_weights(out_));
    }
    std::copy_n(parameters.data() + static_cast<std::ptrdiff_t>(9) * in_ * out_, out_,
                bias_.begin());
    std::fill(weight_sums_.begin(), weight_sums_.end(), 0.0F);
    std::fill(bias_sums_.begin(), bias_sums_.end(), 0.0F);
}

void TileLayer::finish(std::span<float> gradient) const {
    AlignedVector<float> taps(static_cast<std::size_t>(3 * lanes_));
    const std::ptrdiff_t point = static_cast<std::ptrdiff_t>(3) * out_ * lanes_;
    for (int first = 0; first < in_; first += lanes_)
        for (int row = 0; row < 3; ++row)
            for (int o = 0; o < out_; ++o) {
                const float* sums = weight_sums_.data() + first / lanes_ * plane_weights(out_) +
                                    static_cast<std::ptrdiff_t>(row * out_ + o) * lanes_;
                for (int column = 0; column < 3; ++column)
                    for (int i = 0; i < lanes_; ++i) {
                        float sum = 0;
                        for (int p = 0; p < tile_points; ++p)
                            sum += to_points[p][column] * sums[p * point + i];
                        taps[static_cast<std::size_t>(column * lanes_ + i)] = sum;
                    }
                for (int i = first; i < std::min(in_, first + lanes_); ++i)
                    for (int column = 0; column < 3; ++column)
                        gradient[static_cast<std::size_t>((o * in_ + i) * 9 + row * 3 + column)] =
                            taps[static_cast<std::size_t>(column * lanes_ + i - first)];
            }
    std::copy_n(bias_sums_.begin(), out_,
                gradient.begin() + static_cast<std::ptrdiff_t>(9) * in_ * out_);
}

}  // namespace livesr
