// Luma JPEG. The first two bytes of the input are the promised width and height less one, each in
// steps of two; the rest is the file.
#include <vector>

#include "core/patch/packet.h"
#include "targets.h"

namespace livesr::fuzz {
namespace {

// A picture may be bad, but not for those after it.
void check_next_one() {
    static const std::vector<std::uint8_t> grey(64, 128);
    static const std::vector<std::uint8_t> good = encode_jpeg_luma(grey.data(), 8, 8, 8, 90);
    require(decode_jpeg_luma(good, 8, 8) == grey, "the next picture is read");
}

}  // namespace

void jpeg(Input input) {
    if (input.size() < 2) return;
    const int width = 1 + 2 * input[0];
    const int height = 1 + 2 * input[1];
    const std::vector<std::uint8_t> file(input.begin() + 2, input.end());
    const auto pixels = decode_jpeg_luma(file, width, height);
    check_next_one();
    if (!pixels) return;
    require(pixels->size() == static_cast<std::size_t>(width) * static_cast<std::size_t>(height),
            "a picture of the promised size");
    require(decode_jpeg_luma(file, width, height) == pixels, "the same file, the same picture");
    const auto again = encode_jpeg_luma(pixels->data(), width, width, height, 90);
    require(decode_jpeg_luma(again, width, height).has_value(), "what we encode we decode");
}

}  // namespace livesr::fuzz
