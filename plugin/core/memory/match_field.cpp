#include "core/memory/match_field.h"

#include <algorithm>

namespace livesr {
namespace {

constexpr int pad = block_context;

// Patches over a block that are tried in place, the newest ones.
constexpr std::size_t tried_in_place = 3;
// How far a thing may have moved from where its patch came from to be found by chance.
constexpr int reach = 12;

}  // namespace

MatchField::MatchField(const PatchStore& store, int width, int height, std::uint32_t seed)
    : store_(store),
      width_(width),
      height_(height),
      matches_(store.grid().size()),
      random_(seed),
      padded_stride_(width + 2 * pad) {
    padded_.resize(static_cast<std::size_t>(padded_stride_) * (height + 2 * pad) + lanes_beyond);
}

void MatchField::take(const std::uint8_t* luma, std::ptrdiff_t stride) {
    for (int row = -pad; row < height_ + pad; ++row) {
        const std::uint8_t* from = luma + std::clamp(row, 0, height_ - 1) * stride;
        std::uint8_t* to = padded_.data() + (row + pad) * padded_stride_;
        std::fill_n(to, pad, from[0]);
        std::copy_n(from, width_, to + pad);
        std::fill_n(to + pad + width_, pad, from[width_ - 1]);
    }
}

void MatchField::follow(const std::uint8_t* luma, std::ptrdiff_t stride) {
    if (store_.size() == 0) return;
    take(luma, stride);
    const BlockGrid& grid = store_.grid();
    for (int row = 0; row < grid.rows; ++row) {
        for (int column = 0; column < grid.columns; ++column) {
            matches_[grid.index(column, row)] = find(column, row);
        }
    }
}

// As far from where a block of the frame was found as (x, y) is from that block.
void MatchField::consider_match(BlockSearch& search, int column, int row, int x, int y) const {
    const BlockMatch& match = at(column, row);
    search.consider(match.patch, match.x + x - column * block_side, match.y + y - row * block_side);
}

// In place: at (x, y) of the frame that the newest patches over a block came from.
void MatchField::consider_newest(BlockSearch& search, int column, int row, int x, int y) const {
    const std::vector<std::int32_t>& here = store_.covering(column, row);
    const std::size_t tried = std::min(here.size(), tried_in_place);
    for (std::size_t i = 0; i < tried; ++i) {
        search.consider_in_place(here[here.size() - 1 - i], x, y);
    }
}

void MatchField::consider_by_chance(BlockSearch& search, int column, int row) {
    const auto step = [&] { return static_cast<int>(random_() % (2 * reach + 1)) - reach; };
    const int dx = step();
    const int dy = step();
    const BlockGrid& grid = store_.grid();
    const std::vector<std::int32_t>& there =
        store_.covering(std::clamp(column + dx / block_side, 0, grid.columns - 1),
                        std::clamp(row + dy / block_side, 0, grid.rows - 1));
    if (there.empty()) return;
    search.consider_in_place(there[random_() % there.size()], column * block_side + dx,
                             row * block_side + dy);
}

// Seeds: where this block and its neighbours were found in this frame and the one before, patches
// in place, and one by chance.
BlockMatch MatchField::find(int column, int row) {
    const int x = column * block_side;
    const int y = row * block_side;
    BlockSearch search(store_, padded_.data() + (y + pad) * padded_stride_ + x + pad,
                       padded_stride_);
    const auto from = [&](int c, int r) {
        if (store_.grid().has(c, r)) consider_match(search, c, r, x, y);
    };
    from(column, row);
    const BlockMatch before = search.best();
    if (!search.is_good()) {
        from(column - 1, row);
        from(column, row - 1);
        from(column + 1, row);
        from(column, row + 1);
    }
    if (!search.is_good()) consider_newest(search, column, row, x, y);
    if (!search.is_good()) {
        consider_by_chance(search, column, row);
        search.descend();
    }
    search.stay_with(before);
    return search.finish();
}

BlockMatch MatchField::find_in(const StoredPatch& fresh, int x, int y) const {
    const BlockGrid& grid = store_.grid();
    const int frame_x = fresh.x + x;
    const int frame_y = fresh.y + y;
    const int column = std::min((frame_x + block_side / 2) / block_side, grid.columns - 1);
    const int row = std::min((frame_y + block_side / 2) / block_side, grid.rows - 1);
    BlockSearch search(store_, fresh.low_at(x, y), fresh.low_stride());
    for (int down = -1; down <= 1; ++down) {
        for (int right = -1; right <= 1; ++right) {
            consider_match(search, std::clamp(column + right, 0, grid.columns - 1),
                           std::clamp(row + down, 0, grid.rows - 1), frame_x, frame_y);
        }
    }
    consider_newest(search, column, row, frame_x, frame_y);
    search.descend();
    return search.finish();
}

void MatchField::forget(std::int32_t patch) {
    for (BlockMatch& match : matches_) {
        if (match.patch == patch) match = {};
    }
}

void MatchField::lose_track() { std::ranges::fill(matches_, BlockMatch{}); }

}  // namespace livesr
