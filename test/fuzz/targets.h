// What is fuzzed: one function for each parser of foreign bytes. libFuzzer calls it with what it
// makes up (entry.cpp), the native tests with everything it has found before (corpus_test.cpp).
// Whatever the bytes, it must come back; it throws Violation when the parser broke a promise of its
// header.
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>

namespace livesr::fuzz {

using Input = std::span<const std::uint8_t>;

struct Violation : std::logic_error {
    using std::logic_error::logic_error;
};

inline void require(bool holds, const char* promise) {
    if (!holds) throw Violation(promise);
}

void packet(Input input);
void jpeg(Input input);
void residual(Input input);
void model_file(Input input);
void channel(Input input);
void receiver(Input input);
void picture(Input input);

}  // namespace livesr::fuzz
