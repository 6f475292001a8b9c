#include "core/network/isa.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <optional>

namespace livesr {
namespace {

constexpr Isa all_isas[] = {Isa::reference, Isa::avx2, Isa::avx512, Isa::avx512vnni};

// __builtin_cpu_supports also asks the operating system (XGETBV) whether it saves the registers.
bool detect(Isa isa) {
#if defined(__x86_64__)
    const bool avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 &&
                      __builtin_cpu_supports("bmi2") != 0;
    const bool avx512 =
        avx2 && __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
        __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0;
    switch (isa) {
        case Isa::reference:
            return true;
        case Isa::avx2:
            return avx2;
        case Isa::avx512:
            return avx512;
        case Isa::avx512vnni:
            return avx512 && __builtin_cpu_supports("avx512vnni") != 0;
    }
    return false;
#else
    return isa == Isa::reference;
#endif
}

std::optional<Isa> limit_from_environment() {
    const char* value = std::getenv("LIVESR_ISA");
    if (value == nullptr) return std::nullopt;
    if (const std::string problem = describe_isa_problem(value); !problem.empty()) {
        std::fprintf(stderr, "livesr: %s\n", problem.c_str());
        return std::nullopt;
    }
    return *std::find_if(std::begin(all_isas), std::end(all_isas),
                         [value](Isa isa) { return name(isa) == value; });
}

Isa evaluate_best() {
    const Isa limit = limit_from_environment().value_or(Isa::avx512vnni);
    Isa best = Isa::reference;
    for (const Isa isa : all_isas)
        if (isa <= limit && supported(isa)) best = isa;
    return best;
}

}  // namespace

std::string describe_isa_problem(std::string_view value) {
    std::string names;
    for (const Isa isa : all_isas) {
        if (name(isa) == value) return {};
        names += (names.empty() ? "" : ", ") + std::string(name(isa));
    }
    return "LIVESR_ISA=" + std::string(value) + " is unknown and ignored; it can be one of " +
           names;
}

bool supported(Isa isa) { return detect(isa); }

Isa best_isa() {
    static const Isa best = evaluate_best();
    return best;
}

std::string_view name(Isa isa) {
    switch (isa) {
        case Isa::reference:
            return "reference";
        case Isa::avx2:
            return "avx2";
        case Isa::avx512:
            return "avx512";
        case Isa::avx512vnni:
            return "avx512vnni";
    }
    return "unknown";
}

}  // namespace livesr
