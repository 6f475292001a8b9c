// Resampling: taps, geometry, rounding, and every instruction set against the reference.
#include "core/picture/resample.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "../bytes.h"
#include "core/network/enhance.h"
#include "core/picture/bicubic_taps.h"
#include "core/picture/filter_plan.h"

namespace livesr {
namespace {

using test::Bytes;
using test::Fill;

constexpr Filter all_filters[] = {Filter::bilinear, Filter::bicubic, Filter::lanczos};
constexpr Isa fast_paths[] = {Isa::avx2, Isa::avx512, Isa::avx512vnni};

struct Shape {
    int source_width, source_height, width, height, channels;
};

// A picture with rows wider than it needs, so that a write outside of it shows.
struct Picture {
    static constexpr int guard = 37;
    static constexpr std::uint8_t untouched = 0xA5;

    int width, height, channels;
    std::ptrdiff_t stride = std::ptrdiff_t{width} * channels + guard;
    Bytes memory = Bytes(static_cast<std::size_t>(stride * (height + 2)), untouched);

    std::uint8_t* row(int y) { return memory.data() + (y + 1) * stride; }
    std::uint8_t at(int x, int y, int c = 0) { return row(y)[x * channels + c]; }
    bool guards_hold() {
        for (std::ptrdiff_t i = 0; i < std::ssize(memory); ++i) {
            const std::ptrdiff_t y = i / stride - 1, x = i % stride;
            const bool inside = y >= 0 && y < height && x < std::ptrdiff_t{width} * channels;
            if (!inside && memory[static_cast<std::size_t>(i)] != untouched) return false;
        }
        return true;
    }
};

Picture make_picture(int width, int height, int channels, std::mt19937& random,
                     Fill fill = Fill::random) {
    Picture p{width, height, channels};
    for (int y = 0; y < height; ++y) {
        const Bytes row =
            test::random_bytes(static_cast<std::size_t>(width * channels), random, fill);
        std::copy(row.begin(), row.end(), p.row(y));
    }
    return p;
}

Picture resampled(Filter filter, Picture& from, int width, int height, Isa isa = Isa::reference) {
    Picture to{width, height, from.channels};
    resample(filter, from.row(0), from.stride, from.width, from.height, to.row(0), to.stride, width,
             height, from.channels, isa);
    return to;
}

// The filters by their textbook definitions, one axis, in double precision.
double textbook(Filter filter, double x) {
    x = std::abs(x);
    const double pi = std::acos(-1.0);
    if (filter == Filter::bilinear) return std::max(0.0, 1 - x);
    if (filter == Filter::lanczos) {
        if (x >= 3) return 0;
        return x < 1e-12 ? 1 : 3 * std::sin(pi * x) * std::sin(pi * x / 3) / (pi * pi * x * x);
    }
    if (x <= 1) return 1.5 * x * x * x - 2.5 * x * x + 1;
    return x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2 : 0;
}

double exact_pixel(Filter filter, Picture& from, int width, int height, int x, int y) {
    const double wide = std::max(1.0, double(from.width) / width);
    const double high = std::max(1.0, double(from.height) / height);
    const double cx = (x + 0.5) * from.width / width - 0.5;
    const double cy = (y + 0.5) * from.height / height - 0.5;
    double sum = 0, weights = 0;
    for (int v = int(cy - 3 * high) - 1; v <= int(cy + 3 * high) + 1; ++v) {
        for (int u = int(cx - 3 * wide) - 1; u <= int(cx + 3 * wide) + 1; ++u) {
            const double w = textbook(filter, (u - cx) / wide) * textbook(filter, (v - cy) / high);
            weights += w;
            sum += w * from.at(std::clamp(u, 0, from.width - 1), std::clamp(v, 0, from.height - 1));
        }
    }
    return sum / weights;
}

}  // namespace

TEST_CASE("resample: taps of every filter and ratio sum to exactly 1 << 14") {
    for (const Filter filter : all_filters) {
        for (const auto& [from, to] : {std::pair{1, 1},
                                       {7, 5},
                                       {5, 7},
                                       {1920, 640},
                                       {1280, 853},
                                       {853, 1280},
                                       {4000, 3},
                                       {3, 4000},
                                       {65535, 1}}) {
            const FilterPlan plan = make_filter_plan(filter, from, to);
            for (int i = 0; i < to; ++i) {
                int sum = 0;
                for (int k = 0; k < plan.taps; ++k) sum += plan.taps_of(i)[k];
                REQUIRE(sum == 1 << tap_bits);
            }
        }
    }
}

TEST_CASE("resample: bicubic enlargement by 1 to 4 has the taps that inference and training use") {
    for (int scale = 1; scale <= 4; ++scale) {
        const FilterPlan plan = make_filter_plan(Filter::bicubic, 50, 50 * scale);
        CHECK(plan.enlargement == scale);
        for (int i = 0; i < plan.length(); ++i) {
            BicubicTaps taps{};
            const int first = plan.start[static_cast<std::size_t>(i)] - i / scale + 2;
            for (int k = 0; k < plan.taps; ++k) {
                if (plan.taps_of(i)[k] != 0) {
                    taps.at(static_cast<std::size_t>(first + k)) = plan.taps_of(i)[k];
                }
            }
            REQUIRE(
                taps ==
                bicubic_taps[static_cast<std::size_t>(scale)][static_cast<std::size_t>(i % scale)]);
        }
    }
}

TEST_CASE("resample: every pixel is the textbook filter's to within a rounding") {
    std::mt19937 random(1);
    for (const Filter filter : all_filters) {
        for (const Shape s : {Shape{9, 7, 18, 14, 1},
                              {9, 7, 27, 21, 1},
                              {9, 7, 36, 28, 1},
                              {17, 13, 25, 19, 1},
                              {26, 18, 13, 9, 1},
                              {40, 33, 11, 7, 1},
                              {5, 30, 20, 6, 1}}) {
            Picture from = make_picture(s.source_width, s.source_height, 1, random);
            Picture to = resampled(filter, from, s.width, s.height);
            double worst = 0;
            for (int y = 0; y < s.height; ++y) {
                for (int x = 0; x < s.width; ++x) {
                    const double exact = exact_pixel(filter, from, s.width, s.height, x, y);
                    worst = std::max(worst, std::abs(std::clamp(exact, 0.0, 255.0) - to.at(x, y)));
                }
            }
            CHECK(worst < 0.55);
        }
    }
}

TEST_CASE("resample: fast paths give the reference's bytes and write nothing else") {
    std::mt19937 random(2);
    const auto between = [&](int low, int high) {
        return low + static_cast<int>(random() % static_cast<unsigned>(high - low + 1));
    };
    for (int round = 0; round < 400; ++round) {
        Shape s{between(1, 90), between(1, 40), between(1, 200), between(1, 60), between(1, 2)};
        const int scale = between(1, 4);
        if (round % 3 == 1) {  // enlarged by a whole number
            s.width = s.source_width * scale;
            s.height = s.source_height * scale;
        } else if (round % 3 == 2) {  // shrunk by one
            s.width = s.source_width;
            s.height = s.source_height;
            s.source_width *= scale;
            s.source_height *= scale;
        }
        const Filter filter = all_filters[between(0, 2)];
        for (const Fill fill : test::all_fills) {
            Picture from = make_picture(s.source_width, s.source_height, s.channels, random, fill);
            Picture want = resampled(filter, from, s.width, s.height);
            REQUIRE(want.guards_hold());
            for (const Isa isa : fast_paths) {
                if (!supported(isa)) continue;
                CAPTURE(name(isa));
                Picture got = resampled(filter, from, s.width, s.height, isa);
                REQUIRE(got.memory == want.memory);
            }
        }
    }
}

TEST_CASE("resample: bicubic enlargement is what a network without residual gives") {
    std::mt19937 random(3);
    for (const int scale : {2, 3, 4}) {
        // The last layer of a new network is zero.
        const PackedNetwork network(make_network({scale, 8, 3}, 1));
        EnhanceScratch scratch;
        for (const auto& [width, height] : {std::pair{1, 1}, {2, 5}, {33, 21}, {64, 17}}) {
            Picture from = make_picture(width, height, 1, random, Fill::extremes);
            Picture want{width * scale, height * scale, 1};
            enhance(network, scratch, from.row(0), from.stride, width, height, want.row(0),
                    want.stride, 0, height);
            Picture got = resampled(Filter::bicubic, from, want.width, want.height, best_isa());
            CHECK(got.memory == want.memory);
        }
    }
}

TEST_CASE("resample: a flat picture stays flat, at any ratio") {
    for (const int grey : {0, 1, 127, 254, 255}) {
        for (const Filter filter : all_filters) {
            for (const auto& [width, height] : {std::pair{1, 1}, {300, 2}, {7, 90}, {31, 29}}) {
                Picture from{30, 30, 1};
                for (int y = 0; y < 30; ++y) {
                    std::fill_n(from.row(y), 30, static_cast<std::uint8_t>(grey));
                }
                Picture to = resampled(filter, from, width, height);
                for (int y = 0; y < height; ++y) {
                    REQUIRE(std::all_of(to.row(y), to.row(y) + width,
                                        [&](std::uint8_t v) { return v == grey; }));
                }
            }
        }
    }
}

TEST_CASE("resample: the same size is a copy") {
    std::mt19937 random(4);
    Picture from = make_picture(41, 23, 2, random);
    for (const Filter filter : all_filters) {
        CHECK(resampled(filter, from, 41, 23, best_isa()).memory == from.memory);
    }
}

TEST_CASE("resample: a mirrored picture gives the mirrored result") {
    std::mt19937 random(5);
    for (const Filter filter : all_filters) {
        for (const auto& [width, height] : {std::pair{60, 40}, {90, 60}, {15, 10}, {44, 13}}) {
            Picture from = make_picture(30, 20, 1, random);
            Picture mirrored{30, 20, 1};
            for (int y = 0; y < 20; ++y) {
                std::reverse_copy(from.row(19 - y), from.row(19 - y) + 30, mirrored.row(y));
            }
            Picture a = resampled(filter, from, width, height);
            Picture b = resampled(filter, mirrored, width, height);
            for (int y = 0; y < height; ++y) {
                Bytes back(static_cast<std::size_t>(width));
                std::reverse_copy(b.row(height - 1 - y), b.row(height - 1 - y) + width,
                                  back.begin());
                // Taps are rounded to sum exactly, which can favour one of two equal ones.
                for (int x = 0; x < width; ++x) {
                    REQUIRE(std::abs(back[static_cast<std::size_t>(x)] - a.at(x, y)) <= 1);
                }
            }
        }
    }
}

TEST_CASE("resample: two interleaved channels are two pictures") {
    std::mt19937 random(6);
    for (const auto& [width, height] : {std::pair{48, 32}, {96, 64}, {72, 48}, {12, 8}, {35, 21}}) {
        Picture both = make_picture(24, 16, 2, random);
        Picture to = resampled(Filter::bicubic, both, width, height, best_isa());
        for (int c = 0; c < 2; ++c) {
            Picture one{24, 16, 1};
            for (int y = 0; y < 16; ++y) {
                for (int x = 0; x < 24; ++x) one.row(y)[x] = both.at(x, y, c);
            }
            Picture alone = resampled(Filter::bicubic, one, width, height, best_isa());
            for (int y = 0; y < height; ++y) {
                for (int x = 0; x < width; ++x) REQUIRE(to.at(x, y, c) == alone.at(x, y));
            }
        }
    }
}

TEST_CASE("resample: results do not depend on what was resampled before") {
    std::mt19937 random(7);
    Picture from = make_picture(20, 20, 1, random);
    const Bytes first = resampled(Filter::lanczos, from, 33, 17, best_isa()).memory;
    for (int side = 1; side < 60; ++side) resampled(Filter::lanczos, from, side, side, best_isa());
    CHECK(resampled(Filter::lanczos, from, 33, 17, best_isa()).memory == first);
}

TEST_CASE("resample: impossible sizes are refused") {
    std::uint8_t pixel[8] = {};
    const auto attempt = [&](int width, int height, int to_width, int to_height, int channels) {
        resample(Filter::bicubic, pixel, 4, width, height, pixel + 4, 4, to_width, to_height,
                 channels);
    };
    CHECK_THROWS_AS(attempt(0, 1, 1, 1, 1), std::invalid_argument);
    CHECK_THROWS_AS(attempt(1, 1, 1, -1, 1), std::invalid_argument);
    CHECK_THROWS_AS(attempt(1, 1, 1, 70000, 1), std::invalid_argument);
    CHECK_THROWS_AS(attempt(1, 1, 1, 1, 3), std::invalid_argument);
}

}  // namespace livesr
