// The blocks that pictures are matched by, and what is compared of one: itself and what is around
// it. All in low-resolution pixels.
#pragma once

#include <cstddef>

namespace livesr {

inline constexpr int block_side = 8;
// Around a block, compared too: alike blocks in unlike surroundings are hardly ever the same thing.
inline constexpr int block_context = 3;
inline constexpr int window_side = block_side + 2 * block_context;
inline constexpr int window_pixels = window_side * window_side;
// Of a row of a window as it is read: vectors have this many bytes. Those beyond the window do not
// count, but must be there.
inline constexpr int window_lanes = 16;
inline constexpr int lanes_beyond = window_lanes - window_side;

// The blocks of a frame, from its top left corner on; what is left at the other edges is in none.
struct BlockGrid {
    int columns, rows;

    BlockGrid(int width, int height) : columns(width / block_side), rows(height / block_side) {}

    std::size_t size() const { return static_cast<std::size_t>(columns) * rows; }
    bool has(int column, int row) const {
        return column >= 0 && row >= 0 && column < columns && row < rows;
    }
    std::size_t index(int column, int row) const {
        return static_cast<std::size_t>(row) * columns + column;
    }
};

}  // namespace livesr
