// Residual patches. The first four bytes choose scale, size and step, the next ones are the crop,
// the rest is the payload, which gets the crop's checksum: random bytes hardly ever have it.
#include <algorithm>
#include <vector>

#include "core/patch/crc32.h"
#include "core/patch/residual.h"
#include "targets.h"

namespace livesr::fuzz {

void residual(Input input) {
    if (input.size() < 4) return;
    LowCrop low;
    low.scale = 1 + input[0] % 4;
    // Up to four blocks: all that a block can see of others.
    low.width = low.scale * (1 + input[1] % (16 / low.scale));
    low.height = low.scale * (1 + input[2] % (16 / low.scale));
    // Writing is not hostile: now and then is enough.
    const bool writes = input[0] / 4 % 16 == 0;
    const int step = std::max(least_residual_step, int{input[3]});
    input = input.subspan(4);

    std::vector<std::uint8_t> pixels(
        static_cast<std::size_t>(low.width / low.scale + 2 * residual_margin) *
        static_cast<std::size_t>(low.height / low.scale + 2 * residual_margin));
    // A few bytes of the input, over and over: most of it is the payload's.
    const Input texture = input.first(std::min<std::size_t>(input.size(), 6));
    for (std::size_t i = 0; i < pixels.size() && !texture.empty(); ++i) {
        pixels[i] = texture[i % texture.size()];
    }
    low.pixels = pixels;
    input = input.subspan(texture.size());

    // A copy of exactly that size, so that the sanitizer sees a read beyond it.
    std::vector<std::uint8_t> payload;
    const std::uint32_t sum = crc32(pixels);
    for (int shift = 24; shift >= 0; shift -= 8) {
        payload.push_back(static_cast<std::uint8_t>(sum >> shift));
    }
    payload.insert(payload.end(), input.begin(), input.end());
    const auto size = static_cast<std::size_t>(low.width) * static_cast<std::size_t>(low.height);
    const auto decoded = decode_residual(payload, low, step);
    require(!decoded || decoded->size() == size, "a picture is as large as it says");
    // Whatever is expected, the same payloads are pictures.
    const std::vector<std::uint8_t> expected(size, payload.back());
    const auto read = decode_residual(payload, low, step, expected);
    require(read.has_value() == decoded.has_value(), "an expectation refuses nothing");

    payload[0] ^= 1;
    require(!decode_residual(payload, low, step), "a payload of another crop is refused");

    if (!writes) return;
    // The input as a picture: what was encoded can be decoded.
    std::vector<std::uint8_t> high(size);
    for (std::size_t i = 0; i < size && !input.empty(); ++i) high[i] = input[i % input.size()];
    const auto written = encode_residual(high.data(), low.width, low, step);
    const auto again = decode_residual(written, low, step);
    require(again && again->size() == size, "what was encoded can be decoded");
    for (std::size_t i = 0; i < size; ++i) {
        // 64 coefficients, each off by at most 0.63 of a step.
        require(std::abs((*again)[i] - high[i]) <= 8 * 0.63 * step + 2, "within the error");
    }
}

}  // namespace livesr::fuzz
