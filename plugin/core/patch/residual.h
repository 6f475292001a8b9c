// The residual codec of patches: the difference between a piece of the original and the bicubic
// enlargement of what the decoder shows there, which both ends have. Integer arithmetic: every
// machine decodes the same samples. Bitstream in docs/protocol.md. Hostile bytes are refused.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace livesr {

// Quantiser step in grey levels of an orthonormal transform's coefficient.
constexpr int least_residual_step = 1;
constexpr int largest_residual_step = 255;

// Low-resolution pixels that the enlargement reads on each side of the patch.
constexpr int residual_margin = 2;

// Luma of the decoded picture under a patch with residual_margin around it, the picture's edge
// replicated beyond it: (width / scale + 2 * residual_margin) x (height / scale + 2 *
// residual_margin) dense pixels.
struct LowCrop {
    std::span<const std::uint8_t> pixels;
    int width = 0;  // of the patch, high-resolution pixels, a multiple of scale
    int height = 0;
    int scale = 2;
};

// Bicubic enlargement of the crop without its margin: width x height. The same pixels as the whole
// picture's enlargement has there. Throws std::invalid_argument when the sizes do not agree.
std::vector<std::uint8_t> enlarge(const LowCrop& low);

// Payload of a patch packet. `high`: width x height pixels at `stride`. The step must lie within
// least_ and largest_residual_step. Throws std::invalid_argument on sizes that do not agree.
std::vector<std::uint8_t> encode_residual(const std::uint8_t* high, std::ptrdiff_t stride,
                                          const LowCrop& low, int step);

// The same at a step of its own, within 1.2 and 4.6 times the root mean square of what it corrects,
// and 4 and 64: one at which the patch takes a fourth (drawn edges) to a fifteenth (grass) of the
// bytes that luma JPEG q95 takes, a sixth on average. docs/results.md has what training loses by
// it; at a fixed step of 30 the patches of a clean picture say nothing, and it loses 0.4 dB.
struct FittingResidual {
    int step = 0;
    std::vector<std::uint8_t> payload;
};
FittingResidual encode_fitting_residual(const std::uint8_t* high, std::ptrdiff_t stride,
                                        const LowCrop& low);

// How often a bit was 0 and 1.
using BitCounts = std::array<std::uint32_t, 2>;

// What encode_residual would code under each of its contexts, added to `counts`: for finding the
// start probabilities. Throws std::invalid_argument, also when there are not as many as contexts.
void count_residual_bits(const std::uint8_t* high, std::ptrdiff_t stride, const LowCrop& low,
                         int step, std::span<BitCounts> counts);
constexpr std::size_t residual_context_count = 10266;

// The same for the weights of their mixture: what coding a patch makes of `weights`, when contexts
// begin with the probabilities `start` (of a 1, in 1/2^16).
void learn_residual_weights(const std::uint8_t* high, std::ptrdiff_t stride, const LowCrop& low,
                            int step, std::span<const std::uint16_t> start,
                            std::span<std::int32_t> weights);
constexpr std::size_t residual_weight_count = 25;

// Whether a payload was made from this crop: told by a checksum, before anything is decoded.
bool is_residual_of(std::span<const std::uint8_t> payload, const LowCrop& low);

// The patch's pixels, width x height. nullopt when the payload is of another crop or is none that
// an encoder writes; never throws on bad bytes.
//
// `expected`, width x height, empty without: what the receiver believes the patch to be, its own
// network's picture for instance. It chooses among the values that the quantiser does not tell
// apart. Read without it, weak detail is missing from every patch, and a network that is trained on
// them forgets what it knew of it: with it training loses 0.05 dB instead of 0.09 next to the
// original pixels (shooter_game). Throws std::invalid_argument when it is of another size.
std::optional<std::vector<std::uint8_t>> decode_residual(
    std::span<const std::uint8_t> payload, const LowCrop& low, int step,
    std::span<const std::uint8_t> expected = {});

}  // namespace livesr
