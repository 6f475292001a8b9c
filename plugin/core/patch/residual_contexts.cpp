#include "core/patch/residual_contexts.h"

#include "core/patch/residual.h"

namespace livesr::residual {
namespace {

static_assert(context_count == residual_context_count);

// Probability of a 0 in 1/2^16, by context. Made by `livesr pretrain --patch-codec`.
constexpr std::array<std::uint16_t, context_count> start_probabilities = {
#include "core/patch/residual_start.inc"
};

}  // namespace

Contexts start_contexts() {
    Contexts contexts;
    for (std::size_t i = 0; i < context_count; ++i) contexts[i] = BitModel(start_probabilities[i]);
    return contexts;
}

}  // namespace livesr::residual
