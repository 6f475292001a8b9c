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

// Least squares by Cholesky's decomposition; `products` has its upper triangle only.
template <std::size_t n>
std::array<double, n> solve(const std::array<std::array<double, n>, n>& products,
                            const std::array<double, n>& truths) {
    std::array<std::array<double, n>, n> factor{};  // upper triangular
    std::array<double, n> solved{};
    for (std::size_t i = 0; i < n; ++i) {
        solved[i] = truths[i];
        for (std::size_t j = i; j < n; ++j) {
            factor[i][j] = products[i][j] + (i == j ? regularisation : 0);
            for (std::size_t k = 0; k < i; ++k) factor[i][j] -= factor[k][i] * factor[k][j];
        }
        const double root = std::sqrt(factor[i][i]);
        for (std::size_t j = i; j < n; ++j) factor[i][j] /= root;
        for (std::size_t k = 0; k < i; ++k) solved[i] -= factor[k][i] * solved[k];
        solved[i] /= root;
    }
    for (std::size_t i = n; i-- > 0;) {
        for (std::size_t j = i + 1; j < n; ++j) solved[i] -= factor[i][j] * solved[j];
        solved[i] /= factor[i][i];
    }
    return solved;
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
        for (auto& row : s.products) {
            for (double& sum : row) sum *= forget;
        }
        for (double& sum : s.truths) sum *= forget;
    }
    tested_without_ = 0;
    tested_with_ = 0;
}

void DetailStrength::add(double slow, double fast, double change, double truth) {
    Sums& s = sums_[block_bin_];
    const BandStrengths& strength = strengths_[block_bin_];
    const std::array<double, terms> seen{slow, fast, change};
    for (std::size_t i = 0; i < terms; ++i) {
        for (std::size_t j = i; j < terms; ++j) s.products[i][j] += seen[i] * seen[j];
        s.truths[i] += seen[i] * truth;
    }
    const double shown =
        (strength.slow * slow + strength.fast * fast + strength.change * change) / 256.0;
    tested_without_ += truth * truth;
    tested_with_ += (truth - shown) * (truth - shown);
}

void DetailStrength::finish() {
    if (tested_without_ > 0) {
        without_ = evidence_kept * without_ + tested_without_;
        with_ = evidence_kept * with_ + tested_with_;
        ++tests_;
    }
    for (std::size_t bin = 0; bin < bins; ++bin) {
        const std::array<double, terms> solved = solve(sums_[bin].products, sums_[bin].truths);
        strengths_[bin] = {bounded(solved[0]), bounded(solved[1]), bounded(solved[2])};
    }
}

std::optional<double> DetailStrength::benefit() const {
    if (tests_ < least_tests || without_ <= 0) return std::nullopt;
    return 1 - with_ / without_;
}

}  // namespace livesr
