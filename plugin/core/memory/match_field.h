// Where in the store each block of the frame is found, followed from frame to frame. The search is
// seeded: the same frames and patches give the same matches. How one block is found is
// block_search.h's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "core/memory/block_search.h"
#include "core/memory/patch_store.h"

namespace livesr {

class MatchField {
  public:
    // width x height: of the frames, in low-resolution pixels. The store must live as long.
    MatchField(const PatchStore& store, int width, int height, std::uint32_t seed);

    // The next frame: matches are followed and looked for.
    void follow(const std::uint8_t* luma, std::ptrdiff_t stride);
    const BlockMatch& at(int column, int row) const {
        return matches_[store_.grid().index(column, row)];
    }

    // A block of a patch that has come, at low-resolution (x, y) of it: found as a block of the
    // frame would be.
    BlockMatch find_in(const StoredPatch& fresh, int x, int y) const;

    // What was found in this patch is there no longer.
    void forget(std::int32_t patch);
    void lose_track();

  private:
    void take(const std::uint8_t* luma, std::ptrdiff_t stride);
    BlockMatch find(int column, int row);
    void consider_match(BlockSearch& search, int column, int row, int x, int y) const;
    void consider_newest(BlockSearch& search, int column, int row, int x, int y) const;
    void consider_by_chance(BlockSearch& search, int column, int row);

    const PatchStore& store_;
    int width_;
    int height_;
    std::vector<BlockMatch> matches_;
    std::mt19937 random_;
    std::vector<std::uint8_t> padded_;  // the frame with its edge repeated around it
    std::ptrdiff_t padded_stride_;
};

}  // namespace livesr
