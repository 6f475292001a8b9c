#include "core/network/trainer.h"

#include <algorithm>
#include <cmath>
#include <list>
#include <map>
#include <stdexcept>
#include <string>
#include <unordered_map>

#include "core/crew.h"
#include "core/network/adam.h"
#include "core/network/enhance_kernels.h"
#include "core/network/gradient.h"
#include "core/network/random.h"
#include "core/network/training_window.h"
#include "core/network/weighted_draw.h"
#include "core/picture/metrics.h"

namespace livesr {
namespace {

// Each arriving patch is scored under the live, the candidate, the generic and the stored weights.
constexpr std::size_t packed_cache_size = 12;

constexpr int most_workers = 64;

void check_parameters(const Architecture& a, std::span<const float> parameters) {
    if (parameters.size() != parameter_count(a))
        throw std::invalid_argument("Trainer: " + std::to_string(parameters.size()) +
                                    " parameters, but " + std::to_string(parameter_count(a)) +
                                    " make up this architecture");
    if (!std::all_of(parameters.begin(), parameters.end(),
                     [](float value) { return std::isfinite(value); }))
        throw std::invalid_argument("Trainer: a parameter is not finite");
}

// Seed of step `step`'s draws: far apart for neighbouring steps.
std::uint64_t step_seed(std::uint64_t seed, std::uint64_t step) {
    return Random(seed).next() ^ Random(step).next();
}

}  // namespace

struct Trainer::State {
    Architecture architecture;
    TrainerOptions options;
    Isa isa;

    std::vector<float> parameters;
    std::vector<float> averaged;
    std::vector<float> gradient;
    Adam adam;
    std::uint64_t steps = 0;
    std::uint64_t steps_since_reset = 0;

    std::uint64_t next_id = 1;
    std::unordered_map<std::uint64_t, std::size_t> slot_of;
    std::vector<TrainingPair> pairs;  // by slot
    std::vector<std::size_t> free_slots;
    WeightedDraw draw;
    std::map<std::uint64_t, std::size_t> arrivals;  // slots of pairs that are not standing, by id

    // What one worker has of its own.
    struct Group {
        WeightedDraw draw;  // unused where there is but one group
        std::unique_ptr<BatchGradient> sums;
        WindowCutter cutter;
        std::vector<float> gradient;
        double loss = 0.0;
        int windows = 0;     // of a step
        float share = 0.0F;  // of the step's gradient
    };
    std::vector<Group> groups;
    bool groups_stale = false;
    Crew crew;

    // Packing a weight set costs about as much as scoring a patch: the latest ones are kept.
    struct Packed {
        std::vector<float> parameters;
        std::unique_ptr<const PackedNetwork> network;
    };
    mutable std::list<Packed> packed;
    mutable EnhanceScratch scratch;

    State(const Network& start, const TrainerOptions& o, Isa i)
        : architecture(start.architecture),
          options(o),
          isa(i),
          parameters(start.parameters),
          averaged(start.parameters),
          gradient(start.parameters.size()),
          adam(start.parameters.size()),
          crew(static_cast<std::size_t>(o.workers)) {
        const int count = o.workers;
        const int windows = std::max(o.batch, count);
        float total = 0.0F;
        for (int g = 0; g < count; ++g) {
            Group group{.draw = {},
                        .sums = BatchGradient::create(start.architecture, i),
                        .cutter = WindowCutter(start.architecture, i),
                        .gradient = std::vector<float>(start.parameters.size()),
                        .windows = (windows + count - 1 - g) / count};
            const float age = count > 1 ? static_cast<float>(g) / static_cast<float>(count - 1) : 0;
            group.share = 1.0F + (o.newest_weight - 1.0F) * age;
            total += group.share;
            groups.push_back(std::move(group));
        }
        for (Group& group : groups) group.share /= total;
    }

    std::size_t slot(std::uint64_t id) const {
        const auto found = slot_of.find(id);
        if (found == slot_of.end())
            throw std::invalid_argument("Trainer: no pair " + std::to_string(id));
        return found->second;
    }

    double step(float learning_rate);
    void run_group(std::size_t index);
    void set_weight(std::size_t slot, double weight);
    void divide_into_groups();
    const PackedNetwork& pack(std::span<const float> weights) const;
};

void Trainer::State::set_weight(std::size_t slot, double weight) {
    draw.set(slot, weight);
    groups_stale = true;
}

// By arrival, with equal weights in the draw; standing pairs are in each with their share.
void Trainer::State::divide_into_groups() {
    if (!groups_stale || groups.size() == 1) return;
    groups_stale = false;
    double arrived = 0.0;
    for (const auto& [id, slot] : arrivals) arrived += draw.weight(slot);
    const auto count = static_cast<double>(groups.size());
    for (Group& group : groups) group.draw = {};
    // A pair across a border is divided, so that the groups are equal however few pairs there are.
    double begin = 0.0;
    for (const auto& [id, slot] : arrivals) {
        const double end = begin + draw.weight(slot);
        for (std::size_t g = 0; g < groups.size(); ++g) {
            const double from = std::max(begin, arrived * static_cast<double>(g) / count);
            const double to = std::min(end, arrived * static_cast<double>(g + 1) / count);
            if (to > from) groups[g].draw.set(slot, to - from);
        }
        begin = end;
    }
    for (const auto& [id, slot] : slot_of) {
        if (arrivals.contains(id)) continue;
        for (Group& group : groups) group.draw.set(slot, draw.weight(slot) / count);
    }
}

void Trainer::State::run_group(std::size_t index) {
    Group& group = groups[index];
    const WeightedDraw& pairs_drawn = groups.size() == 1 ? draw : group.draw;
    // Apart from the others' as one step is from the next.
    Random random(index == 0 ? step_seed(options.seed, steps)
                             : step_seed(options.seed + index, steps));
    group.sums->begin(parameters);
    group.loss = 0.0;
    for (int i = 0; i < group.windows; ++i) {
        const TrainingPair& pair = pairs[pairs_drawn.at(random.uniform())];
        const int pair_width = pair.width / output_side(architecture);
        const int pair_height = pair.height / output_side(architecture);
        const int width = std::min(options.window, pair_width);
        const int height = std::min(options.window, pair_height);
        const int x = random.below(pair_width - width + 1);
        const int y = random.below(pair_height - height + 1);
        const std::uint64_t bits = random.next();
        const Turn turn =
            options.augment ? Turn{(bits & 1U) != 0, (bits & 2U) != 0, (bits & 4U) != 0} : Turn{};
        const TrainingWindow& window = group.cutter.cut(pair, x, y, width, height, turn);
        group.loss +=
            group.sums->add(window.low.data(), window.residual.data(), window.width, window.height,
                            options.charbonnier, 1.0F / static_cast<float>(group.windows));
    }
    group.sums->finish(group.gradient);
}

double Trainer::State::step(float learning_rate) {
    divide_into_groups();
    crew.run(groups.size(), [this](std::size_t group, std::size_t) { run_group(group); });
    double loss = 0.0;
    std::fill(gradient.begin(), gradient.end(), 0.0F);
    // Always in this order, whichever thread was first.
    for (const Group& group : groups) {
        loss += static_cast<double>(group.share) * group.loss;
        for (std::size_t i = 0; i < gradient.size(); ++i)
            gradient[i] += group.share * group.gradient[i];
    }
    adam.step(parameters, gradient, learning_rate);

    // Warmed up: with few steps behind, the average must not cling to where it started.
    const auto t = static_cast<float>(steps_since_reset);
    const float decay = std::min(options.average_decay, (1.0F + t) / (10.0F + t));
    for (std::size_t i = 0; i < parameters.size(); ++i)
        averaged[i] = decay * averaged[i] + (1.0F - decay) * parameters[i];
    ++steps;
    ++steps_since_reset;
    return loss;
}

const PackedNetwork& Trainer::State::pack(std::span<const float> weights) const {
    const auto found = std::find_if(packed.begin(), packed.end(), [&](const Packed& entry) {
        return std::equal(weights.begin(), weights.end(), entry.parameters.begin());
    });
    if (found != packed.end()) {
        packed.splice(packed.begin(), packed, found);
    } else {
        Network network{architecture, {weights.begin(), weights.end()}};
        auto ready = std::make_unique<const PackedNetwork>(network);
        packed.push_front({std::move(network.parameters), std::move(ready)});
        if (packed.size() > packed_cache_size) packed.pop_back();
    }
    return *packed.front().network;
}

Trainer::Trainer(const Network& start, const TrainerOptions& options, Isa isa) {
    if (const std::string problem = describe_problem(start.architecture); !problem.empty())
        throw std::invalid_argument("Trainer: " + problem);
    check_parameters(start.architecture, start.parameters);
    if (options.batch < 1) throw std::invalid_argument("Trainer: batch must be at least 1");
    if (options.window < 1) throw std::invalid_argument("Trainer: window must be at least 1");
    if (!(options.charbonnier > 0)) throw std::invalid_argument("Trainer: charbonnier must be > 0");
    if (options.workers < 1 || options.workers > most_workers)
        throw std::invalid_argument("Trainer: workers must be from 1 to " +
                                    std::to_string(most_workers));
    if (!(options.newest_weight >= 1 && options.newest_weight <= 100))
        throw std::invalid_argument("Trainer: newest_weight must lie in [1, 100]");
    if (!(options.average_decay >= 0 && options.average_decay < 1))
        throw std::invalid_argument("Trainer: average_decay must lie in [0, 1)");
    state_ = std::make_unique<State>(start, options, isa);
}

Trainer::~Trainer() = default;
Trainer::Trainer(Trainer&&) noexcept = default;
Trainer& Trainer::operator=(Trainer&&) noexcept = default;

std::uint64_t Trainer::add(TrainingPair pair, float weight, bool standing) {
    const Architecture& a = state_->architecture;
    const int m = margin(a);
    const int block = output_side(a);
    if (pair.width < block || pair.height < block || pair.width % block != 0 ||
        pair.height % block != 0)
        throw std::invalid_argument("Trainer: a pair of " + std::to_string(pair.width) + "x" +
                                    std::to_string(pair.height) + " is not a multiple of " +
                                    std::to_string(block) + ", as scale " +
                                    std::to_string(a.scale) + " wants it");
    const auto low_size = static_cast<std::size_t>(pair.width / a.scale + 2 * m) *
                          static_cast<std::size_t>(pair.height / a.scale + 2 * m);
    const auto high_size =
        static_cast<std::size_t>(pair.width) * static_cast<std::size_t>(pair.height);
    if (pair.low.size() != low_size || pair.high.size() != high_size)
        throw std::invalid_argument("Trainer: a pair's pictures must have " +
                                    std::to_string(low_size) + " and " + std::to_string(high_size) +
                                    " samples, not " + std::to_string(pair.low.size()) + " and " +
                                    std::to_string(pair.high.size()));
    if (!(weight >= 0) || !std::isfinite(weight))
        throw std::invalid_argument("Trainer: a pair's weight must be finite and not negative");

    std::size_t slot = state_->pairs.size();
    if (state_->free_slots.empty()) {
        state_->pairs.push_back(std::move(pair));
    } else {
        slot = state_->free_slots.back();
        state_->free_slots.pop_back();
        state_->pairs[slot] = std::move(pair);
    }
    const std::uint64_t id = state_->next_id++;
    state_->slot_of.emplace(id, slot);
    if (!standing) state_->arrivals.emplace(id, slot);
    state_->set_weight(slot, weight);
    return id;
}

void Trainer::remove(std::uint64_t id) {
    const std::size_t slot = state_->slot(id);
    state_->set_weight(slot, 0.0);
    state_->pairs[slot] = {};
    state_->free_slots.push_back(slot);
    state_->slot_of.erase(id);
    state_->arrivals.erase(id);
}

void Trainer::set_weight(std::uint64_t id, float weight) {
    if (!(weight >= 0) || !std::isfinite(weight))
        throw std::invalid_argument("Trainer: a pair's weight must be finite and not negative");
    state_->set_weight(state_->slot(id), weight);
}

std::size_t Trainer::size() const { return state_->slot_of.size(); }

double Trainer::train(int steps, float learning_rate) {
    if (steps <= 0 || state_->draw.total() <= 0) return 0.0;
    double sum = 0;
    for (int i = 0; i < steps; ++i) sum += state_->step(learning_rate);
    return sum / steps;
}

double Trainer::mean_squared_error(std::uint64_t id, std::span<const float> parameters) const {
    const State& state = *state_;
    const Architecture& a = state.architecture;
    const TrainingPair& pair = state.pairs[state.slot(id)];
    if (!parameters.empty()) check_parameters(a, parameters);
    const int m = margin(a);
    const int width = pair.width / a.scale;
    const int height = pair.height / a.scale;
    const PlaneView low{pair.low.data(), width + 2 * m, width + 2 * m, height + 2 * m};
    std::vector<std::uint8_t> picture(pair.high.size());
    // A network whose last layer is zero is bicubic: one way for both.
    const std::vector<float> zero(parameters.empty() ? parameter_count(a) : 0, 0.0F);
    enhance_region(state.pack(parameters.empty() ? std::span<const float>(zero) : parameters),
                   state.scratch, low, {m, m, m + width, m + height}, picture.data(), pair.width,
                   state.isa);
    return static_cast<double>(squared_error(picture.data(), pair.width, pair.high.data(),
                                             pair.width, pair.width, pair.height, state.isa)) /
           static_cast<double>(pair.high.size());
}

const Architecture& Trainer::architecture() const { return state_->architecture; }
std::vector<float> Trainer::parameters() const { return state_->parameters; }
std::vector<float> Trainer::averaged() const { return state_->averaged; }

void Trainer::reset(std::span<const float> parameters) {
    check_parameters(state_->architecture, parameters);
    state_->parameters.assign(parameters.begin(), parameters.end());
    state_->averaged = state_->parameters;
    state_->adam = Adam(parameters.size());
    state_->steps_since_reset = 0;
}

std::uint64_t Trainer::steps() const { return state_->steps; }

}  // namespace livesr
