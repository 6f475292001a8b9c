// A patch that is remembered: what was decoded there, what it really looks like, and the detail
// that a network's picture of it lacks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/memory/block.h"
#include "core/network/enhance.h"

namespace livesr {

struct StoredPatch {
    int scale = 1;
    int x = 0, y = 0, width = 0, height = 0;  // low-resolution pixels
    int margin = 0;                           // of them, around it in `low`
    std::vector<std::uint8_t> low;            // and lanes_beyond bytes more
    std::vector<std::uint8_t> high;
    // What the network's picture lacks, and the part of it that changes slowly.
    std::vector<std::int8_t> detail;
    std::vector<std::int8_t> slow;
    // That the detail is of. Not kept alive: weights change each second, and a patch may wait long
    // for its turn.
    std::weak_ptr<const PackedNetwork> network;
    std::uint64_t used = 0;  // frame

    // Makes the detail anew, of this network.
    void refresh(const std::shared_ptr<const PackedNetwork>& with, EnhanceScratch& scratch);

    bool is_of(const std::shared_ptr<const PackedNetwork>& other) const {
        return !network.owner_before(other) && !other.owner_before(network);
    }
    // What it takes, its detail included.
    std::size_t bytes() const { return low.size() + 3 * high.size(); }
    std::ptrdiff_t low_stride() const { return width + 2 * margin; }
    const std::uint8_t* low_at(int column, int row) const {
        return low.data() + (row + margin) * low_stride() + column + margin;
    }
    int high_width() const { return width * scale; }
    int high_height() const { return height * scale; }
    // Is there a block whose corner is this pixel of it?
    bool has_block(int column, int row) const {
        return column >= 0 && row >= 0 && column + block_side <= width &&
               row + block_side <= height;
    }
};

}  // namespace livesr
