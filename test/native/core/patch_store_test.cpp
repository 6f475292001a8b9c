// The store of texture memory: its bound, and what it says of blocks.
#include "core/memory/patch_store.h"

#include <doctest/doctest.h>

#include <vector>

namespace {

using livesr::PatchStore;
using livesr::StoredPatch;
using Indices = std::vector<std::int32_t>;

StoredPatch patch(int x, int y, int side, std::uint64_t used = 0) {
    StoredPatch result;
    result.x = x;
    result.y = y;
    result.width = side;
    result.height = side;
    result.used = used;
    return result;
}

}  // namespace

TEST_CASE("patch store: a block is covered by the patches that have the whole of it, newest last") {
    PatchStore store({36, 20}, 10);  // 4 x 2 blocks
    CHECK(store.add(patch(8, 0, 16)) == 0);
    CHECK(store.add(patch(4, 0, 16)) == 1);
    CHECK(store.covering(0, 0) == Indices{});
    CHECK(store.covering(1, 0) == Indices{0, 1});
    CHECK(store.covering(2, 1) == Indices{0});
    CHECK(store.covering(3, 1) == Indices{});
}

TEST_CASE("patch store: in a full store the patch that was used least lately makes room") {
    PatchStore store({32, 16}, 3);
    for (const std::uint64_t used : {5, 3, 4}) store.add(patch(0, 0, 16, used));
    store.at(1).used = 6;
    CHECK(store.add(patch(16, 0, 16, 7)) == 2);
    CHECK(store.size() == 3);
    CHECK(store.at(2).x == 16);
    CHECK(store.covering(0, 0) == Indices{0, 1});
    CHECK(store.covering(2, 0) == Indices{2});
}
