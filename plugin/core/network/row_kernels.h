// The fast paths of inference: one function a row, so that the driver (enhance_stream.cpp) is
// shared and only what is here is written for an instruction set. The arithmetic is that of
// enhance_kernels.h, to the bit.
//
// Hidden rows are [x][channel], 16-bit, channels padded to a multiple of 16 with zeros. Kernels
// work on blocks of pixels: they may read and write up to `row_slack` pixels beyond `width`, except
// that `finish` writes exactly its pixels. Pointers to rows and weights are 64-byte aligned (rows
// of samples: 2-byte). Plain data only: files built for an instruction set must not instantiate
// library templates that the linker could then choose for everybody.
#pragma once

#include <cstddef>
#include <cstdint>

namespace livesr {

constexpr int row_slack = 24;

// One layer as the kernels take it. Sums run over pairs of neighbouring inputs. Outputs are in
// vectors of 16 lanes; weights: [vector][row of the kernel][pair][lane][2].
struct RowLayer {
    const std::int16_t* weights;
    const std::int32_t* bias;   // [vector][lane]
    const std::int32_t* shift;  // [output], padded with zeros to a multiple of 16
    int in;                     // input channels: 1, 8 or a multiple of 16
    int out;                    // outputs of a layer that is not the last: 8 or a multiple of 16
};

// Pairs a row of the kernel. First layer: columns (0, 1), (2, nothing). Hidden: the three columns'
// channels in turn, which is how they lie in memory, and so do cells. Last: see last_lane; its
// scale is the output_side.
constexpr int first_pairs = 2;
constexpr int hidden_pairs(int in) { return 3 * in / 2; }
constexpr int last_pairs(int scale, int in) { return scale == 4 ? 3 * in / 2 : in / 2; }

// The last layer has few outputs. For scales 2 and 3 each lane is one output of one *column* of the
// kernel, applied to a single input pixel, and the columns are added afterwards: a third of the
// work for scale 2, two thirds for scale 3. Scale 4 fills its 16 lanes as it is.
constexpr int last_vectors(int scale) { return scale == 3 ? 2 : 1; }
constexpr int last_lane(int scale, int column, int output) {
    if (scale == 4) return output;
    if (scale == 2) return column * 4 + output;
    return output < 8 ? column * 8 + output : 24 + column;
}

struct RowKernels {
    // rows[k]: the sample at column 0 of kernel row k. out: [width][out].
    void (*first)(const std::int16_t* const rows[3], int width, const RowLayer& layer,
                  std::int16_t* out);
    void (*hidden)(const std::int16_t* const rows[3], int width, const RowLayer& layer,
                   std::int16_t* out);
    // residual[dy]: scale * width values (2^-6 grey levels). May write 2 * scale values before
    // each.
    void (*last)(const std::int16_t* const rows[3], int width, const RowLayer& layer, int scale,
                 std::int16_t* const residual[4]);
    // First pass of the bicubic enlargement. samples: the one two left of the first pixel.
    // taps: [scale][5].
    void (*horizontal)(const std::int16_t* samples, int width, int scale, const std::int16_t* taps,
                       std::int16_t* out);
    // Second pass, residual and rounding, for `count` pixels of one output row. rows: five of
    // horizontal's, two above to two below. taps: of this row's phase.
    void (*finish)(const std::int16_t* const rows[5], const std::int16_t* taps,
                   const std::int16_t* residual, int count, std::uint8_t* dst);
    // What training aims at: truth minus the bicubic enlargement, in units of [0, 1] luma, for
    // `count` pixels of one output row (rounded up to 16 in `out` and in what is read).
    void (*missing)(const std::int16_t* const rows[5], const std::int16_t* taps,
                    const std::uint8_t* truth, int count, float* out);
};

constexpr float base_unit = 0x1p-20F / 255.0F;  // of the bicubic's sums, in [0, 1] luma

#if defined(__x86_64__)
extern const RowKernels row_kernels_avx2;
extern const RowKernels row_kernels_avx512;
extern const RowKernels row_kernels_avx512vnni;
#endif

}  // namespace livesr
