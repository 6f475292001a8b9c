// The patches that are remembered, a bounded number of bounded bytes, and which of them came from
// over each block of the frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/memory/block.h"
#include "core/memory/stored_patch.h"

namespace livesr {

class PatchStore {
  public:
    PatchStore(const BlockGrid& grid, std::size_t max_patches, std::size_t max_bytes);

    // Patches that must go before one of so many bytes fits: those used longest ago. The caller
    // removes each before it adds.
    std::vector<std::int32_t> in_the_way_of(std::size_t bytes) const;
    void remove(std::int32_t index);
    // Returns the index it gets; that of a patch that was removed may come again.
    std::int32_t add(StoredPatch patch);

    const StoredPatch& at(std::int32_t index) const {
        return patches_[static_cast<std::size_t>(index)];
    }
    StoredPatch& at(std::int32_t index) { return patches_[static_cast<std::size_t>(index)]; }
    std::size_t size() const { return patches_.size() - free_.size(); }
    std::size_t bytes() const { return bytes_; }

    const BlockGrid& grid() const { return grid_; }
    // Those that have the whole of a block, newest last.
    const std::vector<std::int32_t>& covering(int column, int row) const {
        return covering_[grid_.index(column, row)];
    }

  private:
    BlockGrid grid_;
    std::size_t max_patches_;
    std::size_t max_bytes_;
    std::size_t bytes_ = 0;
    std::vector<StoredPatch> patches_;  // empty ones at the indices of free_
    std::vector<std::int32_t> free_;
    std::vector<std::vector<std::int32_t>> covering_;
};

}  // namespace livesr
