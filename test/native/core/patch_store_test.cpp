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
    PatchStore store({36, 20}, 10, 1U << 20U);  // 4 x 2 blocks
    CHECK(store.add(patch(8, 0, 16)) == 0);
    CHECK(store.add(patch(4, 0, 16)) == 1);
    CHECK(store.covering(0, 0) == Indices{});
    CHECK(store.covering(1, 0) == Indices{0, 1});
    CHECK(store.covering(2, 1) == Indices{0});
    CHECK(store.covering(3, 1) == Indices{});
}

TEST_CASE("patch store: in a full store the patches used longest ago make room") {
    PatchStore store({32, 16}, 3, 1U << 20U);
    for (const std::uint64_t used : {5, 3, 4}) store.add(patch(0, 0, 16, used));
    store.at(1).used = 6;
    CHECK(store.in_the_way_of(0) == Indices{2});
    store.remove(2);
    CHECK(store.add(patch(16, 0, 16, 7)) == 2);
    CHECK(store.size() == 3);
    CHECK(store.at(2).x == 16);
    CHECK(store.covering(0, 0) == Indices{0, 1});
    CHECK(store.covering(2, 0) == Indices{2});
}

TEST_CASE("patch store: large patches push out as many as their bytes need") {
    const auto large = [](std::size_t bytes, std::uint64_t used) {
        StoredPatch result = patch(0, 0, 16, used);
        result.low.resize(bytes);
        return result;
    };
    PatchStore store({32, 16}, 100, 1000);
    for (const std::uint64_t used : {2, 1, 3}) store.add(large(300, used));
    CHECK(store.bytes() == 900);
    CHECK(store.in_the_way_of(100).empty());
    CHECK(store.in_the_way_of(200) == Indices{1});
    CHECK(store.in_the_way_of(500) == Indices{1, 0});
    CHECK(store.in_the_way_of(5000) == Indices{1, 0, 2});
    for (const std::int32_t index : store.in_the_way_of(500)) store.remove(index);
    CHECK(store.bytes() == 300);
    CHECK(store.size() == 1);
    CHECK(store.covering(0, 0) == Indices{2});
    CHECK(store.add(large(500, 4)) == 0);
    CHECK(store.bytes() == 800);
}
