#include "core/network/weighted_draw.h"

namespace livesr {

void WeightedDraw::grow(std::size_t slots) {
    std::size_t leaves = leaves_ == 0 ? 1 : leaves_;
    while (leaves < slots) leaves *= 2;
    if (leaves == leaves_) return;
    std::vector<double> tree(2 * leaves, 0.0);
    for (std::size_t i = 0; i < leaves_; ++i) tree[leaves + i] = tree_[leaves_ + i];
    for (std::size_t i = leaves - 1; i > 0; --i) tree[i] = tree[2 * i] + tree[2 * i + 1];
    tree_ = std::move(tree);
    leaves_ = leaves;
}

void WeightedDraw::set(std::size_t slot, double weight) {
    grow(slot + 1);
    std::size_t node = leaves_ + slot;
    tree_[node] = weight;
    for (node /= 2; node > 0; node /= 2) tree_[node] = tree_[2 * node] + tree_[2 * node + 1];
}

double WeightedDraw::weight(std::size_t slot) const {
    return slot < leaves_ ? tree_[leaves_ + slot] : 0.0;
}

std::size_t WeightedDraw::at(double share) const {
    double rest = share * tree_[1];
    std::size_t node = 1;
    while (node < leaves_) {
        const std::size_t left = 2 * node;
        const std::size_t right = left + 1;
        // Rounding can leave `rest` at the end of the left half; never walk into an empty one.
        if (rest < tree_[left] || tree_[right] <= 0) {
            node = left;
        } else {
            rest -= tree_[left];
            node = right;
        }
    }
    return node - leaves_;
}

}  // namespace livesr
