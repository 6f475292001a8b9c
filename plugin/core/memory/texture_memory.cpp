#include "core/memory/texture_memory.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>
#include <utility>

namespace livesr {
namespace {

// A block that is found with a misfit up to this is known: a new patch of it would say little that
// the store does not. 0.2 does as well, and every match as known (docs/results.md) 0.03 dB worse.
constexpr double known_misfit = 0.5;

// Detail of weights that are no longer in use is made anew for so many patches a frame.
constexpr int refreshes_per_frame = 4;

// Low-resolution pixels by which a block's detail reaches over its neighbours'.
constexpr int overlap = 2;

}  // namespace

TextureMemory::TextureMemory(const Options& options)
    : options_(options),
      store_({options.width, options.height}, options.max_patches, options.max_bytes),
      field_(store_, options.width, options.height, options.seed) {
    if (options.margin < least_margin) {
        throw std::invalid_argument("texture memory needs a margin of " +
                                    std::to_string(least_margin) + " pixels, not " +
                                    std::to_string(options.margin));
    }
}

void TextureMemory::follow(const std::uint8_t* luma, std::ptrdiff_t stride) {
    ++frame_;
    field_.follow(luma, stride);
}

void TextureMemory::lose_track() { field_.lose_track(); }

std::vector<std::uint8_t> TextureMemory::cover(int cell, int columns, int rows) const {
    struct Blocks {
        int all = 0, known = 0;
    };
    std::vector<Blocks> cells(static_cast<std::size_t>(columns) * rows);
    const int side = block_side * options_.scale;
    const BlockGrid& grid = store_.grid();
    for (int row = 0; row < grid.rows; ++row) {
        for (int column = 0; column < grid.columns; ++column) {
            const int x = (column * side + side / 2) / cell;
            const int y = (row * side + side / 2) / cell;
            if (x >= columns || y >= rows) continue;
            Blocks& blocks = cells[static_cast<std::size_t>(y) * columns + x];
            const BlockMatch& match = field_.at(column, row);
            ++blocks.all;
            if (match.found() && match.misfit <= known_misfit) ++blocks.known;
        }
    }
    std::vector<std::uint8_t> shares;
    for (const Blocks& blocks : cells) {
        const int share = blocks.all > 0 ? 255 * blocks.known / blocks.all : 0;
        shares.push_back(static_cast<std::uint8_t>(share));
    }
    return shares;
}

// What memory would have made of the patch that has come tells how strong detail is to be.
void TextureMemory::learn(const StoredPatch& fresh) {
    const int scale = options_.scale;
    const int side = block_side * scale;
    strength_.begin();
    for (int y = 0; y + block_side <= fresh.height; y += block_side) {
        for (int x = 0; x + block_side <= fresh.width; x += block_side) {
            const BlockMatch match = field_.find_in(fresh, x, y);
            if (!match.found()) continue;
            const StoredPatch& stored = store_.at(match.patch);
            strength_.begin_block(match.misfit);
            for (int v = 0; v < side; ++v) {
                const std::ptrdiff_t theirs =
                    static_cast<std::ptrdiff_t>(match.high_y(scale) + v) * stored.high_width() +
                    match.high_x(scale);
                const std::ptrdiff_t ours =
                    static_cast<std::ptrdiff_t>(y * scale + v) * fresh.high_width() + x * scale;
                for (int u = 0; u < side; ++u) {
                    const auto there = static_cast<std::size_t>(theirs + u);
                    const auto here = static_cast<std::size_t>(ours + u);
                    const int all = stored.detail[there];
                    const int slow = stored.slow[there];
                    const int truth = fresh.detail[here];
                    const int change = (stored.high[there] - all) - (fresh.high[here] - truth);
                    strength_.add(slow, all - slow, change, truth);
                }
            }
        }
    }
    strength_.finish();
}

void TextureMemory::add(const Patch& patch, const std::shared_ptr<const PackedNetwork>& network) {
    const int scale = options_.scale;
    StoredPatch fresh;
    fresh.scale = scale;
    fresh.x = patch.x / scale;
    fresh.y = patch.y / scale;
    fresh.width = patch.width / scale;
    fresh.height = patch.height / scale;
    fresh.margin = options_.margin;
    fresh.low = patch.low;
    fresh.low.resize(fresh.low.size() + lanes_beyond);
    fresh.high = patch.high;
    fresh.used = frame_;
    fresh.refresh(network, scratch_);
    learn(fresh);
    for (const std::int32_t patch : store_.in_the_way_of(fresh.bytes())) {
        store_.remove(patch);
        field_.forget(patch);
    }
    store_.add(std::move(fresh));
}

// A block's detail reaches a little over its neighbours', and where two overlap they fade into each
// other: a match that ends, or goes on as another, leaves no edge, and next to no detail is lost.
void TextureMemory::gather(const BlockMatch& match, int column, int row,
                           const std::uint8_t* picture, std::ptrdiff_t stride, int width,
                           int height) {
    const StoredPatch& stored = store_.at(match.patch);
    const BandStrengths& strength = strength_.of(match.misfit);
    const int scale = options_.scale;
    const int side = block_side * scale;
    const int over = overlap * scale;
    // Weights of 256 along one side, from `over` pixels before the block on.
    std::array<std::int16_t, (block_side + 2 * overlap) * 4> across{};
    std::array<std::int16_t, (block_side + 2 * overlap) * 4> down{};
    const auto fill = [&](auto& weights, bool from_edge, bool to_edge) {
        for (int i = 0; i < side + 2 * over; ++i) {
            const int from_end = side + 2 * over - 1 - i;
            int weight = 256;
            if (!from_edge && i < 2 * over) weight = 256 * (2 * i + 1) / (4 * over);
            if (!to_edge && from_end < 2 * over) weight = 256 * (2 * from_end + 1) / (4 * over);
            weights[static_cast<std::size_t>(i)] = static_cast<std::int16_t>(weight);
        }
    };
    // The picture ends: there is nothing to fade into.
    fill(across, column == 0, (column + 1) * side >= width);
    fill(down, row == 0, (row + 1) * side >= height);
    // The part of all this that picture and patch have.
    const int to_x = column * side - over;
    const int to_y = row * side - over;
    const int from_x = match.high_x(scale) - over;
    const int from_y = match.high_y(scale) - over;
    const int first_x = std::max({0, -to_x, -from_x});
    const int first_y = std::max({0, -to_y, -from_y});
    const int last_x = std::min({side + 2 * over, width - to_x, stored.high_width() - from_x});
    const int last_y = std::min({side + 2 * over, height - to_y, stored.high_height() - from_y});
    const auto fast = static_cast<std::int16_t>(strength.fast);
    const auto slower = static_cast<std::int16_t>(strength.slow - strength.fast);
    const auto changed = static_cast<std::int16_t>(strength.change);
    for (int v = first_y; v < last_y; ++v) {
        const std::ptrdiff_t from =
            static_cast<std::ptrdiff_t>(from_y + v) * stored.high_width() + from_x;
        const std::int8_t* detail = stored.detail.data() + from;
        const std::int8_t* slow = stored.slow.data() + from;
        const std::uint8_t* high = stored.high.data() + from;
        const std::uint8_t* line = picture + (to_y + v) * stride + to_x;
        std::int16_t* __restrict sums =
            gathered_.data() + static_cast<std::ptrdiff_t>(to_y + v) * width + to_x;
        const std::int16_t row_weight = down[static_cast<std::size_t>(v)];
        for (int u = first_x; u < last_x; ++u) {
            const auto change = static_cast<std::int16_t>(high[u] - detail[u] - line[u]);
            // Sixteenths of a grey level.
            const auto added = static_cast<std::int16_t>(
                (fast * detail[u] + slower * slow[u] + changed * change) >> 4);
            const auto weight =
                static_cast<std::int16_t>(row_weight * across[static_cast<std::size_t>(u)] >> 8);
            sums[u] = static_cast<std::int16_t>(sums[u] + ((added * weight + 128) >> 8));
        }
    }
}

double TextureMemory::restore(const std::shared_ptr<const PackedNetwork>& network,
                              std::uint8_t* picture, std::ptrdiff_t stride, int width, int height) {
    if (benefit().value_or(0) <= 0) return 0;
    gathered_.assign(static_cast<std::size_t>(width) * height, 0);
    int refreshes = refreshes_per_frame;
    std::size_t restored = 0;
    const BlockGrid& grid = store_.grid();
    for (int row = 0; row < grid.rows; ++row) {
        for (int column = 0; column < grid.columns; ++column) {
            const BlockMatch& match = field_.at(column, row);
            if (!match.found()) continue;
            const BandStrengths& strength = strength_.of(match.misfit);
            if (!strength.any()) continue;
            StoredPatch& stored = store_.at(match.patch);
            if (!stored.is_of(network) && refreshes > 0) {
                stored.refresh(network, scratch_);
                --refreshes;
            }
            stored.used = frame_;
            gather(match, column, row, picture, stride, width, height);
            ++restored;
        }
    }
    for (int y = 0; y < height && restored > 0; ++y) {
        std::uint8_t* line = picture + y * stride;
        const std::int16_t* sums = gathered_.data() + static_cast<std::ptrdiff_t>(y) * width;
        for (int x = 0; x < width; ++x) {
            const int value = line[x] + ((sums[x] + 8) >> 4);
            line[x] = static_cast<std::uint8_t>(std::clamp(value, 0, 255));
        }
    }
    return static_cast<double>(restored) / static_cast<double>(grid.size());
}

}  // namespace livesr
