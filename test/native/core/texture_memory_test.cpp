// Texture memory on made-up scenes: fine grain that no enlargement can guess, and patches of it.
#include "core/memory/texture_memory.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "core/picture/crop.h"
#include "core/picture/metrics.h"
#include "core/picture/resample.h"

namespace {

using livesr::Filter;
using livesr::PackedNetwork;
using livesr::TextureMemory;
using Bytes = std::vector<std::uint8_t>;

constexpr int scale = 2;
constexpr int width = 320;  // high resolution
constexpr int height = 192;
constexpr int side = 64;  // of a patch
constexpr int margin = 4;

struct Picture {
    int width = 0, height = 0;
    Bytes pixels;
};

// A wide scene with coarse shapes, by which it is recognised, and grain.
Picture scene(unsigned seed, int wide = 2 * width) {
    std::mt19937 random(seed);
    Picture coarse{wide / 8, height / 8, {}};
    for (int i = 0; i < coarse.width * coarse.height; ++i) {
        coarse.pixels.push_back(static_cast<std::uint8_t>(60 + random() % 130));
    }
    Picture result{wide, height, Bytes(static_cast<std::size_t>(wide) * height)};
    livesr::resample(Filter::bicubic, coarse.pixels.data(), coarse.width, coarse.width,
                     coarse.height, result.pixels.data(), wide, wide, height);
    for (std::uint8_t& pixel : result.pixels) {
        pixel = static_cast<std::uint8_t>(pixel + static_cast<int>(random() % 41) - 20);
    }
    return result;
}

// What a camera shows that stands at x of a scene.
Picture view(const Picture& scene, int x) {
    return {width, height,
            livesr::crop({scene.pixels.data(), scene.width, scene.width, scene.height}, x, 0, width,
                         height, 0)};
}

Picture shrink(const Picture& high) {
    Picture low{high.width / scale, high.height / scale, {}};
    low.pixels.resize(static_cast<std::size_t>(low.width) * low.height);
    livesr::resample(Filter::lanczos, high.pixels.data(), high.width, high.width, high.height,
                     low.pixels.data(), low.width, low.width, low.height);
    return low;
}

struct World {
    // A fresh network shows bicubic's picture.
    std::shared_ptr<const PackedNetwork> network =
        std::make_shared<const PackedNetwork>(livesr::make_network({.scale = scale}, 1));
    TextureMemory memory;
    livesr::EnhanceScratch scratch;

    explicit World(std::size_t max_patches = 1000)
        : memory({.scale = scale,
                  .width = width / scale,
                  .height = height / scale,
                  .margin = margin,
                  .max_patches = max_patches,
                  .seed = 3}) {}

    void patch(const Picture& high, int x, int y, int size = side) {
        patch(high, shrink(high), x, y, size);
    }

    // low: what was decoded of it.
    void patch(const Picture& high, const Picture& low, int x, int y, int size = side) {
        const Bytes under = livesr::crop({low.pixels.data(), low.width, low.width, low.height},
                                         x / scale, y / scale, size / scale, size / scale, margin);
        const Bytes pixels = livesr::crop({high.pixels.data(), high.width, high.width, high.height},
                                          x, y, size, size, 0);
        memory.add({x, y, size, size, under, pixels}, network);
    }

    Bytes plain(const Picture& high) { return plain_low(shrink(high)); }

    Bytes plain_low(const Picture& low) {
        Bytes out(static_cast<std::size_t>(width) * height);
        livesr::enhance(*network, scratch, low.pixels.data(), low.width, low.width, low.height,
                        out.data(), width, 0, low.height);
        return out;
    }

    // The picture with what is remembered; `cover`: how much of it has something.
    Bytes show(const Picture& high, double* cover = nullptr) {
        return show_low(shrink(high), cover);
    }

    Bytes show_low(const Picture& low, double* cover = nullptr) {
        memory.follow(low.pixels.data(), low.width);
        Bytes out = plain_low(low);
        const double share = memory.restore(network, out.data(), width, width, height);
        if (cover != nullptr) *cover = share;
        return out;
    }
};

double error(const Bytes& shown, const Picture& high) {
    return static_cast<double>(livesr::squared_error(shown.data(), width, high.pixels.data(), width,
                                                     width, height)) /
           (width * height);
}

// Patches all over the view, twice: the second round says how strong the first is to be shown.
void learn(World& world, const Picture& high) {
    for (int round = 0; round < 2; ++round) {
        for (int y = 0; y + side <= height; y += side) {
            for (int x = 0; x + side <= width; x += side) {
                world.show(high);
                world.patch(high, x, y);
            }
        }
    }
}

}  // namespace

TEST_CASE("texture memory: a still picture gets back the detail that came once") {
    World world;
    const Picture high = view(scene(1), 0);
    CHECK_FALSE(world.memory.benefit());
    learn(world, high);
    CHECK(world.memory.benefit().value_or(0) > 0.5);
    double cover = 0;
    const Bytes shown = world.show(high, &cover);
    CHECK(cover > 0.95);
    CHECK(error(shown, high) < 0.3 * error(world.plain(high), high));
}

TEST_CASE("texture memory: detail follows a camera that pans, by whole and by half pixels") {
    for (const int step : {2, 1}) {
        CAPTURE(step);
        World world;
        const Picture wide = scene(2);
        learn(world, view(wide, 0));
        double with = 0;
        double without = 0;
        for (int x = step; x <= 40 * step; x += step) {
            const Picture high = view(wide, x);
            // One patch a frame at a place that is in view already keeps the strengths up to date.
            const Bytes shown = world.show(high);
            with += error(shown, high);
            without += error(world.plain(high), high);
            world.patch(high, x % 4 * 64, x % 3 * 64);
        }
        CHECK(with < 0.75 * without);
    }
}

TEST_CASE(
    "texture memory: what a worse picture lacks is put back from a better one that it showed") {
    World world;
    const Picture high = view(scene(11), 0);
    learn(world, high);
    // From now on the decoded picture is another one in each frame, as at a low bit rate.
    std::mt19937 random(11);
    const auto coded = [&] {
        Picture low = shrink(high);
        for (std::uint8_t& pixel : low.pixels) {
            const int noise = static_cast<int>(random() % 17) - 8;
            pixel = static_cast<std::uint8_t>(std::clamp(pixel + noise, 0, 255));
        }
        return low;
    };
    for (int i = 0; i < 30; ++i) {
        world.show_low(coded());
        world.patch(high, coded(), i % 5 * side, i % 3 * side);
    }
    const Picture low = coded();
    const double without = error(world.plain_low(low), high);
    CHECK(error(world.show_low(low), high) < 0.3 * without);
}

TEST_CASE("texture memory: a cell is covered as far as its blocks are in the store") {
    World world;
    const Picture high = view(scene(12), 0);
    for (int y = 0; y < height; y += side) world.patch(high, 0, y);
    CHECK(world.memory.cover(side, 5, 3) == Bytes(15, 0));
    world.show(high);
    const Bytes cover = world.memory.cover(side, 5, 3);
    REQUIRE(cover.size() == 15);
    for (std::size_t i = 0; i < cover.size(); ++i) {
        CAPTURE(i);
        if (i % 5 == 0) {
            CHECK(cover[i] > 200);
        } else {
            CHECK(cover[i] < 30);
        }
    }
    // Squares beyond the picture have no blocks.
    CHECK(world.memory.cover(side, 7, 3)[6] == 0);
    CHECK(world.memory.cover(side, 0, 0).empty());
    world.memory.lose_track();
    CHECK(world.memory.cover(side, 5, 3) == Bytes(15, 0));
}

TEST_CASE("texture memory: a full store of another scene harms no picture, and gives way") {
    World world(30);
    learn(world, view(scene(13), 0));
    REQUIRE(world.memory.patches() == 30);
    const Picture other = view(scene(14), 0);
    world.memory.lose_track();
    for (int frame = 0; frame < 60; ++frame) {
        const Bytes shown = world.show(other);
        CHECK(error(shown, other) <= 1.002 * error(world.plain(other), other));
        world.patch(other, frame % 5 * side, frame % 3 * side);
        REQUIRE(world.memory.patches() == 30);
    }
    CHECK(error(world.show(other), other) < 0.4 * error(world.plain(other), other));
}

TEST_CASE("texture memory: what it knows of another scene harms no picture") {
    World world;
    learn(world, view(scene(3), 0));
    const Picture other = view(scene(4), 0);
    world.memory.lose_track();
    for (int frame = 0; frame < 20; ++frame) {
        const Bytes shown = world.show(other);
        CHECK(error(shown, other) <= 1.002 * error(world.plain(other), other));
        if (frame % 4 == 3) world.patch(other, frame % 5 * 64, frame % 3 * 64);
    }
}

TEST_CASE("texture memory: a scene that comes back is known at once") {
    World world;
    const Picture first = view(scene(5), 0);
    const Picture other = view(scene(6), 0);
    learn(world, first);
    world.memory.lose_track();
    for (int frame = 0; frame < 5; ++frame) world.show(other);
    world.memory.lose_track();
    CHECK(error(world.show(first), first) < 0.4 * error(world.plain(first), first));
}

TEST_CASE("texture memory: patches whose detail is noise are not shown") {
    World world;
    const Picture high = view(scene(7), 0);
    std::mt19937 random(7);
    for (int i = 0; i < 60; ++i) {
        world.show(high);
        Picture grain = high;
        for (std::uint8_t& pixel : grain.pixels) {
            pixel = static_cast<std::uint8_t>(
                std::clamp(pixel + static_cast<int>(random() % 121) - 60, 0, 255));
        }
        // The same low-resolution picture each time, under another grain.
        const Picture low = shrink(high);
        const int x = static_cast<int>(random() % 5) * 64;
        const int y = static_cast<int>(random() % 3) * 64;
        const Bytes under = livesr::crop({low.pixels.data(), low.width, low.width, low.height},
                                         x / 2, y / 2, side / 2, side / 2, margin);
        const Bytes pixels =
            livesr::crop({grain.pixels.data(), width, width, height}, x, y, side, side, 0);
        world.memory.add({x, y, side, side, under, pixels}, world.network);
    }
    CHECK(error(world.show(high), high) < 1.05 * error(world.plain(high), high));
}

TEST_CASE("texture memory: the same calls give the same picture") {
    const auto play = [] {
        World world;
        const Picture wide = scene(8);
        learn(world, view(wide, 0));
        Bytes shown;
        for (int x = 0; x < 20; x += 3) shown = world.show(view(wide, x));
        return shown;
    };
    CHECK(play() == play());
}

TEST_CASE("texture memory: a thousand patches of one place stay within the bound") {
    World world(12);
    const Picture high = view(scene(9), 0);
    for (int i = 0; i < 1000; ++i) {
        if (i % 50 == 0) world.show(high);
        world.patch(high, 64, 64);
        REQUIRE(world.memory.patches() <= 12);
    }
    CHECK(error(world.show(high), high) < error(world.plain(high), high));
}

TEST_CASE(
    "texture memory: patches at the edges, of any size, and a smaller picture are all right") {
    const Picture high = view(scene(10), 0);
    World world;
    for (int i = 0; i < 40; ++i) {
        world.show(high);
        const int size = 8 + 4 * (i % 20);
        world.patch(high, i % 2 == 0 ? 0 : width - size, i % 4 < 2 ? 0 : height - size, size);
    }
    const Picture low = shrink(high);
    world.memory.follow(low.pixels.data(), low.width);
    // Two columns and one row less than the enlargement has, within guarded memory.
    Bytes out(static_cast<std::size_t>(width) * height, 77);
    world.memory.restore(world.network, out.data(), width, width - 2, height - 1);
    for (int y = 0; y < height; ++y) {
        REQUIRE(out[static_cast<std::size_t>(y) * width + width - 2] == 77);
        REQUIRE(out[static_cast<std::size_t>(y) * width + width - 1] == 77);
    }
    CHECK(std::all_of(out.end() - width, out.end(), [](std::uint8_t v) { return v == 77; }));
}

TEST_CASE("texture memory keeps no weights alive that are no longer shown") {
    World world;
    const Picture high = view(scene(5), 0);
    learn(world, high);
    const std::weak_ptr<const PackedNetwork> before = world.network;
    world.network =
        std::make_shared<const PackedNetwork>(livesr::make_network({.scale = scale}, 2));
    CHECK(before.expired());
    // Patches that match are made ready for the new ones, some with each frame.
    const Bytes plain = world.plain(high);
    for (int frame = 0; frame < 40; ++frame) world.show(high);
    CHECK(error(world.show(high), high) < error(plain, high));
}
