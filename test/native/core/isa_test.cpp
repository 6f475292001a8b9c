// Which path is chosen, and that the environment can only lower it.
#include "core/network/isa.h"

#include <doctest/doctest.h>

#include <cstdlib>

namespace livesr {

TEST_CASE("the reference is supported everywhere") { CHECK(supported(Isa::reference)); }

TEST_CASE("the best path is a supported one, and no supported one above it is left unused") {
    const Isa best = best_isa();
    CHECK(supported(best));
    if (std::getenv("LIVESR_ISA") == nullptr) {
        for (const Isa isa : {Isa::avx2, Isa::avx512, Isa::avx512vnni})
            if (isa > best) CHECK_FALSE(supported(isa));
    }
}

TEST_CASE("a path includes the ones below it") {
    if (supported(Isa::avx512vnni)) CHECK(supported(Isa::avx512));
    if (supported(Isa::avx512)) CHECK(supported(Isa::avx2));
}

TEST_CASE("paths have the names that LIVESR_ISA takes") {
    CHECK(name(Isa::reference) == "reference");
    CHECK(name(Isa::avx2) == "avx2");
    CHECK(name(Isa::avx512) == "avx512");
    CHECK(name(Isa::avx512vnni) == "avx512vnni");
}

TEST_CASE("a LIVESR_ISA that names no path is called unknown, with those that there are") {
    for (const Isa isa : {Isa::reference, Isa::avx2, Isa::avx512, Isa::avx512vnni})
        CHECK(describe_isa_problem(name(isa)).empty());
    for (const char* value : {"", "AVX2", "avx5", "neon"}) {
        const std::string problem = describe_isa_problem(value);
        CHECK(problem.find("LIVESR_ISA=" + std::string(value) + " is unknown") == 0);
        CHECK(problem.find("reference, avx2, avx512, avx512vnni") != std::string::npos);
    }
}

}  // namespace livesr
