// What is coded of a residual block, and under which contexts: the part that encoder, decoder and
// the making of the start tables share. Specified in docs/protocol.md.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "core/patch/residual_contexts.h"
#include "core/patch/residual_detail.h"
#include "core/patch/residual_quantiser.h"
#include "core/patch/residual_transform.h"

namespace livesr::residual {

// Position of the i-th coefficient of the zigzag scan, row * 8 + column.
constexpr std::array<std::uint8_t, block_size> zigzag = [] {
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
}();

// Classes of sizes, finer for small ones; the last of `count` is open.
constexpr std::size_t largest_size = 90;
template <std::size_t count>
constexpr auto size_classes = [] {
    constexpr std::array<std::size_t, 11> limits = {1,  2,  3,  5,  8,           12,
                                                    18, 27, 40, 60, largest_size};
    std::array<std::uint8_t, largest_size + 1> classes{};
    for (std::size_t size = 0; size < classes.size(); ++size) {
        for (std::size_t i = 0; i + 1 < count; ++i) {
            if (size >= limits[i]) classes[size] = static_cast<std::uint8_t>(i + 1);
        }
    }
    return classes;
}();
template <std::size_t count>
std::size_t class_of(std::uint32_t size) {
    return size_classes<count>[std::min<std::uint32_t>(size, largest_size)];
}

// Bits are unary below this level, then Exp-Golomb, of at most so many bits.
constexpr int first_escaped_level = 3;
constexpr int most_escape_bits = 11;

// Codes blocks of one patch in raster order. Coder: bool bit(Decision, const Choice<N>&, bool),
// bool even(bool); a decoder ignores the value it is given and returns the one it reads.
template <typename Coder>
class BlockCoder {
  public:
    BlockCoder(Coder& coder, int columns, int step)
        : coder_(coder),
          per_step_(65536U / static_cast<unsigned>(step)),
          step_class_(step < 12   ? 0U
                      : step < 20 ? 1U
                      : step < 32 ? 2U
                                  : 3U),
          above_(static_cast<std::size_t>(columns) + 1) {}

    // `detail`: of the enlargement there. False when the bits say what no encoder writes; the patch
    // is then of no use.
    bool block(int column, const Detail& detail, Levels& levels) {
        const auto at = static_cast<std::size_t>(column);
        if (column == 0) above_left_energy_ = 0;
        const Done& left = column == 0 ? nothing_ : above_[at - 1];
        const Done& above = above_[at];
        const int energy =
            2 * (left.energy + above.energy) + above_left_energy_ + above_[at + 1].energy;
        const Surroundings around{detail, left, above,
                                  class_of<8>(static_cast<unsigned>(energy) / 2),
                                  class_of<12>(in_steps(detail.sum / 4))};
        above_left_energy_ = above.energy;
        Done done;
        const int last = last_coded(levels);
        const Choice<4> coded = {
            around.energy * 4 + step_class_,
            around.detail_energy * 4 + step_class_,
            around.detail_energy * 8 + around.energy,
            std::min<std::size_t>(left.count, 5) * 6 + std::min<std::size_t>(above.count, 5),
        };
        if (coder_.bit(Decision::coded, coded, last >= 0) &&
            !code_levels(around, std::max(last, 0), levels, done)) {
            return false;
        }
        above_[at] = done;
        return true;
    }

  private:
    // What later blocks see of one.
    struct Done {
        Bordered<std::uint8_t> magnitude{};
        std::array<std::int8_t, block_size> sign{};
        // Of the row by row and column by column transformed residual, in steps: its last column
        // and its last row, where it meets the blocks right and below.
        std::array<std::int32_t, 8> right{};
        std::array<std::int32_t, 8> bottom{};
        int energy = 0;
        int count = 0;
        int last = 0;
    };

    struct Surroundings {
        const Detail& detail;
        const Done& left;
        const Done& above;
        std::size_t energy;
        std::size_t detail_energy;
    };

    std::uint32_t in_steps(std::uint32_t size) const {
        return static_cast<std::uint32_t>(size * per_step_ >> 16U);
    }

    static int last_coded(const Levels& levels) {
        for (std::size_t i = block_size; i-- > 0;) {
            if (levels[zigzag[i]] != 0) return static_cast<int>(i);
        }
        return -1;
    }

    bool code_levels(const Surroundings& around, int last, Levels& levels, Done& done) {
        done.last = last = code_last(around, last);
        // What continues over the border and is not explained by levels so far.
        std::array<std::int32_t, 8> from_left = around.left.right;
        std::array<std::int32_t, 8> from_above = around.above.bottom;
        for (int i = last; i >= 0; --i) {
            const std::size_t at = zigzag[static_cast<std::size_t>(i)];
            const std::size_t row = at / 8;
            const std::size_t column = at % 8;
            const std::int32_t across = from_left[row] * cosines[column][0];
            const std::int32_t down = from_above[column] * cosines[row][0];
            if (!code_level(at, i == last, around, across, down, done, levels[at])) return false;
            const std::int32_t level = levels[at];
            if (level == 0) continue;
            from_left[row] -= level * cosines[column][0];
            from_above[column] -= level * cosines[row][0];
            done.right[row] += level * cosines[column][7];
            done.bottom[column] += level * cosines[row][7];
            done.magnitude[bordered(row, column)] =
                static_cast<std::uint8_t>(std::min(std::abs(level), 255));
            done.sign[at] = level < 0 ? -1 : 1;
            done.energy += std::abs(level);
            ++done.count;
        }
        return true;
    }

    int code_last(const Surroundings& around, int last) {
        const std::size_t lasts =
            class_of<8>(static_cast<unsigned>(around.left.last + around.above.last) / 2);
        std::size_t node = 1;
        for (int shift = 5; shift >= 0; --shift) {
            const Choice<3> choice = {around.detail_energy * 64 + node, lasts * 64 + node,
                                      step_class_ * 64 + node};
            const bool bit = coder_.bit(Decision::last, choice, ((last >> shift) & 1) != 0);
            node = 2 * node + (bit ? 1 : 0);
        }
        return static_cast<int>(node) - static_cast<int>(block_size);
    }

    // Twice a value and the four around it.
    template <typename T>
    static unsigned spread(const Bordered<T>& values, std::size_t at) {
        return 2U * values[at] + values[at - bordered_row] + values[at + bordered_row] +
               values[at - 1] + values[at + 1];
    }

    bool code_level(std::size_t at, bool is_last, const Surroundings& around, std::int32_t across,
                    std::int32_t down, const Done& done, std::int16_t& level) {
        const std::size_t row = at / 8;
        const std::size_t column = at % 8;
        const std::size_t place = bordered(row, column);
        const auto& own = done.magnitude;
        const auto& detail = around.detail.magnitude;
        // Coefficients of higher frequency, which are known already.
        const unsigned beside = own[place + 1] + own[place + bordered_row];
        const unsigned beyond =
            own[place + bordered_row + 1] + own[place + 2] + own[place + 2 * bordered_row];
        const unsigned askew = own[place - bordered_row + 2] + own[place - bordered_row + 1] +
                               own[place + 2 * bordered_row - 1] + own[place + bordered_row - 1];
        const std::size_t near = class_of<8>(2 * beside + beyond + askew);
        const std::size_t neighbours = class_of<8>(spread(around.left.magnitude, place) +
                                                   spread(around.above.magnitude, place));
        const std::size_t fine = class_of<10>(in_steps(detail[place]));
        const std::size_t fine_around = class_of<10>(in_steps(spread(detail, place) / 4));
        const std::size_t diagonal = row + column;
        const std::size_t band = diagonal == 0 ? 0 : diagonal < 3 ? 1 : diagonal < 6 ? 2 : 3;
        const Choice<4> choice = {
            at * 6 + std::min(beside + beyond, 5U),
            at * 10 + fine,
            (fine_around * 8 + near) * 8 + neighbours,
            (around.detail_energy * 8 + neighbours) * 4 + band,
        };

        const int coded = level;
        const int wanted = std::abs(coded);
        level = 0;
        if (!is_last && !coder_.bit(Decision::significant, choice, wanted > 0)) return true;
        int magnitude = 1;
        if (coder_.bit(Decision::above_one, choice, wanted > 1)) {
            magnitude = 2;
            if (coder_.bit(Decision::above_two, choice, wanted > 2)) {
                magnitude = code_escape(wanted - first_escaped_level, near, fine_around);
                if (magnitude < 0) return false;
                magnitude += first_escaped_level;
            }
        }
        const bool expected = around.detail.negative[at];
        const int way = expected ? -1 : 1;
        const auto side = [](int sign) { return sign > 0 ? 2U : sign < 0 ? 1U : 0U; };
        const Choice<4> sign = {
            at * 10 + fine,
            (signed_class(way * across) * 15 + signed_class(way * down)) * 4 + band,
            signed_class(way * (across + down)) * 10 + fine,
            at * 9 + side(way * around.left.sign[at]) * 3 + side(way * around.above.sign[at]),
        };
        const bool negative = coder_.bit(Decision::sign, sign, (coded < 0) != expected) != expected;
        level = static_cast<std::int16_t>(negative ? -magnitude : magnitude);
        return true;
    }

    // Seven classes on each side of 0.
    static std::size_t signed_class(std::int32_t value) {
        const std::size_t size = class_of<8>(static_cast<unsigned>(std::abs(value)) >> 11U);
        return value < 0 ? 7 - size : 7 + size;
    }

    // Exp-Golomb: how many bits follow, in unary, then they. -1 when too large.
    int code_escape(int value, std::size_t near, std::size_t fine_around) {
        const auto wanted = static_cast<std::uint32_t>(std::max(value, 0)) + 1;
        const int wanted_bits = static_cast<int>(std::bit_width(wanted)) - 1;
        int bits = 0;
        for (;;) {
            const auto kind = static_cast<std::size_t>(std::min(bits, 5));
            const Choice<2> choice = {kind * 8 + near, kind * 10 + fine_around};
            if (!coder_.bit(Decision::escape, choice, bits < wanted_bits)) break;
            if (++bits > most_escape_bits) return -1;
        }
        std::uint32_t read = 1;
        for (int shift = bits - 1; shift >= 0; --shift) {
            read = 2 * read + (coder_.even(((wanted >> shift) & 1U) != 0) ? 1 : 0);
        }
        const int result = static_cast<int>(read) - 1;
        return result + first_escaped_level > largest_coefficient ? -1 : result;
    }

    Coder& coder_;
    std::uint64_t per_step_;
    std::size_t step_class_;
    const Done nothing_{};
    int above_left_energy_ = 0;
    // The row above from the block at hand on, before it this row; one more than there are, which
    // stays empty.
    std::vector<Done> above_;
};

}  // namespace livesr::residual
