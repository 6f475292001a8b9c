// Which instruction sets the kernels may use on this machine.
#pragma once

#include <string>
#include <string_view>

namespace livesr {

// In rising order of speed. `reference` is the plain C++ that every other path is tested against.
enum class Isa { reference, avx2, avx512, avx512vnni };

// The best path that this CPU and operating system support; the environment variable LIVESR_ISA
// (reference, avx2, avx512, avx512vnni) lowers it, never raises it. Evaluated once; a value that is
// none of these is said once on standard error and changes nothing.
Isa best_isa();
bool supported(Isa isa);
std::string_view name(Isa isa);
// What is wrong with a value of LIVESR_ISA; empty when it names a path.
std::string describe_isa_problem(std::string_view value);

}  // namespace livesr
