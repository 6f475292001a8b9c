// Luma JPEG of packet.h, by libturbojpeg.
#include <turbojpeg.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "core/patch/packet.h"

namespace livesr {
namespace {

struct DestroyHandle {
    void operator()(void* handle) const { tjDestroy(handle); }
};
struct FreeBuffer {
    void operator()(unsigned char* buffer) const { tjFree(buffer); }
};
// One for each picture: it costs a tenth of a microsecond, and a decompressor that has seen a bad
// Huffman table refuses every good JPEG after it (libjpeg-turbo 2.1).
using Handle = std::unique_ptr<void, DestroyHandle>;

// Whether the first frame header says baseline, 8 bits, one component, width x height. libjpeg
// would decode progressive and other processes too, whose cost a small file can drive up.
bool is_baseline_luma(std::span<const std::uint8_t> b, int width, int height) {
    if (b.size() < 4 || b[0] != 0xFF || b[1] != 0xD8) return false;
    std::size_t at = 2;
    while (b.size() - at >= 4 && b[at] == 0xFF) {
        const std::uint8_t marker = b[at + 1];
        const std::size_t length = std::size_t{b[at + 2]} << 8 | b[at + 3];  // itself included
        if (marker == 0xC0) {
            return length == 11 && b.size() - at >= 13 && b[at + 4] == 8 &&
                   (b[at + 5] << 8 | b[at + 6]) == height &&
                   (b[at + 7] << 8 | b[at + 8]) == width && b[at + 9] == 1;
        }
        // Before the frame header only tables, application data and comments may stand.
        const bool skippable = marker == 0xDB || marker == 0xC4 || marker == 0xDD ||
                               marker == 0xFE || (marker >= 0xE0 && marker <= 0xEF);
        if (!skippable || length < 2 || b.size() - at - 2 < length) return false;
        at += 2 + length;
    }
    return false;
}

}  // namespace

std::vector<std::uint8_t> encode_jpeg_luma(const std::uint8_t* src, std::ptrdiff_t stride,
                                           int width, int height, int quality) {
    if (quality < 1 || quality > 100) {
        throw std::invalid_argument("JPEG quality " + std::to_string(quality) +
                                    " is outside 1 to 100");
    }
    const Handle compressor(tjInitCompress());
    if (!compressor) throw std::runtime_error("libturbojpeg gives no compressor");
    unsigned char* data = nullptr;
    unsigned long size = 0;
    const int failed =
        tjCompress2(compressor.get(), src, width, static_cast<int>(stride), height, TJPF_GRAY,
                    &data, &size, TJSAMP_GRAY, quality, TJFLAG_ACCURATEDCT);
    const std::unique_ptr<unsigned char, FreeBuffer> owned(data);
    if (failed != 0) {
        throw std::invalid_argument(
            "JPEG of " + std::to_string(width) + "x" + std::to_string(height) + " at quality " +
            std::to_string(quality) + ": " + tjGetErrorStr2(compressor.get()));
    }
    return {data, data + size};
}

std::optional<std::vector<std::uint8_t>> decode_jpeg_luma(std::span<const std::uint8_t> bytes,
                                                          int width, int height) {
    if (width < 1 || height < 1 || !is_baseline_luma(bytes, width, height)) return std::nullopt;
    const Handle decompressor(tjInitDecompress());
    if (!decompressor) return std::nullopt;
    int coded_width = 0, coded_height = 0, subsampling = 0, colourspace = 0;
    if (tjDecompressHeader3(decompressor.get(), bytes.data(), bytes.size(), &coded_width,
                            &coded_height, &subsampling, &colourspace) != 0 ||
        coded_width != width || coded_height != height || colourspace != TJCS_GRAY) {
        return std::nullopt;
    }
    std::vector<std::uint8_t> pixels(static_cast<std::size_t>(width) *
                                     static_cast<std::size_t>(height));
    // A warning is a picture that libjpeg had to make up in part.
    if (tjDecompress2(decompressor.get(), bytes.data(), bytes.size(), pixels.data(), width, width,
                      height, TJPF_GRAY, TJFLAG_ACCURATEDCT | TJFLAG_STOPONWARNING) != 0) {
        return std::nullopt;
    }
    return pixels;
}

}  // namespace livesr
