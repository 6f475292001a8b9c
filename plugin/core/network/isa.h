// Which instruction sets the kernels may use on this machine.
#pragma once

#include <string_view>

namespace livesr {

// In rising order of speed. `reference` is the plain C++ that every other path is tested against.
enum class Isa { reference, avx2, avx512, avx512vnni };

// The best path that this CPU and operating system support; the environment variable LIVESR_ISA
// (reference, avx2, avx512, avx512vnni) lowers it, never raises it. Evaluated once.
Isa best_isa();
bool supported(Isa isa);
std::string_view name(Isa isa);

}  // namespace livesr
