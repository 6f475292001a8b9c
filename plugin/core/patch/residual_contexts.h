// The decisions that the residual codec makes, and the numbering of their contexts and weights,
// which is that of residual_start.inc and residual_weights.inc. What is coded when stands in
// residual_blocks.h. Specified in docs/protocol.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/patch/bit_mixer.h"

namespace livesr::residual {

// Kinds of bits. Each kind has weights of its own, one for each of its inputs.
enum class Decision : std::uint8_t {
    coded,        // whether a block has any level but 0
    last,         // a bit of the index of its last level
    significant,  // whether a level is not 0,
    above_one,    // its magnitude not 1,
    above_two,    // not 2
    escape,       // whether yet another bit of the magnitude follows
    sign,         // whether it is the less expected one
};
constexpr std::size_t decisions = 7;

constexpr std::size_t most_inputs = 4;
// How many contexts each input of a decision has; 0: there is no such input.
using InputSizes = std::array<std::size_t, most_inputs>;
constexpr InputSizes level_inputs = {64 * 6, 64 * 10, 10 * 8 * 8, 12 * 8 * 4};
constexpr std::array<InputSizes, decisions> input_sizes = {{
    {8 * 4, 12 * 4, 12 * 8, 6 * 6},
    {12 * 64, 8 * 64, 4 * 64},
    level_inputs,
    level_inputs,
    level_inputs,
    {6 * 8, 6 * 10},
    {64 * 10, 15 * 15 * 4, 15 * 10, 64 * 9},
}};

// Where the contexts of an input begin, and where the weights of a decision do.
struct Numbering {
    std::array<InputSizes, decisions> contexts{};
    std::array<std::size_t, decisions> weights{};
    std::size_t context_count = 0;
    std::size_t weight_count = 0;
};
constexpr Numbering numbering = [] {
    Numbering n;
    for (std::size_t decision = 0; decision < decisions; ++decision) {
        n.weights[decision] = n.weight_count;
        for (std::size_t input = 0; input < most_inputs; ++input) {
            n.contexts[decision][input] = n.context_count;
            n.context_count += input_sizes[decision][input];
            if (input_sizes[decision][input] != 0) ++n.weight_count;
        }
    }
    return n;
}();

// A context of each input of a decision, counted within the input.
template <std::size_t inputs>
using Choice = std::array<std::size_t, inputs>;

// What a patch's bits are predicted from.
struct Memory {
    std::array<Estimate, numbering.context_count> estimates;
    std::array<std::int32_t, numbering.weight_count> weights;

    template <std::size_t inputs>
    Prediction<inputs> predict(Decision decision, const Choice<inputs>& choice) {
        const auto kind = static_cast<std::size_t>(decision);
        std::array<Estimate*, inputs> chosen;
        for (std::size_t i = 0; i < inputs; ++i) {
            chosen[i] = &estimates[numbering.contexts[kind][i] + choice[i]];
        }
        return {chosen, &weights[numbering.weights[kind]]};
    }
};

// As every patch starts: what `livesr pretrain --patch-codec` found.
const Memory& start_memory();

}  // namespace livesr::residual
