// Drawing, cutting windows, and the trainer that joins them with the gradient.
#include "core/network/trainer.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "core/network/enhance.h"
#include "core/network/random.h"
#include "core/network/training_window.h"
#include "core/network/weighted_draw.h"

namespace livesr {
namespace {

Network random_network(const Architecture& a, std::uint64_t seed) {
    Network network = make_network(a, seed);
    Random random(seed + 100);
    for (float& p : network.parameters) p += static_cast<float>(0.05 * random.normal());
    return network;
}

TrainingPair random_pair(const Architecture& a, int width, int height, std::uint64_t seed) {
    Random random(seed);
    const int m = margin(a);
    TrainingPair pair{width, height, {}, {}};
    pair.low.resize(
        static_cast<std::size_t>((width / a.scale + 2 * m) * (height / a.scale + 2 * m)));
    pair.high.resize(static_cast<std::size_t>(width * height));
    for (std::uint8_t& value : pair.low) value = static_cast<std::uint8_t>(random.below(256));
    for (std::uint8_t& value : pair.high) value = static_cast<std::uint8_t>(random.below(256));
    return pair;
}

// Hard-edged stripes of one direction, shrunk by averaging: what bicubic blurs and a network
// learns.
TrainingPair textured_pair(const Architecture& a, std::uint64_t seed) {
    Random random(seed);
    const double phase = 10 * random.uniform();
    const auto at = [phase](int x, int y) {
        return std::sin(0.55 * x + 0.15 * y + phase) > 0 ? 220 : 30;
    };
    const int m = margin(a);
    TrainingPair pair{48, 48, {}, {}};
    for (int y = -m; y < 48 / a.scale + m; ++y)
        for (int x = -m; x < 48 / a.scale + m; ++x) {
            int sum = 0;
            for (int i = 0; i < a.scale * a.scale; ++i)
                sum += at(x * a.scale + i % a.scale, y * a.scale + i / a.scale);
            pair.low.push_back(static_cast<std::uint8_t>(sum / (a.scale * a.scale)));
        }
    for (int y = 0; y < 48; ++y)
        for (int x = 0; x < 48; ++x) pair.high.push_back(static_cast<std::uint8_t>(at(x, y)));
    return pair;
}

// Weights from uniform numbers only, so that goldens do not hang on a library's logarithm.
Trainer trainer_with_pairs(const Architecture& a, std::uint64_t count, Isa isa,
                           std::uint64_t seed = 1) {
    Network network{a, {}};
    Random random(77);
    network.parameters.resize(parameter_count(a));
    for (float& p : network.parameters) p = static_cast<float>(0.3 * random.uniform() - 0.15);
    TrainerOptions options;
    options.window = 8;
    options.seed = seed;
    Trainer trainer(network, options, isa);
    for (std::uint64_t i = 0; i < count; ++i)
        trainer.add(textured_pair(a, i), 1.0F + static_cast<float>(i % 2));
    return trainer;
}

}  // namespace

TEST_CASE("slots are drawn as often as their weights say, through changes of weight") {
    WeightedDraw draw;
    const double weights[] = {4, 0, 1, 1, 2.5, 0, 0.5, 1, 0, 3};
    for (std::size_t i = 0; i < std::size(weights); ++i) draw.set(i, 9);
    for (std::size_t i = 0; i < std::size(weights); ++i) draw.set(i, weights[i]);
    CHECK(draw.total() == doctest::Approx(13));
    Random random(5);
    constexpr int count = 200000;
    int drawn[std::size(weights)] = {};
    for (int i = 0; i < count; ++i) ++drawn[draw.at(random.uniform())];
    for (std::size_t i = 0; i < std::size(weights); ++i) {
        const double expected = count * weights[i] / 13;
        CAPTURE(i);
        // Five deviations of a binomial count; never drawn without weight.
        CHECK(std::abs(drawn[i] - expected) <= 5 * std::sqrt(expected));
    }
}

TEST_CASE("drawing at the ends of the range stays on slots with weight") {
    WeightedDraw draw;
    for (std::size_t i = 0; i < 13; ++i) draw.set(i, i % 3 == 1 ? 0.1 : 0);
    for (const double share : {0.0, 0.25, 0.5, 0.999999, 1 - 0x1p-53})
        CHECK(draw.weight(draw.at(share)) > 0);
}

TEST_CASE("a window is cut the same on every path, whatever its turn") {
    for (const Architecture a : {Architecture{2, 8, 2}, {3, 16, 4}, {4, 8, 5}}) {
        const TrainingPair pair = random_pair(a, 36, 24, 1);
        WindowCutter plain(a, Isa::reference);
        for (unsigned bits = 0; bits < 8; ++bits) {
            const Turn turn{(bits & 1U) != 0, (bits & 2U) != 0, (bits & 4U) != 0};
            const TrainingWindow& expected = plain.cut(pair, 1, 2, 7, 4, turn);
            CHECK(expected.width == (turn.transpose ? 4 : 7));
            for (const Isa isa : {Isa::avx2, Isa::avx512, Isa::avx512vnni}) {
                if (!supported(isa)) continue;
                WindowCutter fast(a, isa);
                const TrainingWindow& actual = fast.cut(pair, 1, 2, 7, 4, turn);
                CHECK(actual.low == expected.low);
                CHECK(actual.residual == expected.residual);
            }
        }
    }
}

TEST_CASE("a turned window holds the turned samples, and its residual is truth minus bicubic") {
    const Architecture a{2, 8, 3};
    const int m = margin(a);
    const TrainingPair pair = random_pair(a, 24, 16, 1);
    const int low_stride = 12 + 2 * m;
    WindowCutter cutter(a, best_isa());
    // Transposed, then mirrored left to right: out(x, y) = in(x: y, y: last - x).
    const TrainingWindow& window = cutter.cut(pair, 3, 1, 6, 5, {true, true, false});
    REQUIRE(window.width == 5);
    REQUIRE(window.height == 6);
    const int low_width = 5 + 2 * m;
    for (int y = 0; y < 6 + 2 * m; ++y)
        for (int x = 0; x < low_width; ++x) {
            const int from_x = 3 + y;
            const int from_y = 1 + low_width - 1 - x;
            const auto from = static_cast<std::size_t>(from_y * low_stride + from_x);
            REQUIRE(window.low[static_cast<std::size_t>(y * low_width + x)] ==
                    doctest::Approx(pair.low[from] / 255.0));
        }

    // enhance_float of a network without residual is the bicubic.
    std::vector<float> bicubic(window.low.size() * 4);
    enhance_float(make_network(a, 1), window.low.data(), low_width, 6 + 2 * m, bicubic.data());
    for (int y = 0; y < 12; ++y)
        for (int x = 0; x < 10; ++x) {
            const int from_x = 2 * 3 + y;
            const int from_y = 2 * 1 + 9 - x;
            const double truth = pair.high[static_cast<std::size_t>(from_y * 24 + from_x)] / 255.0;
            const double base =
                bicubic[static_cast<std::size_t>((y + 2 * m) * 2 * low_width + x + 2 * m)];
            const double residual = window.residual[static_cast<std::size_t>(
                (y / 2 * 5 + x / 2) * 4 + y % 2 * 2 + x % 2)];
            REQUIRE(residual == doctest::Approx(truth - base).epsilon(1e-4).scale(1));
        }
}

TEST_CASE("a turned window of cells holds the turned pixels, and truth minus what was given") {
    const Architecture a{1, 8, 3};
    const int m = margin(a);
    const TrainingPair pair = random_pair(a, 48, 32, 1);
    const int low_stride = 48 + 2 * m;
    WindowCutter cutter(a, best_isa());
    // In cells. Transposed, then mirrored left to right: out(x, y) = in(x: y, y: last - x).
    const TrainingWindow& window = cutter.cut(pair, 3, 1, 6, 5, {true, true, false});
    REQUIRE(window.width == 5);
    REQUIRE(window.height == 6);
    // A pixel among the cells of a row of `columns`.
    const auto place = [](int x, int y, int columns) {
        return static_cast<std::size_t>((y / 2 * columns + x / 2) * 4 + y % 2 * 2 + x % 2);
    };
    const int low_width = 2 * 5 + 2 * m;
    for (int y = 0; y < 2 * 6 + 2 * m; ++y)
        for (int x = 0; x < low_width; ++x) {
            const int from_x = 2 * 3 + y;
            const int from_y = 2 * 1 + low_width - 1 - x;
            REQUIRE(window.low[place(x, y, low_width / 2)] ==
                    doctest::Approx(
                        pair.low[static_cast<std::size_t>(from_y * low_stride + from_x)] / 255.0));
        }
    for (int y = 0; y < 12; ++y)
        for (int x = 0; x < 10; ++x) {
            const int from_x = 2 * 3 + y;
            const int from_y = 2 * 1 + 9 - x;
            const double truth = pair.high[static_cast<std::size_t>(from_y * 48 + from_x)];
            const double given =
                pair.low[static_cast<std::size_t>((from_y + m) * low_stride + from_x + m)];
            REQUIRE(window.residual[place(x, y, 5)] ==
                    doctest::Approx((truth - given) / 255.0).epsilon(1e-4).scale(1));
        }
}

TEST_CASE("the losses of the first ten steps are the golden ones") {
    // Written down from the reference path; a change here is a change of what training does.
    const double golden[] = {0.143505362, 0.136464453, 0.136393520, 0.127586647, 0.120898764,
                             0.119474868, 0.116053217, 0.113539007, 0.109675250, 0.106497587};
    for (const Isa isa : {Isa::reference, best_isa()}) {
        Trainer trainer = trainer_with_pairs({2, 8, 3}, 6, isa);
        for (const double expected : golden) {
            CAPTURE(std::string(name(isa)));
            CHECK(trainer.train(1, 1e-3F) == doctest::Approx(expected).epsilon(2e-6));
        }
    }
}

TEST_CASE("the same calls give the same weights, another seed gives others") {
    const auto run = [](std::uint64_t seed, int chunk) {
        Trainer trainer = trainer_with_pairs({2, 8, 3}, 6, best_isa(), seed);
        for (int step = 0; step < 12; step += chunk) trainer.train(chunk, 1e-3F);
        return trainer.parameters();
    };
    CHECK(run(1, 1) == run(1, 1));
    CHECK(run(1, 1) == run(1, 4));
    CHECK(run(1, 1) != run(2, 1));
}

TEST_CASE("training on pairs with learnable detail beats bicubic on a pair held out") {
    const Architecture a{2, 8, 3};
    Trainer trainer(make_network(a, 1), {});
    for (std::uint64_t i = 0; i < 8; ++i) trainer.add(textured_pair(a, i));
    const std::uint64_t held_out = trainer.add(textured_pair(a, 100), 0);
    const double bicubic = trainer.mean_squared_error(held_out, {});
    trainer.train(400, 1e-3F);
    CHECK(trainer.mean_squared_error(held_out, trainer.parameters()) < 0.7 * bicubic);
    CHECK(trainer.mean_squared_error(held_out, trainer.averaged()) < 0.7 * bicubic);
}

TEST_CASE("a pair without weight is never drawn, and without weights nothing is trained") {
    const Architecture a{2, 8, 2};
    Trainer trainer(make_network(a, 1), {});
    CHECK(trainer.train(3, 1e-3F) == 0);
    const std::uint64_t id = trainer.add(random_pair(a, 20, 20, 1), 0);
    const auto before = trainer.parameters();
    CHECK(trainer.train(3, 1e-3F) == 0);
    CHECK(trainer.steps() == 0);
    CHECK(trainer.parameters() == before);
    trainer.set_weight(id, 2);
    CHECK(trainer.train(3, 1e-3F) > 0);
    CHECK(trainer.steps() == 3);
    trainer.remove(id);
    CHECK(trainer.size() == 0);
    CHECK(trainer.train(3, 1e-3F) == 0);
    CHECK_THROWS_AS(trainer.set_weight(id, 1), std::invalid_argument);
    CHECK_THROWS_AS(trainer.mean_squared_error(id, {}), std::invalid_argument);
}

TEST_CASE("ids are not reused, and a removed pair's place is") {
    const Architecture a{2, 8, 2};
    Trainer trainer(make_network(a, 1), {});
    const auto first = trainer.add(random_pair(a, 20, 20, 1));
    trainer.remove(first);
    const auto second = trainer.add(random_pair(a, 24, 20, 2));
    CHECK(second != first);
    CHECK(trainer.size() == 1);
    CHECK(trainer.train(2, 1e-3F) > 0);
}

TEST_CASE("the error of a pair is that of the frame's pixels") {
    const Architecture a{3, 16, 4};
    const int m = margin(a);
    const TrainingPair pair = random_pair(a, 30, 21, 4);
    const Network network = random_network(a, 9);
    Trainer trainer(network, {});
    const std::uint64_t id = trainer.add(pair);
    const int low_width = 10 + 2 * m;
    const int low_height = 7 + 2 * m;
    std::vector<std::uint8_t> frame(static_cast<std::size_t>(low_width * low_height * 9));
    const auto error = [&](const Network& of) {
        EnhanceScratch scratch;
        enhance(PackedNetwork(of), scratch, pair.low.data(), low_width, low_width, low_height,
                frame.data(), low_width * 3, 0, low_height);
        double sum = 0;
        for (int y = 0; y < 21; ++y)
            for (int x = 0; x < 30; ++x) {
                const int d =
                    frame[static_cast<std::size_t>((y + 3 * m) * 3 * low_width + x + 3 * m)] -
                    pair.high[static_cast<std::size_t>(y * 30 + x)];
                sum += d * d;
            }
        return sum / (30 * 21);
    };
    CHECK(trainer.mean_squared_error(id, network.parameters) == doctest::Approx(error(network)));
    CHECK(trainer.mean_squared_error(id, {}) == doctest::Approx(error(make_network(a, 1))));
    // Again, now from the cache of packed weights.
    CHECK(trainer.mean_squared_error(id, network.parameters) == doctest::Approx(error(network)));
}

TEST_CASE("the average starts with the weights and then lags behind them") {
    const Architecture a{2, 8, 3};
    Trainer trainer = trainer_with_pairs(a, 3, best_isa());
    CHECK(trainer.averaged() == trainer.parameters());
    const auto start = trainer.parameters();
    trainer.train(1, 1e-3F);
    // Step 0 of the warm-up: 1/10 of the old, 9/10 of the new.
    const auto after = trainer.parameters();
    const auto averaged = trainer.averaged();
    for (std::size_t i = 0; i < start.size(); ++i)
        REQUIRE(averaged[i] ==
                doctest::Approx(0.1 * start[i] + 0.9 * after[i]).epsilon(1e-5).scale(1));
    trainer.train(100, 1e-3F);
    CHECK(trainer.averaged() != trainer.parameters());

    trainer.reset(start);
    CHECK(trainer.parameters() == start);
    CHECK(trainer.averaged() == start);
    CHECK(trainer.steps() == 101);
}

TEST_CASE("pairs and parameters of wrong sizes are refused in words") {
    const Architecture a{3, 8, 2};
    Trainer trainer(make_network(a, 1), {});
    TrainingPair pair = random_pair(a, 30, 21, 4);
    pair.width = 31;
    CHECK_THROWS_AS(trainer.add(pair), std::invalid_argument);
    pair.width = 30;
    pair.low.pop_back();
    CHECK_THROWS_AS(trainer.add(pair), std::invalid_argument);
    pair.low.push_back(0);
    CHECK_THROWS_AS(trainer.add(pair, -1), std::invalid_argument);
    CHECK_THROWS_AS(trainer.add(pair, std::nanf("")), std::invalid_argument);
    const std::uint64_t id = trainer.add(pair);
    CHECK_THROWS_AS(trainer.set_weight(id, std::numeric_limits<float>::infinity()),
                    std::invalid_argument);
    std::vector<float> parameters(parameter_count(a) - 1);
    CHECK_THROWS_AS(trainer.reset(parameters), std::invalid_argument);
    CHECK_THROWS_AS(trainer.mean_squared_error(id, parameters), std::invalid_argument);
    parameters.push_back(std::nanf(""));
    CHECK_THROWS_AS(trainer.reset(parameters), std::invalid_argument);
    TrainerOptions options;
    options.batch = 0;
    CHECK_THROWS_AS(Trainer(make_network(a, 1), options), std::invalid_argument);
    options = {};
    options.charbonnier = 0;
    CHECK_THROWS_AS(Trainer(make_network(a, 1), options), std::invalid_argument);
}

TEST_CASE("workers with equal weights learn what one worker learns") {
    const Architecture a{2, 8, 3};
    // One window, always the same: whoever draws it, the gradient is the same but for rounding.
    TrainerOptions one{.batch = 4, .window = 24, .augment = false};
    TrainerOptions three = one;
    three.workers = 3;
    Trainer alone(make_network(a, 1), one);
    Trainer together(make_network(a, 1), three);
    alone.add(textured_pair(a, 5));
    together.add(textured_pair(a, 5));
    for (int i = 0; i < 20; ++i) {
        const double loss = alone.train(1, 1e-3F);
        CHECK(together.train(1, 1e-3F) == doctest::Approx(loss).epsilon(1e-4));
    }
    const auto expected = alone.parameters();
    const auto parameters = together.parameters();
    for (std::size_t i = 0; i < expected.size(); ++i)
        CHECK(std::abs(parameters[i] - expected[i]) < 1e-4);
}

TEST_CASE("several workers give the same weights every time") {
    const Architecture a{2, 8, 3};
    std::vector<float> first;
    for (int run = 0; run < 4; ++run) {
        Trainer trainer(make_network(a, 1), {.workers = 4, .newest_weight = 2.0F});
        for (std::uint64_t i = 0; i < 7; ++i) trainer.add(textured_pair(a, i));
        trainer.add(random_pair(a, 48, 48, 9), 3.0F, true);
        trainer.train(30, 1e-3F);
        trainer.remove(2);
        trainer.set_weight(5, 4.0F);
        trainer.train(30, 1e-3F);
        if (run == 0) first = trainer.parameters();
        CHECK(trainer.parameters() == first);
    }
}

TEST_CASE("newer groups pull the weights their way when their gradient weighs more") {
    const Architecture a{2, 8, 3};
    const auto errors = [&](float newest_weight, bool standing) {
        Trainer trainer(make_network(a, 1), {.workers = 2, .newest_weight = newest_weight});
        const auto oldest = trainer.add(textured_pair(a, 5), 1.0F, standing);
        const auto newest = trainer.add(random_pair(a, 48, 48, 6));
        trainer.train(200, 1e-3F);
        const auto weights = trainer.averaged();
        return std::pair{trainer.mean_squared_error(oldest, weights),
                         trainer.mean_squared_error(newest, weights)};
    };
    const auto [old_even, new_even] = errors(1.0F, false);
    const auto [old_late, new_late] = errors(20.0F, false);
    CHECK(old_late > old_even);
    CHECK(new_late < new_even);
    // A standing pair is in the newest group too.
    CHECK(errors(20.0F, true).first < old_late);
}

TEST_CASE("a number of workers or a weight out of range is refused in words") {
    const Architecture a{2, 8, 3};
    CHECK_THROWS_WITH_AS(Trainer(make_network(a, 1), {.workers = 0}), doctest::Contains("workers"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(Trainer(make_network(a, 1), {.workers = 65}), doctest::Contains("workers"),
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(Trainer(make_network(a, 1), {.newest_weight = 0.5F}),
                         doctest::Contains("newest_weight"), std::invalid_argument);
}

TEST_CASE("pairs smaller than the window are trained on whole") {
    const Architecture a{4, 8, 2};
    Trainer trainer(make_network(a, 1), {});
    trainer.add(random_pair(a, 4, 4, 1));
    trainer.add(random_pair(a, 40, 8, 2));
    trainer.add(random_pair(a, 320, 8, 3));
    CHECK(trainer.train(30, 1e-4F) > 0);
}

}  // namespace livesr
