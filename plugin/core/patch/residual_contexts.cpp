#include "core/patch/residual_contexts.h"

#include "core/patch/residual.h"

namespace livesr::residual {
namespace {

static_assert(numbering.context_count == residual_context_count);
static_assert(numbering.weight_count == residual_weight_count);

// Both made by `livesr pretrain --patch-codec plugin/core/patch --photos kodak --clips 96`.
// Probability of a 1 in 1/2^16, by context.
constexpr std::array<std::uint16_t, numbering.context_count> start_probabilities = {
#include "core/patch/residual_start.inc"
};
// In 1/2^16.
constexpr std::array<std::int32_t, numbering.weight_count> start_weights = {
#include "core/patch/residual_weights.inc"
};

}  // namespace

const Memory& start_memory() {
    static constexpr Memory memory = [] {
        Memory m{};
        for (std::size_t i = 0; i < m.estimates.size(); ++i) {
            m.estimates[i] = Estimate(start_probabilities[i]);
        }
        m.weights = start_weights;
        return m;
    }();
    return memory;
}

}  // namespace livesr::residual
