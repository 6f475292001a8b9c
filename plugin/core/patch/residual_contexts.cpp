#include "core/patch/residual_contexts.h"
namespace livesr::residual {
const Contexts& start_contexts() {
    static const Contexts contexts;
    return contexts;
}
}  // namespace livesr::residual
