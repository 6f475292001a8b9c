// Luma JPEG: what comes back, and what is refused.
#include <doctest/doctest.h>
#include <turbojpeg.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "../bytes.h"
#include "core/patch/packet.h"
#include "core/picture/metrics.h"

namespace livesr {
namespace {

using test::Bytes;

// Smooth, with edges.
Bytes picture(int width, int height) {
    Bytes pixels;
    for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
            pixels.push_back(
                static_cast<std::uint8_t>((x * 3 + y * 2 + ((x / 7 + y / 5) % 2) * 40) % 256));
        }
    }
    return pixels;
}

// What libjpeg makes of it when asked for something else than we write.
Bytes foreign_jpeg(const Bytes& pixels, int width, int height, int format, int subsampling,
                   int flags) {
    const tjhandle compressor = tjInitCompress();
    unsigned char* data = nullptr;
    unsigned long size = 0;
    REQUIRE(tjCompress2(compressor, pixels.data(), width, 0, height, format, &data, &size,
                        subsampling, 90, flags) == 0);
    const Bytes result(data, data + size);
    tjFree(data);
    tjDestroy(compressor);
    return result;
}

// Offset of the frame header's marker.
std::size_t frame_header(const Bytes& jpeg) {
    for (std::size_t i = 2; i + 1 < jpeg.size(); ++i) {
        if (jpeg[i] == 0xFF && jpeg[i + 1] == 0xC0) return i;
    }
    FAIL("no frame header");
    return 0;
}

}  // namespace

TEST_CASE("JPEG: a patch comes back within what its quality promises, at any size and stride") {
    for (const auto& [width, height] :
         {std::pair{120, 120}, {1, 1}, {7, 33}, {512, 512}, {16, 8}}) {
        const Bytes pixels = picture(width + 5, height);
        const Bytes jpeg = encode_jpeg_luma(pixels.data(), width + 5, width, height, 95);
        const auto back = decode_jpeg_luma(jpeg, width, height);
        REQUIRE(back);
        REQUIRE(back->size() == static_cast<std::size_t>(width * height));
        const auto error =
            squared_error(pixels.data(), width + 5, back->data(), width, width, height);
        CHECK(psnr_db(static_cast<double>(error) / (width * height)) > 36);
    }
}

TEST_CASE("JPEG: higher quality is closer and costs more") {
    const Bytes pixels = picture(120, 120);
    std::uint64_t last_error = UINT64_MAX;
    std::size_t last_size = 0;
    for (const int quality : {10, 50, 95, 100}) {
        const Bytes jpeg = encode_jpeg_luma(pixels.data(), 120, 120, 120, quality);
        const auto back = decode_jpeg_luma(jpeg, 120, 120);
        REQUIRE(back);
        const auto error = squared_error(pixels.data(), 120, back->data(), 120, 120, 120);
        CHECK(error < last_error);
        CHECK(jpeg.size() > last_size);
        last_error = error;
        last_size = jpeg.size();
    }
}

TEST_CASE("JPEG: one that is not of the promised size is refused") {
    const Bytes pixels = picture(64, 48);
    const Bytes jpeg = encode_jpeg_luma(pixels.data(), 64, 64, 48, 90);
    CHECK(decode_jpeg_luma(jpeg, 64, 48));
    for (const auto& [width, height] :
         {std::pair{48, 64}, {63, 48}, {64, 49}, {1, 1}, {0, 0}, {-64, 48}, {65535, 65535}}) {
        CHECK_FALSE(decode_jpeg_luma(jpeg, width, height));
    }
}

TEST_CASE("JPEG: one that lies about its size in its frame header is refused") {
    const Bytes pixels = picture(64, 48);
    Bytes jpeg = encode_jpeg_luma(pixels.data(), 64, 64, 48, 90);
    // Claims 512x512 pixels, and carries the data of 64x48.
    const std::size_t at = frame_header(jpeg);
    jpeg[at + 5] = jpeg[at + 7] = 2;
    jpeg[at + 6] = jpeg[at + 8] = 0;
    CHECK_FALSE(decode_jpeg_luma(jpeg, 512, 512));
    CHECK_FALSE(decode_jpeg_luma(jpeg, 64, 48));
}

TEST_CASE("JPEG: colour and progressive files are refused") {
    const Bytes rgb = picture(64 * 3, 64), grey = picture(64, 64);
    CHECK_FALSE(decode_jpeg_luma(foreign_jpeg(rgb, 64, 64, TJPF_RGB, TJSAMP_420, 0), 64, 64));
    CHECK_FALSE(decode_jpeg_luma(foreign_jpeg(rgb, 64, 64, TJPF_RGB, TJSAMP_444, 0), 64, 64));
    CHECK_FALSE(decode_jpeg_luma(
        foreign_jpeg(grey, 64, 64, TJPF_GRAY, TJSAMP_GRAY, TJFLAG_PROGRESSIVE), 64, 64));
    CHECK(decode_jpeg_luma(foreign_jpeg(grey, 64, 64, TJPF_GRAY, TJSAMP_GRAY, 0), 64, 64));
}

TEST_CASE("JPEG: cut off anywhere it is refused") {
    const Bytes pixels = picture(40, 40);
    const Bytes whole = encode_jpeg_luma(pixels.data(), 40, 40, 40, 80);
    // Without its last two bytes, the end marker, all pixels are there; libjpeg calls that a
    // warning.
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        CAPTURE(size);
        REQUIRE_FALSE(decode_jpeg_luma(part, 40, 40));
    }
}

TEST_CASE("JPEG: damaged and random bytes give a picture of the right size or none") {
    std::mt19937 random(1);
    const Bytes pixels = picture(48, 48);
    const Bytes whole = encode_jpeg_luma(pixels.data(), 48, 48, 48, 80);
    int refused = 0;
    for (int round = 0; round < 3000; ++round) {
        Bytes bytes = whole;
        for (unsigned hits = 1 + random() % 4; hits > 0; --hits) {
            bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
        }
        if (round % 10 == 0) bytes = test::random_bytes(random() % 300, random);
        const auto back = decode_jpeg_luma(bytes, 48, 48);
        if (back) REQUIRE(back->size() == 48 * 48);
        refused += back ? 0 : 1;
        // Nothing of it is left behind for the next one.
        REQUIRE(decode_jpeg_luma(whole, 48, 48));
    }
    CHECK(refused > 300);
}

TEST_CASE("JPEG: what cannot be encoded is an error that says so") {
    const std::uint8_t pixel = 0;
    CHECK_THROWS_AS(encode_jpeg_luma(&pixel, 1, 0, 1, 95), std::invalid_argument);
    CHECK_THROWS_AS(encode_jpeg_luma(&pixel, 1, 1, 1, 0), std::invalid_argument);
    CHECK_THROWS_AS(encode_jpeg_luma(&pixel, 1, 1, 1, 101), std::invalid_argument);
}

}  // namespace livesr
