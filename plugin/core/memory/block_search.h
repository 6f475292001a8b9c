// How one block is found in the store: compared with candidates, of which the best stays, is walked
// from, and is then placed between pixels. Which candidates there are is match_field.h's.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/memory/patch_store.h"

namespace livesr {

// Where a block is found: the patch, the place of the block's corner in its crop (low-resolution
// pixels from the patch's corner), and by how many high-resolution pixels that is off.
struct BlockMatch {
    std::int32_t patch = -1;  // index in the store
    std::int16_t x = 0, y = 0;
    std::int8_t fine_x = 0, fine_y = 0;
    std::uint32_t error = UINT32_MAX;  // sum of squares
    double misfit = 0;                 // error against what there is to see in the block

    bool found() const { return patch >= 0; }
    // In the patch's high-resolution pixels.
    int high_x(int scale) const { return x * scale + fine_x; }
    int high_y(int scale) const { return y * scale + fine_y; }
};

class BlockSearch {
  public:
    // block: the corner of a block in a frame or in a crop, block_context pixels around it and
    // lanes_beyond bytes after them.
    BlockSearch(const PatchStore& store, const std::uint8_t* block, std::ptrdiff_t stride)
        : store_(store), block_(block), stride_(stride) {}

    // At (x, y) of a patch, if it has a block there.
    void consider(std::int32_t patch, int x, int y);
    // At (x, y) of the frame that a patch came from.
    void consider_in_place(std::int32_t patch, int x, int y);
    // Step by step to better ones beside the best.
    void descend();
    // Back to one considered before, unless the best is clearly better.
    void stay_with(const BlockMatch& before);

    const BlockMatch& best() const { return best_; }
    // So good that no other need be looked for.
    bool is_good() const;
    // The best, refined; none if it is too bad for a match.
    BlockMatch finish() const;

  private:
    void refine(BlockMatch& match) const;
    double misfit_of(std::uint32_t error) const;

    const PatchStore& store_;
    const std::uint8_t* block_;
    std::ptrdiff_t stride_;
    BlockMatch best_;
};

}  // namespace livesr
