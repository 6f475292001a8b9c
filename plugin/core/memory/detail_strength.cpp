#include "core/memory/detail_strength.h"

#include <algorithm>
#include <cmath>

namespace livesr {
namespace {

constexpr double forget = 0.985;       // of what was fitted, with each patch that comes
constexpr double evidence_kept = 0.9;  // of what was tested
constexpr std::size_t least_tests = 3;
// Keeps strengths at 0 until there is something to fit them on: grey levels squared.
constexpr double regularisation = 2000.0;
constexpr double largest = 1.2;

int bounded(double strength) {
    return static_cast<int>(std::lround(256 * std::clamp(strength, 0.0, largest)));
}

}  // namespace

// Bins of a factor of two.
std::size_t DetailStrength::bin_of(double misfit) {
    const int bin = static_cast<int>(std::floor(std::log2(misfit + 0.03) + 5));
    return static_cast<std::size_t>(std::clamp(bin, 0, static_cast<int>(bins) - 1));
}

const BandStrengths& DetailStrength::of(double misfit) const { return strengths_[bin_of(misfit)]; }

void DetailStrength::begin() {
    for (Sums& s : sums_) {
        for (double* sum :
             {&s.slow_slow, &s.slow_fast, &s.fast_fast, &s.slow_truth, &s.fast_truth}) {
            *sum *= forget;
        }
    }
    tested_without_ = 0;
    tested_with_ = 0;
}

void DetailStrength::add(double slow, double fast, double truth) {
    Sums& s = sums_[block_bin_];
    const BandStrengths& strength = strengths_[block_bin_];
    s.slow_slow += slow * slow;
    s.slow_fast += slow * fast;
    s.fast_fast += fast * fast;
    s.slow_truth += slow * truth;
    s.fast_truth += fast * truth;
    const double rest = truth - (strength.slow * slow + strength.fast * fast) / 256.0;
    tested_without_ += truth * truth;
    tested_with_ += rest * rest;
}

void DetailStrength::finish() {
    if (tested_without_ > 0) {
        without_ = evidence_kept * without_ + tested_without_;
        with_ = evidence_kept * with_ + tested_with_;
        ++tests_;
    }
    for (std::size_t bin = 0; bin < bins; ++bin) {
        const Sums& s = sums_[bin];
        const double slow = s.slow_slow + regularisation;
        const double fast = s.fast_fast + regularisation;
        const double determinant = slow * fast - s.slow_fast * s.slow_fast;
        strengths_[bin] = {
            bounded((s.slow_truth * fast - s.fast_truth * s.slow_fast) / determinant),
            bounded((s.fast_truth * slow - s.slow_truth * s.slow_fast) / determinant)};
    }
}

std::optional<double> DetailStrength::benefit() const {
    if (tests_ < least_tests || without_ <= 0) return std::nullopt;
    return 1 - with_ / without_;
}

}  // namespace livesr
