// What is coded of a residual block, and under which contexts: the part that encoder, decoder and
// the training of the start probabilities share. Specified in docs/protocol.md.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "core/patch/range_coder.h"

namespace livesr::residual {

constexpr int block_side = 8;
constexpr std::size_t block_size = 64;
// No orthonormal coefficient of a residual within +-255 is larger; levels beyond are impossible.
constexpr int largest_coefficient = 2048;

using Levels = std::array<std::int16_t, block_size>;  // quantised, row by row

// Position of the i-th coefficient of the zigzag scan, row * 8 + column.
constexpr std::array<std::uint8_t, block_size> make_zigzag() {
    std::array<std::uint8_t, block_size> scan{};
    std::size_t i = 0;
    for (int diagonal = 0; diagonal < 15; ++diagonal) {
        for (int step = 0; step <= diagonal; ++step) {
            const int row = diagonal % 2 == 1 ? step : diagonal - step;
            const int column = diagonal - row;
            if (row < 8 && column < 8) scan[i++] = static_cast<std::uint8_t>(row * 8 + column);
        }
    }
    return scan;
}
constexpr auto zigzag = make_zigzag();

// Contexts have one numbering, that of the start probabilities.
constexpr std::size_t energy_classes = 6;
constexpr std::size_t last_classes = 3;  // pairs of energy classes
constexpr std::size_t position_classes = 4;
constexpr std::size_t near_classes = 4;  // of the coefficients already coded around this one
constexpr std::size_t neighbour_classes =
    3;  // of the same coefficient in the blocks left and above
constexpr std::size_t level_classes = position_classes * near_classes * neighbour_classes;
constexpr std::size_t escape_contexts = 12;
constexpr std::size_t sign_contexts = 3;

constexpr std::size_t coded_at = 0;
constexpr std::size_t last_at = coded_at + energy_classes;
constexpr std::size_t significant_at = last_at + last_classes * block_size;
constexpr std::size_t above_one_at = significant_at + level_classes;
constexpr std::size_t above_two_at = above_one_at + level_classes;
constexpr std::size_t escape_at = above_two_at + level_classes;
constexpr std::size_t sign_at = escape_at + escape_contexts;
constexpr std::size_t context_count = sign_at + sign_contexts;

// Bits are unary below this level, then Exp-Golomb.
constexpr int first_escaped_level = 3;

using Contexts = std::array<BitModel, context_count>;

// As every patch starts: what `livesr pretrain --patch-codec` found.
Contexts start_contexts();

// Codes blocks of one patch in raster order. Coder: bool bit(BitModel&, bool), bool bypass(bool);
// a decoder ignores the value it is given and returns the one it reads.
template <typename Coder>
class BlockCoder {
  public:
    BlockCoder(Coder& coder, Contexts& contexts, int columns)
        : coder_(coder), contexts_(contexts), above_(static_cast<std::size_t>(columns)) {}

    // False when the bits say what no encoder writes; the patch is then of no use.
    bool block(int column, Levels& levels) {
        Done& above = above_[static_cast<std::size_t>(column)];
        if (column == 0) left_ = {};
        const std::size_t energy = energy_class(left_.energy + above.energy);
        int last = last_coded(levels);
        Done done;
        if (coder_.bit(contexts_[coded_at + energy], last >= 0)) {
            last = code_last(std::max(last, 0), last_at + energy / 2 * block_size);
            for (int i = last; i >= 0; --i) {
                const std::size_t at = zigzag[static_cast<std::size_t>(i)];
                if (!code_level(at, i == last, above, levels)) return false;
                const int magnitude = std::abs(levels[at]);
                done.energy += magnitude;
                done.magnitude[at] = static_cast<std::uint8_t>(std::min(magnitude, 255));
            }
            done.mean_sign = levels[0] == 0 ? 0 : levels[0] < 0 ? -1 : 1;
        }
        left_ = done;
        above = done;
        return true;
    }

  private:
    struct Done {
        std::array<std::uint8_t, block_size> magnitude{};
        int energy = 0;
        int mean_sign = 0;
    };

    static std::size_t energy_class(int energy) {
        return energy < 1    ? 0
               : energy < 3  ? 1
               : energy < 6  ? 2
               : energy < 12 ? 3
               : energy < 30 ? 4
                             : 5;
    }

    static int last_coded(const Levels& levels) {
        for (std::size_t i = block_size; i-- > 0;) {
            if (levels[zigzag[i]] != 0) return static_cast<int>(i);
        }
        return -1;
    }

    int code_last(int last, std::size_t tree) {
        std::size_t node = 1;
        for (int shift = 5; shift >= 0; --shift) {
            const bool bit = coder_.bit(contexts_[tree + node], ((last >> shift) & 1) != 0);
            node = 2 * node + (bit ? 1 : 0);
        }
        return static_cast<int>(node) - static_cast<int>(block_size);
    }

    bool code_level(std::size_t at, bool is_last, const Done& above, Levels& levels) {
        const auto row = at / 8;
        const auto column = at % 8;
        const auto size = [&](std::size_t r, std::size_t c) {
            return r < 8 && c < 8 ? std::abs(levels[r * 8 + c]) : 0;
        };
        // Coefficients of higher frequency, which are known already.
        const int near = size(row, column + 1) + size(row + 1, column) + size(row + 1, column + 1) +
                         size(row, column + 2) + size(row + 2, column);
        const int neighbours = left_.magnitude[at] + above.magnitude[at];
        const auto diagonal = row + column;
        const std::size_t position = diagonal == 0 ? 0 : diagonal < 3 ? 1 : diagonal < 6 ? 2 : 3;
        const auto near_class = static_cast<std::size_t>(near < 3 ? near : 3);
        const auto neighbour_class = static_cast<std::size_t>(std::min(neighbours, 2));
        const std::size_t context =
            (position * near_classes + near_class) * neighbour_classes + neighbour_class;

        const int coded = levels[at];
        const int wanted = std::abs(coded);
        levels[at] = 0;
        if (!is_last && !coder_.bit(contexts_[significant_at + context], wanted > 0)) return true;
        int level = 1;
        if (coder_.bit(contexts_[above_one_at + context], wanted > 1)) {
            level = 2;
            if (coder_.bit(contexts_[above_two_at + context], wanted > 2)) {
                level = code_escape(wanted - first_escaped_level);
                if (level < 0) return false;
                level += first_escaped_level;
            }
        }
        bool negative = coded < 0;
        if (at == 0) {
            const int sign = left_.mean_sign + above.mean_sign;
            negative = coder_.bit(contexts_[sign_at + (sign == 0  ? 0U
                                                       : sign < 0 ? 1U
                                                                  : 2U)],
                                  negative);
        } else {
            negative = coder_.bypass(negative);
        }
        levels[at] = static_cast<std::int16_t>(negative ? -level : level);
        return true;
    }

    // Exp-Golomb: how many bits follow, in adaptive unary, then they. -1 when too large.
    int code_escape(int value) {
        const auto wanted = static_cast<std::uint32_t>(std::max(value, 0)) + 1;
        const int wanted_bits = static_cast<int>(std::bit_width(wanted)) - 1;
        int bits = 0;
        while (
            coder_.bit(contexts_[escape_at + static_cast<std::size_t>(bits)], bits < wanted_bits)) {
            if (++bits == static_cast<int>(escape_contexts)) return -1;
        }
        std::uint32_t read = 1;
        for (int shift = bits - 1; shift >= 0; --shift) {
            read = 2 * read + (coder_.bypass(((wanted >> shift) & 1U) != 0) ? 1 : 0);
        }
        const int result = static_cast<int>(read) - 1;
        return result + first_escaped_level > largest_coefficient ? -1 : result;
    }

    Coder& coder_;
    Contexts& contexts_;
    Done left_;
    std::vector<Done> above_;
};

}  // namespace livesr::residual
