// The generator behind weight initialisation and the drawing of training windows: SplitMix64
// (Steele, Lea, Flood 2014). Our own, so that one seed gives one result with every standard
// library.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace livesr {

class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() {
        state_ += 0x9E3779B97F4A7C15U;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
        z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
        return z ^ (z >> 31U);
    }
    // In [0, 1), 53 bits.
    double uniform() { return static_cast<double>(next() >> 11U) * 0x1p-53; }
    // In [0, bound); the bias of at most bound / 2^64 does not matter here.
    int below(int bound) { return static_cast<int>(uniform() * static_cast<double>(bound)); }
    // Mean 0, deviation 1 (Box-Muller).
    double normal() {
        const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
        return radius * std::cos(2.0 * std::numbers::pi * uniform());
    }

  private:
    std::uint64_t state_;
};

}  // namespace livesr
