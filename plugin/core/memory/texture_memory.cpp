#include "core/memory/texture_memory.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

namespace livesr {
namespace {

constexpr int pad = block_context;

// Beyond it a match is none (mean of the squares).
constexpr std::uint32_t worst_error = 260 * window_pixels;
// So good that no other is looked for.
constexpr std::uint32_t good_error = 3 * window_pixels;

// A block that is found with a misfit up to this is known: a new patch of it would say little that
// the store does not. 0.2 does as well, and every match as known (docs/results.md) 0.03 dB worse.
constexpr double known_misfit = 0.5;

// A match is left for another that is better by this part of its error: matches that take turns
// flicker (a third less of what memory adds to the change from frame to frame, on desk_talk).
constexpr std::uint32_t clearly = 8;

// Patches over a block that are tried in place, the newest ones.
constexpr std::size_t tried_in_place = 3;
// How far a thing may have moved from where its patch came from to be found by chance.
constexpr int reach = 12;
constexpr int most_descents = 6;

// Detail of weights that are no longer in use is made anew for so many patches a frame.
constexpr int refreshes_per_frame = 4;

// Low-resolution pixels by which a block's detail reaches over its neighbours'.
constexpr int overlap = 2;

// A flat block matches everything flat, and coding noise is all that its error is; where there is
// much to see the same error says that it is the same thing.
double misfit_of(const std::uint8_t* block, std::ptrdiff_t stride, std::uint32_t error) {
    constexpr double noise = 20.0;  // of decoded pictures, mean of squares
    constexpr double usual = 100.0;
    double sum = 0;
    double squares = 0;
    for (int y = 0; y < block_side; ++y) {
        for (int x = 0; x < block_side; ++x) {
            const double value = block[y * stride + x];
            sum += value;
            squares += value * value;
        }
    }
    constexpr double pixels = block_side * block_side;
    const double variance = squares / pixels - (sum / pixels) * (sum / pixels);
    return error / static_cast<double>(window_pixels) * usual / (variance + noise);
}

}  // namespace

TextureMemory::TextureMemory(const Options& options)
    : options_(options),
      store_({options.width, options.height}, options.most_patches),
      field_(store_.grid().size()),
      random_(options.seed),
      padded_stride_(options.width + 2 * pad) {
    if (options.margin < least_margin) {
        throw std::invalid_argument("texture memory needs a margin of " +
                                    std::to_string(least_margin) + " pixels, not " +
                                    std::to_string(options.margin));
    }
    padded_.resize(static_cast<std::size_t>(padded_stride_) * (options.height + 2 * pad) +
                   lanes_beyond);
}

std::uint32_t TextureMemory::error_at(const std::uint8_t* block, std::ptrdiff_t stride,
                                      const StoredPatch& patch, int x, int y) const {
    const std::ptrdiff_t low_stride = patch.low_stride();
    const std::uint8_t* theirs = patch.low_at(x - block_context, y - block_context);
    const std::uint8_t* ours = block - block_context * stride - block_context;
    std::int32_t error = 0;
    for (int row = 0; row < window_side; ++row) {
// Unrolled, GCC gathers the bytes one by one: vectors are 1.7 times as fast for the whole search.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC unroll 1
#endif
        for (int i = 0; i < window_lanes; ++i) {
            const auto difference =
                static_cast<std::int16_t>((ours[i] - theirs[i]) & (i < window_side ? -1 : 0));
            error += difference * difference;
        }
        ours += stride;
        theirs += low_stride;
    }
    return static_cast<std::uint32_t>(error);
}

void TextureMemory::consider(const std::uint8_t* block, std::ptrdiff_t stride, std::int32_t patch,
                             int x, int y, Match& best) const {
    if (patch < 0) return;
    const StoredPatch& stored = store_.at(patch);
    if (!stored.has_block(x, y)) return;
    if (patch == best.patch && x == best.x && y == best.y) return;
    const std::uint32_t error = error_at(block, stride, stored, x, y);
    if (error >= best.error) return;
    best.patch = patch;
    best.x = static_cast<std::int16_t>(x);
    best.y = static_cast<std::int16_t>(y);
    best.error = error;
}

void TextureMemory::descend(const std::uint8_t* block, std::ptrdiff_t stride, Match& best) const {
    for (int step = 0; step < most_descents && best.patch >= 0 && best.error > 0; ++step) {
        const Match from = best;
        consider(block, stride, from.patch, from.x - 1, from.y, best);
        consider(block, stride, from.patch, from.x + 1, from.y, best);
        consider(block, stride, from.patch, from.x, from.y - 1, best);
        consider(block, stride, from.patch, from.x, from.y + 1, best);
        if (best.x == from.x && best.y == from.y) break;
    }
}

// Between low-resolution pixels: the bottom of the parabola through three errors.
void TextureMemory::refine(const std::uint8_t* block, std::ptrdiff_t stride, Match& match) const {
    const StoredPatch& stored = store_.at(match.patch);
    const int scale = options_.scale;
    const auto offset = [&](int dx, int dy) {
        const double before = error_at(block, stride, stored, match.x - dx, match.y - dy);
        const double after = error_at(block, stride, stored, match.x + dx, match.y + dy);
        const double curve = before + after - 2.0 * match.error;
        if (curve <= 0) return 0;
        const int fine = static_cast<int>(std::lround(scale * (before - after) / (2 * curve)));
        return std::clamp(fine, 1 - scale, scale - 1);
    };
    const auto within = [&](int at, int fine, int size) {
        const int corner = at * scale + fine;
        return corner >= 0 && corner + block_side * scale <= size;
    };
    const int fine_x = offset(1, 0);
    const int fine_y = offset(0, 1);
    match.fine_x =
        within(match.x, fine_x, stored.high_width()) ? static_cast<std::int8_t>(fine_x) : 0;
    match.fine_y =
        within(match.y, fine_y, stored.high_height()) ? static_cast<std::int8_t>(fine_y) : 0;
}

// Seeds: where this block and its neighbours were found in this frame and the one before, patches
// in place, and one by chance.
TextureMemory::Match TextureMemory::find(int column, int row) {
    const std::uint8_t* block =
        padded_.data() + (row * block_side + pad) * padded_stride_ + column * block_side + pad;
    Match best;
    const auto from = [&](int right, int down) {
        const int c = column + right;
        const int r = row + down;
        if (!store_.grid().has(c, r)) return;
        const Match& match = field_[store_.grid().index(c, r)];
        consider(block, padded_stride_, match.patch, match.x - right * block_side,
                 match.y - down * block_side, best);
    };
    from(0, 0);
    const Match before = best;
    if (best.error > good_error) {
        from(-1, 0);
        from(0, -1);
        from(1, 0);
        from(0, 1);
    }
    const auto place = [&](std::int32_t patch, int dx, int dy) {
        const StoredPatch& stored = store_.at(patch);
        consider(block, padded_stride_, patch, column * block_side - stored.x + dx,
                 row * block_side - stored.y + dy, best);
    };
    if (best.error > good_error) {
        const auto& here = store_.covering(column, row);
        const std::size_t tried = std::min(here.size(), tried_in_place);
        for (std::size_t i = 0; i < tried; ++i) place(here[here.size() - 1 - i], 0, 0);
    }
    if (best.error > good_error && store_.size() > 0) {
        const auto step = [&] { return static_cast<int>(random_() % (2 * reach + 1)) - reach; };
        const int dx = step();
        const int dy = step();
        const int c = std::clamp(column + dx / block_side, 0, store_.grid().columns - 1);
        const int r = std::clamp(row + dy / block_side, 0, store_.grid().rows - 1);
        const auto& there = store_.covering(c, r);
        if (!there.empty()) place(there[random_() % there.size()], dx, dy);
        descend(block, padded_stride_, best);
    }
    if (before.patch >= 0 && best.error > before.error - before.error / clearly) best = before;
    if (best.patch < 0 || best.error > worst_error) return {};
    refine(block, padded_stride_, best);
    best.misfit = misfit_of(block, padded_stride_, best.error);
    return best;
}

void TextureMemory::follow(const std::uint8_t* luma, std::ptrdiff_t stride) {
    ++frame_;
    if (store_.size() == 0) return;
    for (int row = -pad; row < options_.height + pad; ++row) {
        const std::uint8_t* from = luma + std::clamp(row, 0, options_.height - 1) * stride;
        std::uint8_t* to = padded_.data() + (row + pad) * padded_stride_;
        std::fill_n(to, pad, from[0]);
        std::copy_n(from, options_.width, to + pad);
        std::fill_n(to + pad + options_.width, pad, from[options_.width - 1]);
    }
    for (int row = 0; row < store_.grid().rows; ++row) {
        for (int column = 0; column < store_.grid().columns; ++column) {
            field_[store_.grid().index(column, row)] = find(column, row);
        }
    }
}

std::vector<std::uint8_t> TextureMemory::cover(int cell, int columns, int rows) const {
    struct Blocks {
        int all = 0, known = 0;
    };
    std::vector<Blocks> cells(static_cast<std::size_t>(columns) * rows);
    const int side = block_side * options_.scale;
    for (int row = 0; row < store_.grid().rows; ++row) {
        for (int column = 0; column < store_.grid().columns; ++column) {
            const int x = (column * side + side / 2) / cell;
            const int y = (row * side + side / 2) / cell;
            if (x >= columns || y >= rows) continue;
            Blocks& blocks = cells[static_cast<std::size_t>(y) * columns + x];
            const Match& match = field_[store_.grid().index(column, row)];
            ++blocks.all;
            if (match.patch >= 0 && match.misfit <= known_misfit) ++blocks.known;
        }
    }
    std::vector<std::uint8_t> shares;
    for (const Blocks& blocks : cells) {
        const int share = blocks.all > 0 ? 255 * blocks.known / blocks.all : 0;
        shares.push_back(static_cast<std::uint8_t>(share));
    }
    return shares;
}

void TextureMemory::lose_track() { std::ranges::fill(field_, Match{}); }

// A block of a patch that has come, at low-resolution (x, y) of it: found as a block of the frame
// would be.
TextureMemory::Match TextureMemory::find_in(const StoredPatch& fresh, int x, int y) const {
    const std::ptrdiff_t stride = fresh.low_stride();
    const std::uint8_t* block = fresh.low_at(x, y);
    const int frame_x = fresh.x + x;
    const int frame_y = fresh.y + y;
    const int column = std::min((frame_x + block_side / 2) / block_side, store_.grid().columns - 1);
    const int row = std::min((frame_y + block_side / 2) / block_side, store_.grid().rows - 1);
    Match best;
    for (int down = -1; down <= 1; ++down) {
        for (int right = -1; right <= 1; ++right) {
            const int c = std::clamp(column + right, 0, store_.grid().columns - 1);
            const int r = std::clamp(row + down, 0, store_.grid().rows - 1);
            const Match& match = field_[store_.grid().index(c, r)];
            consider(block, stride, match.patch, match.x + frame_x - c * block_side,
                     match.y + frame_y - r * block_side, best);
        }
    }
    const auto& here = store_.covering(column, row);
    const std::size_t tried = std::min(here.size(), tried_in_place);
    for (std::size_t i = 0; i < tried; ++i) {
        const std::int32_t patch = here[here.size() - 1 - i];
        const StoredPatch& stored = store_.at(patch);
        consider(block, stride, patch, frame_x - stored.x, frame_y - stored.y, best);
    }
    descend(block, stride, best);
    if (best.patch < 0 || best.error > worst_error) return {};
    refine(block, stride, best);
    best.misfit = misfit_of(block, stride, best.error);
    return best;
}

// What memory would have made of the patch that has come tells how strong detail is to be.
void TextureMemory::learn(const StoredPatch& fresh) {
    const int scale = options_.scale;
    const int side = block_side * scale;
    strength_.begin();
    for (int y = 0; y + block_side <= fresh.height; y += block_side) {
        for (int x = 0; x + block_side <= fresh.width; x += block_side) {
            const Match match = find_in(fresh, x, y);
            if (match.patch < 0) continue;
            const StoredPatch& stored = store_.at(match.patch);
            strength_.begin_block(match.misfit);
            for (int v = 0; v < side; ++v) {
                const std::ptrdiff_t theirs =
                    static_cast<std::ptrdiff_t>(match.y * scale + match.fine_y + v) *
                        stored.high_width() +
                    match.x * scale + match.fine_x;
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
    const std::int32_t index = store_.add(std::move(fresh));
    // What was found in the patch that made room is there no longer.
    for (Match& match : field_) {
        if (match.patch == index) match = {};
    }
}

// A block's detail reaches a little over its neighbours', and where two overlap they fade into each
// other: a match that ends, or goes on as another, leaves no edge, and next to no detail is lost.
void TextureMemory::gather(const Match& match, int column, int row, const std::uint8_t* picture,
                           std::ptrdiff_t stride, int width, int height) {
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
    const int from_x = match.x * scale + match.fine_x - over;
    const int from_y = match.y * scale + match.fine_y - over;
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
    for (int row = 0; row < store_.grid().rows; ++row) {
        for (int column = 0; column < store_.grid().columns; ++column) {
            const Match& match = field_[store_.grid().index(column, row)];
            if (match.patch < 0) continue;
            const BandStrengths& strength = strength_.of(match.misfit);
            if (!strength.any()) continue;
            StoredPatch& stored = store_.at(match.patch);
            if (stored.network != network && refreshes > 0) {
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
    return static_cast<double>(restored) / static_cast<double>(field_.size());
}

}  // namespace livesr
