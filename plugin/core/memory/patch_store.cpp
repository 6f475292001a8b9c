#include "core/memory/patch_store.h"

#include <algorithm>
#include <utility>

namespace livesr {

PatchStore::PatchStore(const BlockGrid& grid, std::size_t max_patches, std::size_t max_bytes)
    : grid_(grid), max_patches_(max_patches), max_bytes_(max_bytes), covering_(grid.size()) {}

std::vector<std::int32_t> PatchStore::in_the_way_of(std::size_t bytes) const {
    if (size() < max_patches_ && bytes_ + bytes <= max_bytes_) return {};
    std::vector<std::int32_t> order;
    for (std::size_t i = 0; i < patches_.size(); ++i) {
        if (patches_[i].width > 0) order.push_back(static_cast<std::int32_t>(i));
    }
    std::ranges::stable_sort(order, {}, [this](std::int32_t index) { return at(index).used; });
    std::size_t left = bytes_;
    std::size_t going = 0;
    while (going < order.size() && (size() - going >= max_patches_ || left + bytes > max_bytes_)) {
        left -= at(order[going++]).bytes();
    }
    order.resize(going);
    return order;
}

void PatchStore::remove(std::int32_t index) {
    for (auto& here : covering_) std::erase(here, index);
    bytes_ -= at(index).bytes();
    at(index) = {};
    free_.push_back(index);
}

std::int32_t PatchStore::add(StoredPatch patch) {
    if (free_.empty()) {
        free_.push_back(static_cast<std::int32_t>(patches_.size()));
        patches_.emplace_back();
    }
    const std::int32_t index = free_.back();
    free_.pop_back();
    bytes_ += patch.bytes();
    for (int row = 0; row < grid_.rows; ++row) {
        for (int column = 0; column < grid_.columns; ++column) {
            if (patch.has_block(column * block_side - patch.x, row * block_side - patch.y)) {
                covering_[grid_.index(column, row)].push_back(index);
            }
        }
    }
    at(index) = std::move(patch);
    return index;
}

}  // namespace livesr
