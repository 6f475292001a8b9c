// libFuzzer's entry point, built once for each target. An exception that gets out is a crash to it.
#include <cstddef>

#include "targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    livesr::fuzz::LIVESR_FUZZ_TARGET({bytes, size});
    return 0;
}
