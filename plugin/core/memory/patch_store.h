// The patches that are remembered, a bounded number of them, and which of them came from over each
// block of the frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/memory/block.h"
#include "core/memory/stored_patch.h"

namespace livesr {

class PatchStore {
  public:
    PatchStore(const BlockGrid& grid, std::size_t most_patches);

    // Returns the index it gets. In a full store that is the one of the patch that was used least
    // lately, which is gone.
    std::int32_t add(StoredPatch patch);

    const StoredPatch& at(std::int32_t index) const {
        return patches_[static_cast<std::size_t>(index)];
    }
    StoredPatch& at(std::int32_t index) { return patches_[static_cast<std::size_t>(index)]; }
    std::size_t size() const { return patches_.size(); }

    const BlockGrid& grid() const { return grid_; }
    // Those that have the whole of a block, newest last.
    const std::vector<std::int32_t>& covering(int column, int row) const {
        return covering_[grid_.index(column, row)];
    }

  private:
    std::int32_t make_room();

    BlockGrid grid_;
    std::size_t most_patches_;
    std::vector<StoredPatch> patches_;
    std::vector<std::vector<std::int32_t>> covering_;
};

}  // namespace livesr
