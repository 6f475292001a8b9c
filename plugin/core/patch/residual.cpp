#include "core/patch/residual.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "core/patch/crc32.h"
#include "core/patch/packet.h"
#include "core/patch/residual_contexts.h"
#include "core/picture/bicubic_base.h"
#include "core/picture/bicubic_taps.h"

namespace livesr {
namespace {

using residual::block_side;
using residual::block_size;
using residual::BlockCoder;
using residual::Contexts;
using residual::Levels;

constexpr std::size_t checksum_bytes = 4;

// Integer cosine transform, HEVC's 8 x 8 matrix: row k is a cosine of frequency k, and a row's
// squares sum to nearly 2^15, so that two passes scale by 2^15.
constexpr int transform_bits = 15;
constexpr std::array<std::array<int, 8>, 8> cosines = {{
    {64, 64, 64, 64, 64, 64, 64, 64},
    {89, 75, 50, 18, -18, -50, -75, -89},
    {83, 36, -36, -83, -83, -36, 36, 83},
    {75, -18, -89, -50, 50, 89, 18, -75},
    {64, -64, -64, 64, 64, -64, -64, 64},
    {50, -89, 18, 75, -75, -18, 89, -50},
    {36, -83, 83, -36, -36, 83, -83, 36},
    {18, -50, 75, -89, 89, -75, 50, -18},
}};

using Block = std::array<std::int32_t, block_size>;  // row by row

// One pass over eight values that lie `stride` apart, by even and odd halves: the even rows of the
// matrix are symmetric, the odd ones antisymmetric.
void forward_pass(const std::int32_t* in, std::size_t in_stride, std::int32_t* out,
                  std::size_t out_stride) {
    std::array<std::int32_t, 4> even;
    std::array<std::int32_t, 4> odd;
    for (std::size_t i = 0; i < 4; ++i) {
        even[i] = in[i * in_stride] + in[(7 - i) * in_stride];
        odd[i] = in[i * in_stride] - in[(7 - i) * in_stride];
    }
    for (std::size_t k = 0; k < 8; ++k) {
        const auto& half = k % 2 == 0 ? even : odd;
        std::int32_t sum = 0;
        for (std::size_t i = 0; i < 4; ++i) sum += cosines[k][i] * half[i];
        out[k * out_stride] = sum;
    }
}

void inverse_pass(const std::int32_t* in, std::size_t in_stride, std::int32_t* out,
                  std::size_t out_stride) {
    for (std::size_t i = 0; i < 4; ++i) {
        std::int32_t even = 0;
        std::int32_t odd = 0;
        for (std::size_t k = 0; k < 8; k += 2) {
            even += cosines[k][i] * in[k * in_stride];
            odd += cosines[k + 1][i] * in[(k + 1) * in_stride];
        }
        out[i * out_stride] = even + odd;
        out[(7 - i) * out_stride] = even - odd;
    }
}

std::int32_t rounded(std::int32_t scaled) {
    return (scaled + (1 << (transform_bits - 1))) >> transform_bits;
}

// |samples| <= 255: coefficients, times 2^15.
Block forward(const Block& samples) {
    Block rows;
    Block result;
    for (std::size_t y = 0; y < 8; ++y) forward_pass(&samples[y * 8], 1, &rows[y * 8], 1);
    for (std::size_t x = 0; x < 8; ++x) forward_pass(&rows[x], 8, &result[x], 8);
    return result;
}

// |coefficients| <= 2 * largest_coefficient, so that the sums stay below 2^30.
Block inverse(const Block& coefficients) {
    Block columns;
    Block result;
    for (std::size_t x = 0; x < 8; ++x) inverse_pass(&coefficients[x], 8, &columns[x], 8);
    for (std::size_t y = 0; y < 8; ++y) inverse_pass(&columns[y * 8], 1, &result[y * 8], 1);
    std::ranges::transform(result, result.begin(), rounded);
    return result;
}

void check_sizes(const LowCrop& low) {
    const bool divides = low.scale >= 1 && low.scale <= 4 && low.width > 0 && low.height > 0 &&
                         low.width % low.scale == 0 && low.height % low.scale == 0;
    const auto side = [&](int high) {
        return static_cast<std::size_t>(high / low.scale + 2 * residual_margin);
    };
    if (!divides || low.pixels.size() != side(low.width) * side(low.height)) {
        throw std::invalid_argument("a patch of " + std::to_string(low.width) + " x " +
                                    std::to_string(low.height) + " at scale " +
                                    std::to_string(low.scale) + " does not go with a crop of " +
                                    std::to_string(low.pixels.size()) + " pixels");
    }
}

void check_step(int step) {
    if (step < least_residual_step || step > largest_residual_step) {
        throw std::invalid_argument("residual step " + std::to_string(step) + " is not within " +
                                    std::to_string(least_residual_step) + " and " +
                                    std::to_string(largest_residual_step));
    }
}

int blocks_along(int side) { return (side + block_side - 1) / block_side; }

// Levels at and above one minus this share of a step round up: small levels cost more bits than
// they are worth.
constexpr std::int64_t rounding_percent = 38;

// Rounding towards 0 takes strength out of the detail, and a network trained on it learns to show
// less of it than there is. So levels are taken for a little more than they say: 5/32 of a step. It
// costs no bit; training loses 0.03 dB less, although the patch itself is 0.2 dB further off.
int coefficient_of(int level, int step) {
    const int outward = step * 5 >> 5;
    return level * step + (level > 0 ? outward : level < 0 ? -outward : 0);
}

// The same where something is known of the coefficient: the mean of all coefficients with this
// level and this expectation, as patches of six clips have it. Of what is expected of a coefficient
// without a level three tenths are there, and no more than a quarter of a step; of how much further
// out than its level a coefficient is expected, a tenth.
int coefficient_of(int level, int step, int expected) {
    if (level == 0) {
        const int share = (std::abs(expected) * 5 + 8) >> 4;
        const int bounded = std::min(share, step >> 2);
        return expected < 0 ? -bounded : bounded;
    }
    const int sign = level < 0 ? -1 : 1;
    const int said = std::abs(level) * step;
    const int beyond = std::clamp(sign * expected - said, -step, step);
    return sign * (said + ((step + beyond) * 3 >> 5));
}

Levels quantise(const Block& coefficients, int step) {
    Levels levels;
    // Coefficients are below 2^11 * 2^15 and the rounding below 2^8 * 2^15: their sum fits.
    const std::int32_t unit = step << transform_bits;
    const auto rounding = static_cast<std::int32_t>(unit * rounding_percent / 100);
    for (std::size_t i = 0; i < block_size; ++i) {
        const std::int32_t magnitude = (std::abs(coefficients[i]) + rounding) / unit;
        levels[i] = static_cast<std::int16_t>(coefficients[i] < 0 ? -magnitude : magnitude);
    }
    return levels;
}

struct EncodingCoder {
    RangeEncoder range;
    bool bit(BitModel& model, bool value) {
        range.bit(model, value);
        return value;
    }
    bool bypass(bool value) {
        range.bypass(value);
        return value;
    }
};

struct DecodingCoder {
    RangeDecoder range;
    bool bit(BitModel& model, bool) { return range.bit(model); }
    bool bypass(bool) { return range.bypass(); }
};

// Codes nothing; counts which bits would be coded under which context.
struct CountingCoder {
    const BitModel* first;
    std::span<BitCounts> counts;
    bool bit(const BitModel& model, bool value) {
        ++counts[static_cast<std::size_t>(&model - first)][value ? 1 : 0];
        return value;
    }
    bool bypass(bool value) { return value; }
};

// Where a block lies in a patch, less what is beyond the patch.
struct Tile {
    std::ptrdiff_t x = 0, y = 0;
    int width = 0, height = 0;
};

Tile tile_at(const LowCrop& low, int row, int column) {
    const int x = column * block_side;
    const int y = row * block_side;
    return {x, y, std::min(block_side, low.width - x), std::min(block_side, low.height - y)};
}

// What `high` has there beyond the enlargement (dense), transformed.
Block transformed(const std::uint8_t* high, std::ptrdiff_t stride, const std::uint8_t* enlarged,
                  int width, const Tile& tile) {
    Block samples{};  // 0 beyond the patch
    for (int y = 0; y < tile.height; ++y) {
        const auto* original = high + (tile.y + y) * stride + tile.x;
        const auto* base = enlarged + (tile.y + y) * width + tile.x;
        auto* sample = samples.data() + y * block_side;
        for (int x = 0; x < tile.width; ++x) sample[x] = original[x] - base[x];
    }
    return forward(samples);
}

// All blocks in raster order.
std::vector<Block> transformed(const std::uint8_t* high, std::ptrdiff_t stride,
                               const LowCrop& low) {
    const std::vector<std::uint8_t> base = enlarge(low);
    const int columns = blocks_along(low.width);
    const int rows = blocks_along(low.height);
    std::vector<Block> blocks;
    blocks.reserve(static_cast<std::size_t>(columns) * static_cast<std::size_t>(rows));
    for (int row = 0; row < rows; ++row) {
        for (int column = 0; column < columns; ++column) {
            blocks.push_back(
                transformed(high, stride, base.data(), low.width, tile_at(low, row, column)));
        }
    }
    return blocks;
}

void add_samples(std::uint8_t* pixels, int width, const Tile& tile, const Block& samples) {
    for (int y = 0; y < tile.height; ++y) {
        auto* line = pixels + (tile.y + y) * width + tile.x;
        for (int x = 0; x < tile.width; ++x) {
            const int value = line[x] + samples[static_cast<std::size_t>(y * block_side + x)];
            line[x] = static_cast<std::uint8_t>(std::clamp(value, 0, 255));
        }
    }
}

template <typename Coder>
void code_patch(Coder& coder, Contexts& contexts, const std::vector<Block>& coefficients,
                int columns, int step) {
    BlockCoder blocks(coder, contexts, columns);
    int column = 0;
    for (const Block& block : coefficients) {
        Levels levels = quantise(block, step);
        blocks.block(column, levels);
        column = (column + 1) % columns;
    }
}

std::vector<std::uint8_t> coded_payload(const std::vector<Block>& coefficients, const LowCrop& low,
                                        int step) {
    EncodingCoder coder;
    Contexts contexts = residual::start_contexts();
    code_patch(coder, contexts, coefficients, blocks_along(low.width), step);
    std::vector<std::uint8_t> payload;
    const std::uint32_t checksum = crc32(low.pixels);
    for (int shift = 24; shift >= 0; shift -= 8) {
        payload.push_back(static_cast<std::uint8_t>(checksum >> shift));
    }
    const std::vector<std::uint8_t> coded = coder.range.finish();
    payload.insert(payload.end(), coded.begin(), coded.end());
    return payload;
}

// --- how fine a patch is quantised when nobody says ---------------------------------------------

// Its size as JPEG tells how much there is in a patch; as a residual it gets a part of it that
// depends on how the error is spread. An error of few large coefficients, at edges, is what a
// network learns most from and loses most of; one of many equal ones is noise, of which there is
// nothing to learn. Spread is the mean of the coefficients' magnitudes, squared, over their mean
// square: 0.08 on drawn graphics, 0.2 to 0.3 on faces and tables, 0.42 on grass, 0.64 were they
// Gaussian. docs/results.md has what each part loses.
constexpr int jpeg_quality = 95;
struct JpegPart {
    double spread;
    double bytes_per_byte;  // of JPEG for one of the residual
    double coarsest;        // step, in units of the error that the patch corrects
};
constexpr std::array<JpegPart, 5> jpeg_parts = {{{0.08, 3.15, 3.3},
                                                 {0.12, 3.95, 3.3},
                                                 {0.16, 5.45, 3.3},
                                                 {0.36, 5.45, 3.3},
                                                 {0.42, 16.0, 4.6}}};

JpegPart jpeg_part(double spread) {
    if (spread <= jpeg_parts.front().spread) return jpeg_parts.front();
    for (std::size_t i = 1; i < jpeg_parts.size(); ++i) {
        const JpegPart& from = jpeg_parts[i - 1];
        const JpegPart& to = jpeg_parts[i];
        if (spread < to.spread) {
            const double way = (spread - from.spread) / (to.spread - from.spread);
            return {spread, std::lerp(from.bytes_per_byte, to.bytes_per_byte, way),
                    std::lerp(from.coarsest, to.coarsest, way)};
        }
    }
    return jpeg_parts.back();
}

// Steps in units of that error (root mean square), as far as they were tried (docs/results.md).
constexpr double finest = 1.5;
constexpr double usual = 2.5;
// Bytes go with the step to the power of -1.25 around there.
constexpr double step_exponent = 1 / 1.25;
// What a level that is not 0 costs with all around it: the mean of 1,400 patches of six clips.
constexpr double bytes_per_level = 0.6;

int step_of(double units, double error) {
    return static_cast<int>(std::clamp(std::lround(units * error), 4L, 64L));
}

int levels_at(const std::vector<Block>& coefficients, int step) {
    const std::int32_t least =
        (step << transform_bits) / 100 * (100 - static_cast<int>(rounding_percent));
    int levels = 0;
    for (const Block& block : coefficients) {
        for (const std::int32_t c : block) levels += std::abs(c) >= least ? 1 : 0;
    }
    return levels;
}

int fitting_step(const std::vector<Block>& coefficients, std::size_t jpeg_bytes,
                 const LowCrop& low) {
    double squares = 0;
    double magnitudes = 0;
    for (const Block& block : coefficients) {
        for (const std::int32_t c : block) {
            squares += static_cast<double>(c) * c;
            magnitudes += std::abs(static_cast<double>(c));
        }
    }
    const double pixels = static_cast<double>(low.width) * low.height;
    const double error = std::sqrt(squares / pixels) / (1 << transform_bits);
    const double spread = squares > 0 ? magnitudes * magnitudes / (squares * pixels) : 0;
    const JpegPart part = jpeg_part(spread);
    const double bytes =
        patch_header_bytes + bytes_per_level * levels_at(coefficients, step_of(usual, error));
    const double units =
        usual * std::pow(bytes * part.bytes_per_byte /
                             static_cast<double>(std::max<std::size_t>(jpeg_bytes, 1)),
                         step_exponent);
    return step_of(std::clamp(units, finest, part.coarsest), error);
}

}  // namespace

std::vector<std::uint8_t> enlarge(const LowCrop& low) {
    check_sizes(low);
    const int width = low.width / low.scale;
    const int height = low.height / low.scale;
    const PlaneView crop{low.pixels.data(), width + 2 * residual_margin,
                         width + 2 * residual_margin, height + 2 * residual_margin};
    const Region inner{residual_margin, residual_margin, residual_margin + width,
                       residual_margin + height};
    const std::vector<std::int32_t> base = bicubic_base(crop, inner, low.scale);
    std::vector<std::uint8_t> pixels(base.size());
    std::ranges::transform(base, pixels.begin(), [](std::int32_t v) {
        return static_cast<std::uint8_t>(
            std::clamp((v + vertical_rounding) >> vertical_shift, 0, 255));
    });
    return pixels;
}

std::vector<std::uint8_t> encode_residual(const std::uint8_t* high, std::ptrdiff_t stride,
                                          const LowCrop& low, int step) {
    check_step(step);
    return coded_payload(transformed(high, stride, low), low, step);
}

FittingResidual encode_fitting_residual(const std::uint8_t* high, std::ptrdiff_t stride,
                                        const LowCrop& low) {
    const std::vector<Block> coefficients = transformed(high, stride, low);
    const std::size_t jpeg_bytes =
        encode_jpeg_luma(high, stride, low.width, low.height, jpeg_quality).size();
    const int step = fitting_step(coefficients, jpeg_bytes, low);
    return {step, coded_payload(coefficients, low, step)};
}

void count_residual_bits(const std::uint8_t* high, std::ptrdiff_t stride, const LowCrop& low,
                         int step, std::span<BitCounts> counts) {
    check_step(step);
    if (counts.size() != residual::context_count) {
        throw std::invalid_argument("the residual codec has " +
                                    std::to_string(residual::context_count) + " contexts, not " +
                                    std::to_string(counts.size()));
    }
    Contexts contexts;
    CountingCoder coder{contexts.data(), counts};
    code_patch(coder, contexts, transformed(high, stride, low), blocks_along(low.width), step);
}

bool is_residual_of(std::span<const std::uint8_t> payload, const LowCrop& low) {
    if (payload.size() < checksum_bytes) return false;
    std::uint32_t said = 0;
    for (std::size_t i = 0; i < checksum_bytes; ++i) said = (said << 8U) | payload[i];
    return said == crc32(low.pixels);
}

std::optional<std::vector<std::uint8_t>> decode_residual(std::span<const std::uint8_t> payload,
                                                         const LowCrop& low, int step,
                                                         std::span<const std::uint8_t> expected) {
    check_step(step);
    check_sizes(low);
    const bool expects = !expected.empty();
    if (expects && expected.size() !=
                       static_cast<std::size_t>(low.width) * static_cast<std::size_t>(low.height)) {
        throw std::invalid_argument("the expected patch has " + std::to_string(expected.size()) +
                                    " pixels, not " + std::to_string(low.width) + " x " +
                                    std::to_string(low.height));
    }
    if (!is_residual_of(payload, low)) return std::nullopt;
    const int columns = blocks_along(low.width);
    const int rows = blocks_along(low.height);
    const int largest_level = residual::largest_coefficient / step + 1;
    std::vector<std::uint8_t> pixels = enlarge(low);
    DecodingCoder coder{RangeDecoder(payload.subspan(checksum_bytes))};
    Contexts contexts = residual::start_contexts();
    BlockCoder blocks(coder, contexts, columns);
    for (int row = 0; row < rows; ++row) {
        for (int column = 0; column < columns; ++column) {
            Levels levels{};
            if (!blocks.block(column, levels)) return std::nullopt;
            const Tile tile = tile_at(low, row, column);
            Block beliefs{};
            if (expects) {
                beliefs = transformed(expected.data(), low.width, pixels.data(), low.width, tile);
            }
            Block coefficients{};
            bool coded = expects;
            for (std::size_t i = 0; i < block_size; ++i) {
                if (std::abs(levels[i]) > largest_level) return std::nullopt;
                coded |= levels[i] != 0;
                coefficients[i] = expects ? coefficient_of(levels[i], step, rounded(beliefs[i]))
                                          : coefficient_of(levels[i], step);
            }
            if (coded) add_samples(pixels.data(), low.width, tile, inverse(coefficients));
        }
    }
    if (!coder.range.used_up()) return std::nullopt;
    return pixels;
}

}  // namespace livesr
