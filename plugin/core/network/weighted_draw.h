// Drawing by weight in logarithmic time: a binary tree of sums over slots. Every inner node is the
// sum of its two children, computed anew on a change, so that nothing drifts.
#pragma once

#include <cstddef>
#include <vector>

namespace livesr {

class WeightedDraw {
  public:
    // Grows to hold the slot. weight >= 0 and finite.
    void set(std::size_t slot, double weight);
    double weight(std::size_t slot) const;
    double total() const { return tree_.empty() ? 0.0 : tree_[1]; }

    // The slot at a share of the total weight. share in [0, 1); total() must be positive.
    std::size_t at(double share) const;

  private:
    void grow(std::size_t slots);

    std::size_t leaves_ = 0;    // a power of two
    std::vector<double> tree_;  // node i has children 2i and 2i + 1; leaves from leaves_ on
};

}  // namespace livesr
