// Quality metrics against direct evaluations of their definitions.
#include "core/picture/metrics.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "../bytes.h"

namespace livesr {
namespace {

using test::Bytes;
using test::Fill;

double dense_ssim(const Bytes& a, const Bytes& b, int width, int height) {
    return ssim(a.data(), width, b.data(), width, width, height);
}

// Wang et al. 2004, window by window, in double precision.
double textbook_ssim(const Bytes& a, const Bytes& b, int width, int height) {
    double weights[11][11], total = 0;
    for (int j = 0; j < 11; ++j) {
        for (int i = 0; i < 11; ++i) {
            weights[j][i] = std::exp(-((i - 5) * (i - 5) + (j - 5) * (j - 5)) / (2 * 1.5 * 1.5));
            total += weights[j][i];
        }
    }
    double sum = 0;
    for (int y = 0; y + 11 <= height; ++y) {
        for (int x = 0; x + 11 <= width; ++x) {
            double ma = 0, mb = 0, aa = 0, bb = 0, ab = 0;
            for (int j = 0; j < 11; ++j) {
                for (int i = 0; i < 11; ++i) {
                    const auto at = static_cast<std::size_t>((y + j) * width + x + i);
                    const double w = weights[j][i] / total, p = a[at], q = b[at];
                    ma += w * p;
                    mb += w * q;
                    aa += w * p * p;
                    bb += w * q * q;
                    ab += w * p * q;
                }
            }
            const double c1 = 6.5025, c2 = 58.5225;
            sum += (2 * ma * mb + c1) * (2 * (ab - ma * mb) + c2) /
                   ((ma * ma + mb * mb + c1) * (aa - ma * ma + bb - mb * mb + c2));
        }
    }
    return sum / ((width - 10) * (height - 10));
}

// Something with structure: smooth shapes that noise can be added to.
Bytes scene(int width, int height) {
    Bytes pixels;
    for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
            pixels.push_back(static_cast<std::uint8_t>(
                128 + 90 * std::sin(0.31 * x) * std::cos(0.17 * y) + ((x / 8 + y / 8) % 2) * 30));
        }
    }
    return pixels;
}

Bytes noisy(Bytes pixels, int amplitude, std::mt19937& random) {
    for (std::uint8_t& v : pixels) {
        const int noise = static_cast<int>(random() % static_cast<unsigned>(2 * amplitude + 1));
        v = static_cast<std::uint8_t>(std::clamp(v + noise - amplitude, 0, 255));
    }
    return pixels;
}

}  // namespace

TEST_CASE("squared error: every path counts what the definition says") {
    std::mt19937 random(1);
    for (const int width : {1, 15, 16, 31, 32, 33, 64, 100, 257}) {
        for (const Fill fill : test::all_fills) {
            const int height = 5, stride_a = width + 3, stride_b = width + 11;
            const Bytes a =
                test::random_bytes(static_cast<std::size_t>(stride_a * height), random, fill);
            const Bytes b = test::random_bytes(static_cast<std::size_t>(stride_b * height), random);
            std::uint64_t want = 0;
            for (int y = 0; y < height; ++y) {
                for (int x = 0; x < width; ++x) {
                    const int d = a[static_cast<std::size_t>(y * stride_a + x)] -
                                  b[static_cast<std::size_t>(y * stride_b + x)];
                    want += static_cast<std::uint64_t>(d * d);
                }
            }
            for (const Isa isa : {Isa::reference, Isa::avx2, Isa::avx512, Isa::avx512vnni}) {
                if (!supported(isa)) continue;
                CHECK(squared_error(a.data(), stride_a, b.data(), stride_b, width, height, isa) ==
                      want);
            }
        }
    }
}

TEST_CASE("squared error: the largest error in the longest row does not overflow") {
    const int width = 3'000'001;
    const Bytes a(static_cast<std::size_t>(width), 0), b(static_cast<std::size_t>(width), 255);
    for (const Isa isa : {Isa::reference, Isa::avx2, Isa::avx512, Isa::avx512vnni}) {
        if (!supported(isa)) continue;
        CHECK(squared_error(a.data(), width, b.data(), width, width, 1, isa) ==
              std::uint64_t{65025} * static_cast<std::uint64_t>(width));
    }
}

TEST_CASE("PSNR: known values, and 100 dB for identical pictures") {
    CHECK(psnr_db(1.0) == doctest::Approx(48.1308).epsilon(1e-6));
    CHECK(psnr_db(65025.0) == doctest::Approx(0.0));
    CHECK(psnr_db(0.0) == 100.0);
    CHECK(psnr_db(1e-12) == 100.0);
}

TEST_CASE("SSIM: agrees with the definition evaluated window by window") {
    std::mt19937 random(2);
    for (const auto& [width, height] : {std::pair{11, 11}, {12, 30}, {57, 23}, {64, 48}}) {
        const Bytes clean = scene(width, height);
        const auto size = clean.size();
        for (const Bytes& other :
             {noisy(clean, 3, random), noisy(clean, 40, random),
              test::random_bytes(size, random, Fill::extremes), Bytes(size, 0)}) {
            CHECK(dense_ssim(clean, other, width, height) ==
                  doctest::Approx(textbook_ssim(clean, other, width, height)).epsilon(2e-5));
        }
    }
}

TEST_CASE("SSIM: flat pictures keep their precision where variances cancel") {
    const Bytes black(400, 0), white(400, 255), nearly(400, 254);
    CHECK(dense_ssim(white, nearly, 20, 20) ==
          doctest::Approx(textbook_ssim(white, nearly, 20, 20)).epsilon(2e-5));
    CHECK(dense_ssim(black, white, 20, 20) ==
          doctest::Approx(textbook_ssim(black, white, 20, 20)).epsilon(2e-5));
}

TEST_CASE("SSIM: identical pictures give 1, order does not matter, more noise is worse") {
    std::mt19937 random(3);
    const Bytes clean = scene(50, 40);
    const Bytes little = noisy(clean, 4, random), much = noisy(clean, 30, random);
    CHECK(dense_ssim(clean, clean, 50, 40) == doctest::Approx(1.0).epsilon(1e-6));
    CHECK(dense_ssim(clean, little, 50, 40) == dense_ssim(little, clean, 50, 40));
    CHECK(dense_ssim(clean, little, 50, 40) > dense_ssim(clean, much, 50, 40));
}

TEST_CASE("SSIM: strides are honoured") {
    std::mt19937 random(4);
    const Bytes a = scene(40, 30), b = noisy(a, 20, random);
    Bytes wide(60 * 30, 7);
    for (std::size_t y = 0; y < 30; ++y) std::copy_n(b.data() + y * 40, 40, wide.data() + y * 60);
    CHECK(ssim(a.data(), 40, wide.data(), 60, 40, 30) == dense_ssim(a, b, 40, 30));
}

TEST_CASE("SSIM: a picture smaller than the window gets the global index") {
    const Bytes a = {10, 20, 30, 40}, b = {12, 18, 33, 41};
    // Means 25 and 26, variances 125 and 133.5, covariance 127.5.
    const double want = (2 * 25 * 26 + 6.5025) * (2 * 127.5 + 58.5225) /
                        ((625 + 676 + 6.5025) * (125 + 133.5 + 58.5225));
    CHECK(dense_ssim(a, b, 2, 2) == doctest::Approx(want).epsilon(1e-12));
}

}  // namespace livesr
