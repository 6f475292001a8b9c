// Feeds a fuzz target what fuzzing has found worth keeping: its seeds and every input that once
// crashed it.
#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "../fuzz/targets.h"
#include "bytes.h"

namespace livesr::test {

inline void replay(const std::string& target, void (*run)(fuzz::Input)) {
    int inputs = 0;
    for (const char* kind : {"corpus", "crashers"}) {
        const std::filesystem::path folder =
            std::filesystem::path(LIVESR_TEST_DIR) / "fuzz" / target / kind;
        if (!std::filesystem::exists(folder)) continue;
        for (const auto& entry : std::filesystem::directory_iterator(folder)) {
            CAPTURE(entry.path().string());
            const Bytes input = read_file(entry.path().string());
            CHECK_NOTHROW(run(input));
            ++inputs;
        }
    }
    CHECK(inputs > 0);
}

}  // namespace livesr::test
