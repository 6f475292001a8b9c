#include "core/patch/residual.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/patch/crc32.h"
#include "core/patch/packet.h"
#include "core/patch/range_coder.h"
#include "core/patch/residual_blocks.h"
#include "core/patch/residual_step.h"
#include "core/picture/bicubic_base.h"
#include "core/picture/bicubic_taps.h"

namespace livesr {
namespace {

using residual::Block;
using residual::block_side;
using residual::block_size;
using residual::BlockCoder;
using residual::Choice;
using residual::Decision;
using residual::Levels;
using residual::Memory;

constexpr std::size_t checksum_bytes = 4;
// Of the JPEG that the step is measured by.
constexpr int jpeg_quality = 95;

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

struct EncodingCoder {
    RangeEncoder range;
    Memory memory = residual::start_memory();
    template <std::size_t inputs>
    bool bit(Decision decision, const Choice<inputs>& choice, bool value) {
        auto prediction = memory.predict(decision, choice);
        range.bit(prediction.one(), value);
        prediction.learn(value);
        return value;
    }
    bool even(bool value) {
        range.even(value);
        return value;
    }
};

struct DecodingCoder {
    RangeDecoder range;
    Memory memory = residual::start_memory();
    template <std::size_t inputs>
    bool bit(Decision decision, const Choice<inputs>& choice, bool) {
        auto prediction = memory.predict(decision, choice);
        const bool value = range.bit(prediction.one());
        prediction.learn(value);
        return value;
    }
    bool even(bool) { return range.even(); }
};

// Codes nothing; counts which bits would be coded under which context.
struct CountingCoder {
    std::span<BitCounts> counts;
    template <std::size_t inputs>
    bool bit(Decision decision, const Choice<inputs>& choice, bool value) {
        for (std::size_t i = 0; i < inputs; ++i) {
            const auto kind = static_cast<std::size_t>(decision);
            ++counts[residual::numbering.contexts[kind][i] + choice[i]][value ? 1 : 0];
        }
        return value;
    }
    bool even(bool value) { return value; }
};

// Codes nothing; learns as the others do.
struct LearningCoder {
    Memory memory;
    template <std::size_t inputs>
    bool bit(Decision decision, const Choice<inputs>& choice, bool value) {
        memory.predict(decision, choice).learn(value);
        return value;
    }
    bool even(bool value) { return value; }
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
    return residual::forward(samples);
}

// What there is to code of a patch, and what it is told by.
struct Difference {
    std::vector<std::uint8_t> base;
    std::vector<Block> coefficients;  // times 2^15; all blocks in raster order
};

Difference difference(const std::uint8_t* high, std::ptrdiff_t stride, const LowCrop& low) {
    Difference patch{enlarge(low), {}};
    const int columns = blocks_along(low.width);
    const int rows = blocks_along(low.height);
    patch.coefficients.reserve(static_cast<std::size_t>(columns) * static_cast<std::size_t>(rows));
    for (int row = 0; row < rows; ++row) {
        for (int column = 0; column < columns; ++column) {
            patch.coefficients.push_back(
                transformed(high, stride, patch.base.data(), low.width, tile_at(low, row, column)));
        }
    }
    return patch;
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
void code_patch(Coder& coder, const Difference& patch, const LowCrop& low, int step) {
    const int columns = blocks_along(low.width);
    const int rows = blocks_along(low.height);
    BlockCoder blocks(coder, columns, step);
    residual::DetailRows details(patch.base, low.width, low.height);
    auto coefficients = patch.coefficients.begin();
    for (int row = 0; row < rows; ++row) {
        int column = 0;
        for (const residual::Detail& detail : details.row(row)) {
            Levels levels = residual::quantise(*coefficients++, step);
            blocks.block(column++, detail, levels);
        }
    }
}

std::vector<std::uint8_t> coded_payload(const Difference& patch, const LowCrop& low, int step) {
    EncodingCoder coder;
    code_patch(coder, patch, low, step);
    std::vector<std::uint8_t> payload;
    const std::uint32_t checksum = crc32(low.pixels);
    for (int shift = 24; shift >= 0; shift -= 8) {
        payload.push_back(static_cast<std::uint8_t>(checksum >> shift));
    }
    const std::vector<std::uint8_t> coded = coder.range.finish();
    payload.insert(payload.end(), coded.begin(), coded.end());
    return payload;
}

void check_count(const char* what, std::size_t count, std::size_t wanted) {
    if (count == wanted) return;
    throw std::invalid_argument("the residual codec has " + std::to_string(wanted) + " " + what +
                                ", not " + std::to_string(count));
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
    return coded_payload(difference(high, stride, low), low, step);
}

FittingResidual encode_fitting_residual(const std::uint8_t* high, std::ptrdiff_t stride,
                                        const LowCrop& low) {
    const Difference patch = difference(high, stride, low);
    const std::size_t jpeg_bytes =
        encode_jpeg_luma(high, stride, low.width, low.height, jpeg_quality).size();
    const int step = residual::fitting_step(patch.coefficients, low.width * low.height, jpeg_bytes);
    return {step, coded_payload(patch, low, step)};
}

void count_residual_bits(const std::uint8_t* high, std::ptrdiff_t stride, const LowCrop& low,
                         int step, std::span<BitCounts> counts) {
    check_step(step);
    check_count("contexts", counts.size(), residual_context_count);
    CountingCoder coder{counts};
    code_patch(coder, difference(high, stride, low), low, step);
}

void learn_residual_weights(const std::uint8_t* high, std::ptrdiff_t stride, const LowCrop& low,
                            int step, std::span<const std::uint16_t> start,
                            std::span<std::int32_t> weights) {
    check_step(step);
    check_count("contexts", start.size(), residual_context_count);
    check_count("weights", weights.size(), residual_weight_count);
    LearningCoder coder;
    std::ranges::transform(start, coder.memory.estimates.begin(),
                           [](std::uint16_t one) { return residual::Estimate(one); });
    std::ranges::copy(weights, coder.memory.weights.begin());
    code_patch(coder, difference(high, stride, low), low, step);
    std::ranges::copy(coder.memory.weights, weights.begin());
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
    // The enlargement as it was: what is decoded of a row changes what the next one looks at.
    const std::vector<std::uint8_t> base = pixels;
    residual::DetailRows details(base, low.width, low.height);
    DecodingCoder coder{RangeDecoder(payload.subspan(checksum_bytes))};
    BlockCoder blocks(coder, columns, step);
    for (int row = 0; row < rows; ++row) {
        const std::span<const residual::Detail> of_row = details.row(row);
        for (int column = 0; column < columns; ++column) {
            Levels levels{};
            if (!blocks.block(column, of_row[static_cast<std::size_t>(column)], levels)) {
                return std::nullopt;
            }
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
                coefficients[i] = expects ? residual::coefficient_of(levels[i], step,
                                                                     residual::rounded(beliefs[i]))
                                          : residual::coefficient_of(levels[i], step);
            }
            if (coded) add_samples(pixels.data(), low.width, tile, residual::inverse(coefficients));
        }
    }
    if (!coder.range.used_up()) return std::nullopt;
    return pixels;
}

}  // namespace livesr
