// Inference row by row: each layer keeps its last three rows only, so that a whole network works in
// the second-level cache. Shared by all fast paths; the row functions are theirs.
#include <algorithm>
#include <array>
#include <cstddef>

#include "core/network/enhance_kernels.h"

namespace livesr {
namespace {

constexpr int round_up(int value, int step) { return (value + step - 1) / step * step; }

// Values of 16 bits in a cache line: what rows are rounded up to.
constexpr int line = 32;

// 16-bit values of a cell, those that are no pixel zero: a hidden layer's least.
constexpr int cell_lanes = 16;

// Wider regions are cut into columns: all rows of a layer stack should stay in the cache.
constexpr std::size_t cache_budget_bytes = 640 * 1024;
constexpr int narrowest_column = 128;

// Rows row(y) for neighbouring y, `count` of them at a time.
struct Ring {
    std::int16_t* memory = nullptr;
    std::ptrdiff_t stride = 0;
    int count = 0;

    std::int16_t* row(int y) const {
        const int slot = ((y % count) + count) % count;
        return memory + slot * stride;
    }
};

class Stream {
  public:
    Stream(const RowKernels& kernels, const PackedNetwork::Data& network,
           EnhanceScratch::Data& scratch, const PlaneView& src, const Region& region)
        : kernels_(kernels),
          network_(network),
          src_(src),
          region_(region),
          cell_(cell_side(network.architecture)),
          scale_(output_side(network.architecture)),
          margin_(network.architecture.layers),
          width_(region.x1 - region.x0) {
        // Twice: once to count, once to hand out.
        scratch.memory.resize(std::max(scratch.memory.size(), lay_out(nullptr)));
        lay_out(scratch.memory.data());
    }

    void run(std::uint8_t* dst, std::ptrdiff_t dst_stride) {
        for (int y = region_.y0 - margin_; y < region_.y1 + margin_; ++y) {
            load(y);
            for (int l = 0; l < network_.architecture.layers; ++l) layer(l, y - l - 1);
            const int done = y - margin_;
            if (done >= region_.y0) {
                std::uint8_t* to = dst + (done - region_.y0) * scale_ * dst_stride;
                finish(done, to, dst_stride);
            }
        }
    }

  private:
    // Positions that layer l computes beyond the region, a side.
    int beyond(int l) const { return margin_ - 1 - l; }

    std::size_t lay_out(std::int16_t* memory) {
        std::size_t used = 0;
        const auto take = [&](Ring& ring, int count, int row_size) {
            ring.count = count;
            ring.stride = round_up(row_size, line);
            if (memory != nullptr) ring.memory = memory + used;
            used += static_cast<std::size_t>(ring.stride) * static_cast<std::size_t>(count);
        };
        const int in_width = width_ + 2 * margin_ + row_slack + 8;
        // Cells are laid out as a hidden layer's pixels are.
        take(samples_, margin_ + 3, cell_ == 1 ? in_width : in_width * cell_lanes);
        for (int l = 0; l + 1 < network_.architecture.layers; ++l) {
            const int channels = round_up(network_.layers[static_cast<std::size_t>(l)].out, 16);
            take(hidden_[static_cast<std::size_t>(l)], 3,
                 (width_ + 2 * beyond(l) + 2 + row_slack) * channels);
        }
        const int out_width = (width_ + row_slack + 2) * scale_ + 16;
        take(horizontal_, 5, out_width);
        take(residual_, scale_, out_width + line);
        return used;
    }

    void load_cells(int y) {
        std::int16_t* to = samples_.row(y);
        for (int dy = 0; dy < 2; ++dy) {
            const std::uint8_t* from =
                src_.pixels + std::clamp(2 * y + dy, 0, src_.height - 1) * src_.stride;
            const int first = region_.x0 - margin_;
            const int count = width_ + 2 * margin_;
            const int left = std::clamp(-first, 0, count);
            const int right = std::clamp(src_.width / 2 - first, left, count);
            std::int16_t* cell = to + 2 * dy;
            const auto at = [&](int x) { return from[std::clamp(x, 0, src_.width - 1)]; };
            const auto clamped = [&](int c) {
                cell[c * cell_lanes] = at(2 * (first + c));
                cell[c * cell_lanes + 1] = at(2 * (first + c) + 1);
            };
            for (int c = 0; c < left; ++c) clamped(c);
            for (int c = left; c < right; ++c) {
                cell[c * cell_lanes] = from[2 * (first + c)];
                cell[c * cell_lanes + 1] = from[2 * (first + c) + 1];
            }
            for (int c = right; c < count; ++c) clamped(c);
        }
    }

    void load(int y) {
        if (cell_ > 1) return load_cells(y);
        const std::uint8_t* from = src_.pixels + std::clamp(y, 0, src_.height - 1) * src_.stride;
        std::int16_t* to = samples_.row(y);
        const int first = region_.x0 - margin_;
        const int count = width_ + 2 * margin_;
        const int left = std::clamp(-first, 0, count);
        const int right = std::clamp(src_.width - first, 0, count);
        std::fill_n(to, left, std::int16_t{from[0]});
        std::copy(from + first + left, from + first + right, to + left);
        std::fill(to + right, to + count, std::int16_t{from[src_.width - 1]});
    }

    // Row y of layer l, when the region needs it.
    void layer(int l, int y) {
        if (y < region_.y0 - beyond(l) || y >= region_.y1 + beyond(l)) return;
        const auto index = static_cast<std::size_t>(l);
        const RowLayer row_layer = network_.layers[index].rows();
        const Ring& from = l == 0 ? samples_ : hidden_[index - 1];
        const std::int16_t* const rows[3] = {from.row(y - 1), from.row(y), from.row(y + 1)};
        const int width = width_ + 2 * beyond(l);
        if (l + 1 == network_.architecture.layers) {
            std::int16_t* residual[4] = {};
            for (int dy = 0; dy < scale_; ++dy) residual[dy] = residual_.row(dy) + line;
            kernels_.last(rows, width, row_layer, scale_, residual);
        } else if (l == 0 && cell_ == 1) {
            kernels_.first(rows, width, row_layer, hidden_[0].row(y));
        } else {
            kernels_.hidden(rows, width, row_layer, hidden_[index].row(y));
        }
    }

    // Nothing is enlarged: the residual is added to the pixels.
    void finish_cells(int y, std::uint8_t* dst, std::ptrdiff_t dst_stride) {
        constexpr int half = 1 << (residual_bits - 1);
        for (int dy = 0; dy < 2; ++dy) {
            const std::uint8_t* from =
                src_.pixels + std::min(2 * y + dy, src_.height - 1) * src_.stride + 2 * region_.x0;
            const std::int16_t* residual = residual_.row(dy) + line;
            std::uint8_t* to = dst + dy * dst_stride;
            const int inside = std::min(2 * width_, src_.width - 2 * region_.x0);
            for (int x = 0; x < inside; ++x)
                to[x] = static_cast<std::uint8_t>(
                    std::clamp(from[x] + ((residual[x] + half) >> residual_bits), 0, 255));
            for (int x = inside; x < 2 * width_; ++x) to[x] = to[inside - 1];
        }
    }

    void finish(int y, std::uint8_t* dst, std::ptrdiff_t dst_stride) {
        if (cell_ > 1) return finish_cells(y, dst, dst_stride);
        const auto& taps = bicubic_taps[static_cast<std::size_t>(scale_)];
        const auto widen = [&](int row) {
            kernels_.horizontal(samples_.row(row) + margin_ - 2, width_, scale_, taps[0].data(),
                                horizontal_.row(row));
        };
        if (y == region_.y0)
            for (int row = y - 2; row < y + 2; ++row) widen(row);
        widen(y + 2);
        const std::int16_t* rows[5];
        for (int i = 0; i < 5; ++i) rows[i] = horizontal_.row(y - 2 + i);
        for (int dy = 0; dy < scale_; ++dy)
            kernels_.finish(rows, taps[static_cast<std::size_t>(dy)].data(),
                            residual_.row(dy) + line, width_ * scale_, dst + dy * dst_stride);
    }

    const RowKernels& kernels_;
    const PackedNetwork::Data& network_;
    const PlaneView& src_;
    const Region& region_;  // in positions
    int cell_;
    int scale_;   // pixels that a position becomes, a side
    int margin_;  // positions
    int width_;
    Ring samples_;
    std::array<Ring, 16> hidden_;
    Ring horizontal_;
    Ring residual_;
};

int column_width(const PackedNetwork::Data& network) {
    std::size_t bytes = 0;  // a pixel of width
    for (std::size_t l = 0; l + 1 < network.layers.size(); ++l)
        bytes += static_cast<std::size_t>(round_up(network.layers[l].out, 16)) * 2 * 3;
    return std::max(narrowest_column, static_cast<int>(cache_budget_bytes / bytes));
}

}  // namespace

void enhance_region_rows(const RowKernels& kernels, const PackedNetwork::Data& network,
                         EnhanceScratch::Data& scratch, const PlaneView& src, const Region& region,
                         std::uint8_t* dst, std::ptrdiff_t dst_stride) {
    const int cell = cell_side(network.architecture);
    const Region positions{region.x0 / cell, region.y0 / cell, region.x1 / cell, region.y1 / cell};
    // Columns of equal width: the last one must not be a sliver.
    const int width = positions.x1 - positions.x0;
    const int columns = (width + column_width(network) - 1) / column_width(network);
    for (int c = 0; c < columns; ++c) {
        const Region column{positions.x0 + width * c / columns, positions.y0,
                            positions.x0 + width * (c + 1) / columns, positions.y1};
        Stream(kernels, network, scratch, src, column)
            .run(dst + (column.x0 - positions.x0) * output_side(network.architecture), dst_stride);
    }
}

}  // namespace livesr
