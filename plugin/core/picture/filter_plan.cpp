#include "core/picture/filter_plan.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <stdexcept>
#include <string>

#include "core/picture/bicubic_taps.h"

namespace livesr {
namespace {

double bicubic_weight(double x) {
    constexpr double a = -0.5;
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    if (x < 2.0) return ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
    return 0.0;
}

double sinc(double x) {
    if (x == 0.0) return 1.0;
    const double t = std::numbers::pi * x;
    return std::sin(t) / t;
}

double weight(Filter filter, double distance) {
    const double x = std::abs(distance);
    switch (filter) {
        case Filter::bilinear:
            return std::max(0.0, 1.0 - x);
        case Filter::bicubic:
            return bicubic_weight(x);
        case Filter::lanczos:
            return x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0;
    }
    return 0.0;
}

int radius(Filter filter) {
    switch (filter) {
        case Filter::bilinear:
            return 1;
        case Filter::bicubic:
            return 2;
        case Filter::lanczos:
            return 3;
    }
    return 0;
}

std::int64_t floor_div(std::int64_t a, std::int64_t b) {
    return a >= 0 ? a / b : -((-a + b - 1) / b);
}

// Largest remainder: the integers nearest to the weights' shares of 1 << tap_bits that sum to it
// exactly. Weights are first put on a grid far coarser than what two libraries' sines differ by and
// far finer than a tap, so that every machine gets the same taps.
class TapRounding {
  public:
    void operator()(const std::vector<double>& weights, std::int16_t* taps) {
        constexpr double grid = 4294967296.0;
        const auto count = weights.size();
        grid_.resize(count);
        std::int64_t total = 0;
        for (std::size_t k = 0; k < count; ++k) {
            grid_[k] = std::llround(weights[k] * grid);
            total += grid_[k];
        }
        remainder_.resize(count);
        order_.resize(count);
        std::int64_t missing = std::int64_t{1} << tap_bits;
        for (std::size_t k = 0; k < count; ++k) {
            const std::int64_t scaled = grid_[k] * (std::int64_t{1} << tap_bits);
            const std::int64_t tap = floor_div(scaled, total);
            remainder_[k] = scaled - tap * total;
            taps[k] = static_cast<std::int16_t>(tap);
            missing -= tap;
            order_[k] = k;
        }
        std::stable_sort(order_.begin(), order_.end(), [this](std::size_t i, std::size_t j) {
            return remainder_[i] > remainder_[j];
        });
        for (std::int64_t k = 0; k < missing; ++k) ++taps[order_[static_cast<std::size_t>(k)]];
    }

  private:
    std::vector<std::int64_t> grid_, remainder_;
    std::vector<std::size_t> order_;
};

}  // namespace

FilterPlan make_filter_plan(Filter filter, int source_length, int length) {
    constexpr int longest = 65535;
    if (source_length < 1 || length < 1 || source_length > longest || length > longest) {
        throw std::invalid_argument("resampling " + std::to_string(source_length) + " to " +
                                    std::to_string(length) + " samples: lengths are 1 to 65535");
    }
    const std::int64_t source = source_length;
    const std::int64_t target = length;
    // Positions are fractions over 2 * target, kept exact: outputs of one phase get one set of
    // taps.
    const std::int64_t unit = 2 * target;
    const std::int64_t widened = std::max(source, target);  // the filter's unit, over target
    const std::int64_t half_width = 2 * widened * radius(filter);
    const int needed = static_cast<int>((2 * half_width + unit - 1) / unit);

    FilterPlan plan;
    plan.source_length = source_length;
    plan.taps = (needed + 1) & ~1;
    plan.stride = plan.taps <= 8 ? 8 : (plan.taps + 15) & ~15;
    plan.enlargement = length % source_length == 0 ? length / source_length : 0;
    plan.start.resize(static_cast<std::size_t>(length));
    plan.tap.assign(static_cast<std::size_t>(length) * static_cast<std::size_t>(plan.stride), 0);

    std::vector<double> weights(static_cast<std::size_t>(needed));
    TapRounding round;
    for (int i = 0; i < length; ++i) {
        const std::int64_t centre = (2 * i + 1) * source - target;
        const std::int64_t first = floor_div(centre - half_width, unit) + 1;
        plan.start[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(first);
        std::int16_t* taps = plan.tap.data() + static_cast<std::ptrdiff_t>(i) * plan.stride;
        if (plan.enlargement != 0 && i >= plan.enlargement) {
            std::copy_n(taps - static_cast<std::ptrdiff_t>(plan.enlargement) * plan.stride,
                        plan.taps, taps);
            continue;
        }
        for (int k = 0; k < needed; ++k) {
            const double distance = static_cast<double>((first + k) * unit - centre);
            weights[static_cast<std::size_t>(k)] =
                weight(filter, distance / static_cast<double>(2 * widened));
        }
        round(weights, taps);
    }
    return plan;
}

}  // namespace livesr
