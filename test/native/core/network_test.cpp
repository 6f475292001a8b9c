// The network family itself: sizes, offsets, the starting weights.
#include "core/network/network.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

namespace livesr {

TEST_CASE("parameters are counted layer after layer, weights then biases") {
    const Architecture a{3, 16, 4};
    CHECK(parameter_count(a) == (9 + 1) * 16 + (144 + 1) * 16 + (144 + 1) * 16 + (144 + 1) * 9);
    CHECK(parameter_offset(a, 0) == 0);
    CHECK(parameter_offset(a, 1) == 160);
    CHECK(parameter_offset(a, 3) == 160 + 2 * 2320);
}

TEST_CASE("an architecture outside the family is described") {
    CHECK(describe_problem({2, 16, 4}).empty());
    CHECK(describe_problem({4, 64, 16}).empty());
    CHECK(describe_problem({1, 16, 4}).empty());
    CHECK_FALSE(describe_problem({0, 16, 4}).empty());
    CHECK_FALSE(describe_problem({5, 16, 4}).empty());
    CHECK_FALSE(describe_problem({2, 12, 4}).empty());
    CHECK_FALSE(describe_problem({2, 72, 4}).empty());
    CHECK_FALSE(describe_problem({2, 16, 1}).empty());
    CHECK_FALSE(describe_problem({2, 16, 17}).empty());
}

TEST_CASE("a new network has He-normal weights and a last layer of zeros") {
    const Architecture a{2, 32, 5};
    const Network network = make_network(a, 7);
    REQUIRE(network.parameters.size() == parameter_count(a));
    const float* last = network.parameters.data() + parameter_offset(a, 4);
    CHECK(std::all_of(last, last + 9 * 32 * 4 + 4, [](float value) { return value == 0.0F; }));

    const int count = 9 * 32 * 32;
    const float* second = network.parameters.data() + parameter_offset(a, 1);
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < count; ++i) {
        sum += second[i];
        squares += static_cast<double>(second[i]) * second[i];
    }
    CHECK(sum / count == doctest::Approx(0.0).epsilon(0.002));
    CHECK(std::sqrt(squares / count) == doctest::Approx(std::sqrt(2.0 / (9 * 32))).epsilon(0.03));
    CHECK(std::all_of(second + count, second + count + 32,
                      [](float value) { return value == 0.0F; }));
}

TEST_CASE("the same seed gives the same network, another seed another one") {
    const Architecture a{2, 8, 3};
    CHECK(make_network(a, 1).parameters == make_network(a, 1).parameters);
    CHECK(make_network(a, 1).parameters != make_network(a, 2).parameters);
}

}  // namespace livesr
