// Scene cuts: found where there are some, and nowhere else.
#include "gst/enhancer/scene_cut.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

using livesr::gst::SceneCutDetector;

namespace {

constexpr int width = 320;
constexpr int height = 180;
using Picture = std::vector<std::uint8_t>;

// Waves about a level, moved by `shift` pixels, with noise.
Picture scene(unsigned seed, double level, double contrast, double shift) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> uniform(-1.0, 1.0);
    const double fx = 0.04 * uniform(random);
    const double fy = 0.04 * uniform(random);
    const double phase = 3 * uniform(random);
    Picture picture;
    for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
            const double wave = std::sin(fx * (x + shift) + fy * y + phase);
            const double value = level + contrast * wave + 4 * uniform(random);
            picture.push_back(static_cast<std::uint8_t>(std::clamp(value, 0.0, 255.0)));
        }
    }
    return picture;
}

bool add(SceneCutDetector& detector, const Picture& picture) {
    return detector.add(picture.data(), width, width, height);
}

}  // namespace

TEST_CASE("a cut is found at its first frame, and once") {
    SceneCutDetector detector;
    for (int i = 0; i < 20; ++i) CHECK_FALSE(add(detector, scene(1, 90, 60, 4 * i)));
    CHECK(add(detector, scene(2, 170, 50, 0)));
    for (int i = 1; i < 20; ++i) CHECK_FALSE(add(detector, scene(2, 170, 50, 4 * i)));
    CHECK(add(detector, scene(1, 90, 60, 0)));
}

TEST_CASE("motion, fades and noise are no cuts") {
    SceneCutDetector motion;
    for (int i = 0; i < 60; ++i) CHECK_FALSE(add(motion, scene(3, 120, 80, 12.0 * i)));
    SceneCutDetector fade;
    for (int i = 0; i < 60; ++i) CHECK_FALSE(add(fade, scene(4, 40 + 3.0 * i, 40, 0)));
    SceneCutDetector noise;
    std::mt19937 random(5);
    for (int i = 0; i < 30; ++i) {
        Picture picture(static_cast<std::size_t>(width) * height);
        std::generate(picture.begin(), picture.end(),
                      [&] { return static_cast<std::uint8_t>(random() & 255U); });
        CHECK_FALSE(add(noise, picture));
    }
}

TEST_CASE("neither the first frame nor the first after a clear is a cut") {
    SceneCutDetector detector;
    CHECK_FALSE(add(detector, scene(1, 60, 50, 0)));
    for (int i = 0; i < 10; ++i) CHECK_FALSE(add(detector, scene(1, 60, 50, i)));
    detector.clear();
    CHECK_FALSE(add(detector, scene(2, 200, 50, 0)));
}

TEST_CASE("pictures of any size can be looked at") {
    for (const auto& [w, h] : {std::pair{16, 16}, {17, 1}, {1, 17}, {3, 3}}) {
        SceneCutDetector detector;
        const Picture black(static_cast<std::size_t>(w) * h, 16);
        const Picture white(static_cast<std::size_t>(w) * h, 235);
        for (int i = 0; i < 5; ++i) CHECK_FALSE(detector.add(black.data(), w, w, h));
        CHECK_FALSE(detector.add(black.data(), w, w, h));
        detector.add(white.data(), w, w, h);
    }
}
