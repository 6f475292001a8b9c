// An input as a script: each step takes its bytes from the front.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "targets.h"

namespace livesr::fuzz {

class Script {
  public:
    explicit Script(Input input) : input_(input) {}

    bool done() const { return input_.empty(); }
    std::uint8_t byte() {
        if (input_.empty()) return 0;
        const std::uint8_t first = input_.front();
        input_ = input_.subspan(1);
        return first;
    }
    std::uint64_t word(int bytes) {
        std::uint64_t value = 0;
        for (int i = 0; i < bytes; ++i) value = value << 8U | byte();
        return value;
    }
    template <class Value, std::size_t Size>
    Value one_of(const std::array<Value, Size>& values) {
        return values[byte() % Size];
    }
    Input take(std::size_t count) {
        const Input taken = input_.first(std::min(count, input_.size()));
        input_ = input_.subspan(taken.size());
        return taken;
    }

  private:
    Input input_;
};

}  // namespace livesr::fuzz
