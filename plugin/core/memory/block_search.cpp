#include "core/memory/block_search.h"

#include <algorithm>
#include <cmath>

namespace livesr {
namespace {

// Beyond it a match is none (mean of the squares).
constexpr std::uint32_t worst_error = 260 * window_pixels;
constexpr std::uint32_t good_error = 3 * window_pixels;

// A match is left for another that is better by this part of its error: matches that take turns
// flicker (a third less of what memory adds to the change from frame to frame, on desk_talk).
constexpr std::uint32_t clearly = 8;

constexpr int most_descents = 6;

std::uint32_t error_at(const std::uint8_t* block, std::ptrdiff_t stride, const StoredPatch& patch,
                       int x, int y) {
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

}  // namespace

void BlockSearch::consider(std::int32_t patch, int x, int y) {
    if (patch < 0) return;
    const StoredPatch& stored = store_.at(patch);
    if (!stored.has_block(x, y)) return;
    if (patch == best_.patch && x == best_.x && y == best_.y) return;
    const std::uint32_t error = error_at(block_, stride_, stored, x, y);
    if (error >= best_.error) return;
    best_.patch = patch;
    best_.x = static_cast<std::int16_t>(x);
    best_.y = static_cast<std::int16_t>(y);
    best_.error = error;
}

void BlockSearch::consider_in_place(std::int32_t patch, int x, int y) {
    const StoredPatch& stored = store_.at(patch);
    consider(patch, x - stored.x, y - stored.y);
}

void BlockSearch::descend() {
    for (int step = 0; step < most_descents && best_.found() && best_.error > 0; ++step) {
        const BlockMatch from = best_;
        consider(from.patch, from.x - 1, from.y);
        consider(from.patch, from.x + 1, from.y);
        consider(from.patch, from.x, from.y - 1);
        consider(from.patch, from.x, from.y + 1);
        if (best_.x == from.x && best_.y == from.y) break;
    }
}

void BlockSearch::stay_with(const BlockMatch& before) {
    if (before.found() && best_.error > before.error - before.error / clearly) best_ = before;
}

bool BlockSearch::is_good() const { return best_.error <= good_error; }

BlockMatch BlockSearch::finish() const {
    if (!best_.found() || best_.error > worst_error) return {};
    BlockMatch match = best_;
    refine(match);
    match.misfit = misfit_of(match.error);
    return match;
}

// Between low-resolution pixels: the bottom of the parabola through three errors.
void BlockSearch::refine(BlockMatch& match) const {
    const StoredPatch& stored = store_.at(match.patch);
    const int scale = stored.scale;
    const auto offset = [&](int dx, int dy) {
        const double before = error_at(block_, stride_, stored, match.x - dx, match.y - dy);
        const double after = error_at(block_, stride_, stored, match.x + dx, match.y + dy);
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

// A flat block matches everything flat, and coding noise is all that its error is; where there is
// much to see the same error says that it is the same thing.
double BlockSearch::misfit_of(std::uint32_t error) const {
    constexpr double noise = 20.0;  // of decoded pictures, mean of squares
    constexpr double usual = 100.0;
    double sum = 0;
    double squares = 0;
    for (int y = 0; y < block_side; ++y) {
        for (int x = 0; x < block_side; ++x) {
            const double value = block_[y * stride_ + x];
            sum += value;
            squares += value * value;
        }
    }
    constexpr double pixels = block_side * block_side;
    const double variance = squares / pixels - (sum / pixels) * (sum / pixels);
    return error / static_cast<double>(window_pixels) * usual / (variance + noise);
}

}  // namespace livesr
