// Convolutions of training by Winograd's method along rows: four neighbouring outputs of a row take
// six products instead of twelve (F(4, 3); Lavin and Gray 2016, with the points 0, 1, -1, 2, -2 and
// infinity). Down the columns it stays a sum over three rows.
//
//   inputs x[4t] ... x[4t + 5]     become six points     B' x
//   weights of a row w[0 ... 2]    become six points     G w
//   outputs y[4t] ... y[4t + 3]    are                   A' (B' x * G w)
//   the gradient of the weights is                       G' (sum over tiles of B' x * A gradient)
//
// Twice as fast as the direct sum at best; its rounding errors are a few times larger, which
// training does not feel and which is why inference does not use it.
//
// Rows are [x][lane]; tiled pictures are [point][plane][y][tile][lane], planes of `lanes` channels.
#pragma once

#include <cstddef>
#include <cstdint>

namespace livesr {

constexpr int tile_outputs = 4;
constexpr int tile_inputs = 6;
constexpr int tile_points = 6;

// Part of a tiled picture to read. Distances in floats.
struct TiledPlanes {
    const float* values;
    std::ptrdiff_t row;
    std::ptrdiff_t plane;
    std::ptrdiff_t point;
    int channels;
};

struct TileKernels {
    int lanes;

    // row: tiles * 4 + 2 pixels. out: a row of the first point.
    void (*transform_input)(const float* row, int tiles, float* out, std::ptrdiff_t point);
    // A gradient for the sums of weight_gradient: tiles * 4 pixels.
    void (*transform_gradient)(const float* row, int tiles, float* out, std::ptrdiff_t point);

    // `rows` (1 or 2) neighbouring rows of one output plane. in: at the uppermost row they see.
    // weights: [point][input channel][kernel row][lane]. sums: [row][point][tile][lane].
    void (*convolve)(const TiledPlanes& in, int tiles, int rows, const float* weights, float* sums);
    // sums of one row to tiles * 4 pixels.
    void (*transform_sums)(const float* sums, int tiles, const float* bias, float* row);

    // Adds to sums[point][kernel row][gradient channel][lane of the input plane]. input: one plane.
    void (*weight_gradient)(const TiledPlanes& input, const TiledPlanes& gradient, int tiles,
                            int height, float* sums);

    // Zero where not positive; a bit a lane tells where it is.
    void (*relu)(float* row, int width, std::uint16_t* positive);
    void (*mask)(float* row, int width, const std::uint16_t* positive);
};

#if defined(__x86_64__)
extern const TileKernels tile_kernels_avx2;
extern const TileKernels tile_kernels_avx512;
#endif

}  // namespace livesr
