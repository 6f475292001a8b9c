// Predicts the bits of the residual codec: each decision sees several contexts, each of which has
// an estimate of its own, and mixes them by weights that learn from every bit. Integers only:
// encoder and decoder stay in step on every machine. What the contexts are stands in
// residual_contexts.h, the arithmetic in docs/protocol.md.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace livesr::residual {

// ln(p / (1 - p)) of a probability in 1/2^12, in 1/256, within +-2047.
constexpr int largest_stretch = 2047;
constexpr int stretch_bits = 12;
extern const std::array<std::int16_t, 1 << stretch_bits> stretch_table;
// The way back, in 1/2^16: from -2047 on.
extern const std::array<std::uint16_t, 2 * largest_stretch + 1> squash_table;

// Probability of a 1 under one context, in 1/2^16. It follows fast: a patch has few bits under most
// contexts, and what all patches have in common is where it starts.
class Estimate {
  public:
    constexpr Estimate() = default;
    constexpr explicit Estimate(std::uint16_t one) : one_(one) {}

    int stretched() const { return stretch_table[one_ >> (16 - stretch_bits)]; }
    void update(bool bit) {
        one_ = static_cast<std::uint16_t>(one_ + (((bit ? 65535 : 0) - one_) >> rate));
    }

  private:
    static constexpr int rate = 4;
    std::uint16_t one_ = 32768;
};

// One bit's prediction; then what was coded is learned, by the estimates and by the weights. These
// are in 1/2^16, and wrap around rather than overflow: no encoder brings them there, but bytes from
// the network are not an encoder's.
template <std::size_t inputs>
class Prediction {
  public:
    Prediction(const std::array<Estimate*, inputs>& estimates, std::int32_t* weights)
        : estimates_(estimates), weights_(weights) {
        std::int64_t sum = 0;
        for (std::size_t i = 0; i < inputs; ++i) {
            stretched_[i] = estimates_[i]->stretched();
            sum += std::int64_t{weights_[i]} * stretched_[i];
        }
        const auto mixed = static_cast<int>(
            std::clamp<std::int64_t>(sum >> 16, -largest_stretch, largest_stretch));
        one_ = squash_table[static_cast<std::size_t>(mixed + largest_stretch)];
    }

    // Of a 1, in 1/2^16.
    std::uint32_t one() const { return one_; }

    void learn(bool bit) {
        const std::int32_t error = (bit ? 65536 : 0) - static_cast<std::int32_t>(one_);
        for (std::size_t i = 0; i < inputs; ++i) {
            const std::int32_t change = (error * stretched_[i] + 32768) >> 16;
            weights_[i] = static_cast<std::int32_t>(static_cast<std::uint32_t>(weights_[i]) +
                                                    static_cast<std::uint32_t>(change));
            estimates_[i]->update(bit);
        }
    }

  private:
    std::array<Estimate*, inputs> estimates_;
    std::int32_t* weights_;
    std::array<std::int32_t, inputs> stretched_{};
    std::uint32_t one_ = 0;
};

}  // namespace livesr::residual
