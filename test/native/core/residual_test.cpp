// The residual codec: what comes back, golden bytes, and every way of being wrong.
#include "core/patch/residual.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>

#include "../bytes.h"
#include "core/patch/bit_mixer.h"
#include "core/patch/packet.h"
#include "core/patch/range_coder.h"
#include "core/picture/crop.h"
#include "core/picture/resample.h"

namespace livesr {
namespace {

using nlohmann::json;
using test::Bytes;
using test::from_hex;

// A patch of `width` x `height` and the crop under it; the difference between the two is noise that
// gets stronger with `strength`, and an edge.
struct Pair {
    Bytes high;
    Bytes around;
    int width;
    int height;
    int scale;

    LowCrop low() const { return {around, width, height, scale}; }
};

Pair make_pair(int width, int height, int scale, int strength, std::mt19937& random) {
    Pair pair{{}, {}, width, height, scale};
    const int low_width = width / scale + 2 * residual_margin;
    const int low_height = height / scale + 2 * residual_margin;
    for (int y = 0; y < low_height; ++y) {
        for (int x = 0; x < low_width; ++x) {
            const double wave = 60 * std::sin(x * 0.3) + 40 * std::cos(y * 0.2);
            pair.around.push_back(static_cast<std::uint8_t>(128 + wave));
        }
    }
    const Bytes base = enlarge(pair.low());
    for (std::size_t i = 0; i < base.size(); ++i) {
        const int noise =
            strength == 0
                ? 0
                : static_cast<int>(random() % static_cast<unsigned>(2 * strength + 1)) - strength;
        const int edge = i % static_cast<std::size_t>(width) < 7 ? strength : 0;
        pair.high.push_back(static_cast<std::uint8_t>(std::clamp(base[i] + noise + edge, 0, 255)));
    }
    return pair;
}

Bytes encode(const Pair& pair, int step) {
    return encode_residual(pair.high.data(), pair.width, pair.low(), step);
}

double mean_squared_error(const Bytes& a, const Bytes& b) {
    REQUIRE(a.size() == b.size());
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum / static_cast<double>(a.size());
}

const json& golden() {
    static const json document = [] {
        const Bytes text = test::read_file(LIVESR_TEST_DIR "/golden/residual.json");
        return json::parse(text.begin(), text.end());
    }();
    return document;
}

}  // namespace

TEST_CASE("range coder: bits come back under any probabilities") {
    std::mt19937 random(1);
    for (int round = 0; round < 300; ++round) {
        const unsigned ones = random() % 101;
        std::vector<bool> bits(random() % 3000);
        for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = random() % 100 < ones;
        std::vector<std::uint32_t> probabilities(bits.size());
        for (std::uint32_t& one : probabilities) one = random() % 65537;
        RangeEncoder encoder;
        for (std::size_t i = 0; i < bits.size(); ++i) {
            if (i % 11 == 0) {
                encoder.even(bits[i]);
            } else {
                encoder.bit(probabilities[i], bits[i]);
            }
        }
        const Bytes bytes = encoder.finish();
        RangeDecoder decoder(bytes);
        for (std::size_t i = 0; i < bits.size(); ++i) {
            REQUIRE((i % 11 == 0 ? decoder.even() : decoder.bit(probabilities[i])) == bits[i]);
        }
        REQUIRE(decoder.used_up());
    }
}

TEST_CASE("bit mixer: bits that follow one context come to be expected, whatever others say") {
    std::mt19937 random(2);
    std::array<residual::Estimate, 6> estimates;
    std::array<std::int32_t, 3> weights = {16384, 16384, 16384};
    double cost = 0;
    for (int i = 0; i < 3000; ++i) {
        const bool bit = random() % 2 == 0;
        residual::Prediction<3> prediction(
            {&estimates[bit ? 0 : 1], &estimates[2 + random() % 2], &estimates[4 + random() % 2]},
            weights.data());
        const double one = prediction.one() / 65536.0;
        if (i >= 2000) cost -= std::log2(bit ? one : 1 - one);
        prediction.learn(bit);
    }
    CHECK(cost < 30);
    CHECK(weights[0] > 2 * std::abs(weights[1]));
}

TEST_CASE("bit mixer: probabilities stay within bounds under bits that no encoder writes") {
    std::mt19937 random(3);
    std::array<residual::Estimate, 4> estimates;
    std::array<std::int32_t, 2> weights = {1 << 30, -(1 << 30)};
    for (int i = 0; i < 100000; ++i) {
        residual::Prediction<2> prediction({&estimates[random() % 2], &estimates[2 + random() % 2]},
                                           weights.data());
        REQUIRE(prediction.one() > 0);
        REQUIRE(prediction.one() < 65536);
        // Always what was least expected.
        prediction.learn(prediction.one() < 32768);
    }
}

TEST_CASE("residual: the enlargement of a crop is the whole picture's") {
    std::mt19937 random(2);
    for (const int scale : {1, 2, 3, 4}) {
        const int width = 40;
        const int height = 32;
        const Bytes picture = test::random_bytes(static_cast<std::size_t>(width * height), random);
        Bytes whole(picture.size() * static_cast<std::size_t>(scale * scale));
        resample(Filter::bicubic, picture.data(), width, width, height, whole.data(), width * scale,
                 width * scale, height * scale);
        // At the corners and inside.
        for (const auto& [x, y] : {std::pair{0, 0}, {28, 20}, {9, 5}}) {
            const Bytes around =
                crop({picture.data(), width, width, height}, x, y, 12, 12, residual_margin);
            const Bytes piece = enlarge({around, 12 * scale, 12 * scale, scale});
            for (int row = 0; row < 12 * scale; ++row) {
                const auto* want = whole.data() +
                                   static_cast<std::ptrdiff_t>(y * scale + row) * width * scale +
                                   x * scale;
                REQUIRE(std::equal(want, want + 12 * scale, piece.data() + row * 12 * scale));
            }
        }
    }
}

TEST_CASE("residual: any size, scale and step comes back within the quantiser's error") {
    std::mt19937 random(3);
    for (int round = 0; round < 250; ++round) {
        const int scale = 1 + static_cast<int>(random() % 4);
        const int width = scale * (1 + static_cast<int>(random() % 50));
        const int height = scale * (1 + static_cast<int>(random() % 50));
        const int step = least_residual_step + static_cast<int>(random() % 255);
        const Pair pair = make_pair(width, height, scale, static_cast<int>(random() % 120), random);
        const auto back = decode_residual(encode(pair, step), pair.low(), step);
        REQUIRE(back);
        // No coefficient is off by more than 0.62 of a step, and rounding adds 1/12 and 1/12.
        REQUIRE(mean_squared_error(*back, pair.high) <= std::pow(0.63 * step, 2) + 0.3);
    }
}

TEST_CASE("residual: without a loss at step 1, and a perfect prediction takes hardly a byte") {
    std::mt19937 random(4);
    const Pair noisy = make_pair(120, 120, 2, 90, random);
    const auto back = decode_residual(encode(noisy, 1), noisy.low(), 1);
    REQUIRE(back);
    CHECK(mean_squared_error(*back, noisy.high) < 0.2);
    const Pair perfect = make_pair(120, 120, 2, 0, random);
    CHECK(encode(perfect, 26).size() <= 4 + 8);
    CHECK(decode_residual(encode(perfect, 26), perfect.low(), 26) == perfect.high);
}

TEST_CASE("residual: the step follows the error that a patch corrects, and what it costs as JPEG") {
    std::mt19937 random(9);
    const auto fitting = [&](int strength) {
        const Pair pair = make_pair(120, 120, 2, strength, random);
        const auto [step, payload] =
            encode_fitting_residual(pair.high.data(), pair.width, pair.low());
        CHECK(payload == encode(pair, step));
        return step;
    };
    CHECK(fitting(0) == 4);
    // Even noise of +-9 has a root mean square of 5.5, and the edge adds some.
    CHECK(fitting(9) >= std::floor(1.5 * 5.5));
    CHECK(fitting(9) <= std::ceil(4.6 * 5.8));
    CHECK(fitting(120) == 64);
}

TEST_CASE("residual: an error at edges gets more of its JPEG's bytes than one spread as noise is") {
    std::mt19937 random(11);
    const auto part_of_jpeg = [](const Pair& pair) {
        const auto fitting = encode_fitting_residual(pair.high.data(), pair.width, pair.low());
        const Bytes jpeg =
            encode_jpeg_luma(pair.high.data(), pair.width, pair.width, pair.height, 95);
        return static_cast<double>(fitting.payload.size()) / static_cast<double>(jpeg.size());
    };
    Pair edges = make_pair(120, 120, 2, 0, random);
    for (std::size_t y = 0; y < 120; ++y) {
        for (const std::size_t x : {13U, 45U, 46U, 90U}) {
            edges.high[y * 120 + (x + y / 3) % 120] += 40;
        }
    }
    CHECK(part_of_jpeg(edges) > 1.5 * part_of_jpeg(make_pair(120, 120, 2, 12, random)));
}

TEST_CASE("residual: the largest differences there are survive") {
    for (const std::uint8_t low : {0, 255}) {
        const Bytes around(16 * 16, low);
        Bytes high(24 * 24);
        for (std::size_t i = 0; i < high.size(); ++i) {
            high[i] = i / 24 / 8 % 2 == 0 ? static_cast<std::uint8_t>(255 - low)
                                          : static_cast<std::uint8_t>(i % 2 == 0 ? 0 : 255);
        }
        const LowCrop crop{around, 24, 24, 2};
        for (const int step : {1, 26, 255}) {
            const auto back =
                decode_residual(encode_residual(high.data(), 24, crop, step), crop, step);
            REQUIRE(back);
            CHECK(mean_squared_error(*back, high) <= std::pow(0.63 * step, 2) + 0.3);
        }
    }
}

TEST_CASE("residual: golden payloads are written, and read as the golden pixels") {
    for (const json& want : golden()["patches"]) {
        CAPTURE(want["name"].get<std::string>());
        const Bytes around = from_hex(want["low"]);
        const Bytes high = from_hex(want["high"]);
        const int width = want["width"];
        const LowCrop low{around, width, want["height"], want["scale"]};
        const int step = want["step"];
        CHECK(encode_residual(high.data(), width, low, step) == from_hex(want["payload"]));
        const auto back = decode_residual(from_hex(want["payload"]), low, step);
        REQUIRE(back);
        CHECK(*back == from_hex(want["decoded"]));
    }
}

TEST_CASE("residual: what is expected of a patch brings back detail that the quantiser took") {
    std::mt19937 random(10);
    const int step = 30;
    const Pair pair = make_pair(120, 120, 2, 12, random);
    const Bytes payload = encode(pair, step);
    const double plain = mean_squared_error(*decode_residual(payload, pair.low(), step), pair.high);
    // Half right: the original's detail mixed with other detail of the same strength.
    const Pair other = make_pair(120, 120, 2, 12, random);
    const Bytes base = enlarge(pair.low());
    const Bytes other_base = enlarge(other.low());
    Bytes half_right(pair.high.size());
    for (std::size_t i = 0; i < half_right.size(); ++i) {
        const int detail = (pair.high[i] - base[i] + other.high[i] - other_base[i]) / 2;
        half_right[i] = static_cast<std::uint8_t>(std::clamp(base[i] + detail, 0, 255));
    }
    const auto helped = decode_residual(payload, pair.low(), step, half_right);
    REQUIRE(helped);
    CHECK(mean_squared_error(*helped, pair.high) < 0.9 * plain);
    // Whoever expects the enlargement expects nothing.
    CHECK(mean_squared_error(*decode_residual(payload, pair.low(), step, base), pair.high) <
          1.05 * plain);
    CHECK_THROWS_AS(decode_residual(payload, pair.low(), step, Bytes(7)), std::invalid_argument);
}

TEST_CASE("residual: a wrong expectation never takes a coefficient off what was sent") {
    std::mt19937 random(11);
    for (int round = 0; round < 100; ++round) {
        const int scale = 1 + static_cast<int>(random() % 4);
        const int step = least_residual_step + static_cast<int>(random() % 255);
        const Pair pair = make_pair(scale * (1 + static_cast<int>(random() % 40)),
                                    scale * (1 + static_cast<int>(random() % 40)), scale,
                                    static_cast<int>(random() % 120), random);
        const Bytes wild = test::random_bytes(pair.high.size(), random);
        const auto back = decode_residual(encode(pair, step), pair.low(), step, wild);
        REQUIRE(back);
        // A quarter of a step beyond the quantiser's 0.62, and the outward reading's 3/16.
        REQUIRE(mean_squared_error(*back, pair.high) <= std::pow(0.88 * step, 2) + 0.6);
    }
}

TEST_CASE("residual: a payload of another crop is told by its checksum") {
    std::mt19937 random(5);
    Pair pair = make_pair(64, 48, 2, 30, random);
    const Bytes payload = encode(pair, 26);
    CHECK(is_residual_of(payload, pair.low()));
    for (std::size_t i = 0; i < pair.around.size(); i += 7) {
        pair.around[i] ^= 1;
        CHECK_FALSE(is_residual_of(payload, pair.low()));
        CHECK_FALSE(decode_residual(payload, pair.low(), 26));
        pair.around[i] ^= 1;
    }
    CHECK_FALSE(is_residual_of(Bytes{1, 2, 3}, pair.low()));
    CHECK_FALSE(is_residual_of({}, pair.low()));
}

TEST_CASE("residual: a payload that is cut off or goes on too long is refused") {
    std::mt19937 random(6);
    const Pair pair = make_pair(96, 96, 3, 60, random);
    const Bytes whole = encode(pair, 20);
    REQUIRE(whole.size() > 500);
    std::size_t refused = 0;
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        if (!decode_residual(part, pair.low(), 20)) ++refused;
    }
    // A decoder reads on with zeros, and the wrong levels that it finds may end early: only then is
    // the cut not seen here (the packet's checksum sees it).
    CHECK(refused > whole.size() * 9 / 10);
    Bytes longer = whole;
    longer.insert(longer.end(), 5, 0x11);
    CHECK_FALSE(decode_residual(longer, pair.low(), 20));
}

TEST_CASE("residual: damaged bits end, in a picture of the right size or in none") {
    std::mt19937 random(7);
    const Pair pair = make_pair(80, 64, 2, 50, random);
    const Bytes whole = encode(pair, 24);
    int pictures = 0;
    for (int round = 0; round < 4000; ++round) {
        Bytes damaged = whole;
        for (unsigned n = 1 + random() % 4; n > 0; --n) {
            damaged[4 + random() % (damaged.size() - 4)] ^=
                static_cast<std::uint8_t>(1U << (random() % 8));
        }
        if (const auto back = decode_residual(damaged, pair.low(), 24)) {
            REQUIRE(back->size() == pair.high.size());
            ++pictures;
        }
        Bytes noise = test::random_bytes(random() % 300, random);
        noise.insert(noise.begin(), whole.begin(), whole.begin() + 4);
        (void)decode_residual(noise, pair.low(), 1 + static_cast<int>(random() % 255));
    }
    CHECK(pictures < 4000);
}

TEST_CASE("residual: sizes and steps that cannot be are an error, not a picture") {
    const Bytes pixels(14 * 14);
    CHECK_THROWS_AS(enlarge({pixels, 20, 22, 2}), std::invalid_argument);
    CHECK_THROWS_AS(enlarge({pixels, 21, 20, 2}), std::invalid_argument);
    CHECK_THROWS_AS(enlarge({pixels, 0, 20, 2}), std::invalid_argument);
    CHECK_THROWS_AS(enlarge({pixels, 20, 20, 5}), std::invalid_argument);
    const Bytes high(400);
    for (const int step : {0, -1, 256}) {
        CHECK_THROWS_AS(encode_residual(high.data(), 20, {pixels, 20, 20, 2}, step),
                        std::invalid_argument);
        CHECK_THROWS_AS(decode_residual(high, {pixels, 20, 20, 2}, step), std::invalid_argument);
    }
}

TEST_CASE("residual: bits are counted under the contexts that they are coded under") {
    std::mt19937 random(8);
    const Pair pair = make_pair(64, 64, 2, 40, random);
    std::vector<BitCounts> counts(residual_context_count);
    count_residual_bits(pair.high.data(), 64, pair.low(), 26, counts);
    // Whether a block is coded is asked once for each of 64 blocks, under one of the first 32
    // contexts and one of each other input's.
    std::uint32_t blocks = 0;
    for (std::size_t i = 0; i < 32; ++i) blocks += counts[i][0] + counts[i][1];
    CHECK(blocks == 64);
    std::vector<BitCounts> few(3);
    CHECK_THROWS_AS(count_residual_bits(pair.high.data(), 64, pair.low(), 26, few),
                    std::invalid_argument);
}

TEST_CASE("residual: weights are learned from a pair, the same each time") {
    std::mt19937 random(8);
    const Pair pair = make_pair(64, 64, 2, 40, random);
    const std::vector<std::uint16_t> start(residual_context_count, 32768);
    const auto learned = [&] {
        std::vector<std::int32_t> weights(residual_weight_count, 16384);
        learn_residual_weights(pair.high.data(), 64, pair.low(), 26, start, weights);
        return weights;
    };
    const auto weights = learned();
    CHECK(weights == learned());
    CHECK(std::ranges::count(weights, 16384) < 10);
    std::vector<std::int32_t> few(3);
    CHECK_THROWS_AS(learn_residual_weights(pair.high.data(), 64, pair.low(), 26, start, few),
                    std::invalid_argument);
}

}  // namespace livesr
