#include "core/memory/patch_store.h"

#include <algorithm>
#include <utility>

namespace livesr {

PatchStore::PatchStore(const BlockGrid& grid, std::size_t most_patches)
    : grid_(grid), most_patches_(most_patches), covering_(grid.size()) {}

std::int32_t PatchStore::make_room() {
    if (patches_.size() < most_patches_) {
        patches_.emplace_back();
        return static_cast<std::int32_t>(patches_.size()) - 1;
    }
    const auto least = std::ranges::min_element(patches_, {}, &StoredPatch::used);
    const auto index = static_cast<std::int32_t>(least - patches_.begin());
    for (auto& here : covering_) std::erase(here, index);
    return index;
}

std::int32_t PatchStore::add(StoredPatch patch) {
    const std::int32_t index = make_room();
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
