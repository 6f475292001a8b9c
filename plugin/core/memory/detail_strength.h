// How much of a remembered detail is shown: the better a block matches, the more. Fitted by least
// squares, in two bands, on patches as they arrive; each is first a test of what was fitted before.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace livesr {

// Of 256: for what changes slowly in a detail, for the rest, and for the change: what the network
// showed there when the patch came, less what it shows now.
struct BandStrengths {
    int slow = 0, fast = 0, change = 0;
    bool any() const { return slow != 0 || fast != 0 || change != 0; }
};

class DetailStrength {
  public:
    // For blocks with this misfit: how far their match is off, in any unit.
    const BandStrengths& of(double misfit) const;

    // A patch has come. Then, for each block of it that has a match, how far that is off; and for
    // each pixel of it what the two bands of the match say, and the detail that is really there.
    // Then finish() fits anew.
    void begin();
    void begin_block(double misfit) { block_bin_ = bin_of(misfit); }
    void add(double slow, double fast, double change, double truth);
    void finish();

    // Of the squared error on the latest patches, the share that was taken away; absent before
    // there is evidence.
    std::optional<double> benefit() const;

  private:
    static constexpr std::size_t bins = 12;
    static std::size_t bin_of(double misfit);

    static constexpr std::size_t terms = 3;  // slow, fast, change
    struct Sums {
        std::array<std::array<double, terms>, terms> products{};
        std::array<double, terms> truths{};
    };
    std::array<Sums, bins> sums_{};
    std::array<BandStrengths, bins> strengths_{};
    std::size_t block_bin_ = 0;
    double tested_without_ = 0, tested_with_ = 0;  // of this patch
    double without_ = 0, with_ = 0;
    std::size_t tests_ = 0;
};

}  // namespace livesr
