// Training on pairs of a low-resolution crop and the high-resolution truth: forward, backward,
// Adam. The same trainer serves the live stream and pre-training; what differs is the pool and the
// schedule.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/network/isa.h"
#include "core/network/network.h"

namespace livesr {

// One training pair. low: (width/scale + 2*margin) x (height/scale + 2*margin) decoded luma, the
// neighbourhood included (edge-replicated beyond the frame). high: width x height original luma.
// width and height are multiples of the output_side.
struct TrainingPair {
    int width = 0;
    int height = 0;
    std::vector<std::uint8_t> low;
    std::vector<std::uint8_t> high;
};

struct TrainerOptions {
    int batch = 4;  // FIELD-NOTES quality 4
    int window =
        40;  // side of a training window, low-resolution pixels or cells; clipped to the pair
    bool augment = true;           // flips and transposes: without them 0.2-0.6 dB are lost
    float charbonnier = 0.01F;     // soft-sign width of the L1 loss, in units of [0, 1] luma
    float average_decay = 0.998F;  // exponential average of the weights, warmed up from step 0
    std::uint64_t seed = 1;
    // Threads that share a step (LiveNAS 6.2). The pairs fall into as many groups by arrival, of
    // equal weight in the draw; the windows of a step come from the groups in turn (at least one
    // from each), and a group's gradient weighs more the newer it is, evenly from 1 for the oldest
    // to newest_weight for the newest. The number of threads that really run changes no result.
    int workers = 1;
    float newest_weight = 1.0F;
};

// One thread at a time, whichever it is: also the const functions, which share scratch memory and
// a cache of packed weights.
class Trainer {
  public:
    // Starts from the network's parameters, fresh Adam moments (0.9, 0.999, 1e-8).
    Trainer(const Network& start, const TrainerOptions& options, Isa isa = best_isa());
    ~Trainer();
    Trainer(Trainer&&) noexcept;
    Trainer& operator=(Trainer&&) noexcept;

    // Adds a pair and returns its id (never reused). A standing pair (rehearsal) has no time of
    // arrival: it is in every group. Throws std::invalid_argument on wrong sizes.
    std::uint64_t add(TrainingPair pair, float weight = 1.0F, bool standing = false);
    void remove(std::uint64_t id);
    // Relative probability of being drawn; 0 keeps a pair out of training (held out for
    // validation).
    void set_weight(std::uint64_t id, float weight);
    std::size_t size() const;

    // Runs `steps` steps at one learning rate; returns the mean loss. 0 when no pair has weight.
    // Draws depend only on seed, pool and number of steps so far: same calls, same result.
    double train(int steps, float learning_rate);

    // Mean squared error of a pair's picture (units of 255^2, clamped and rounded to 8 bits as
    // inference gives it) under `parameters`; an empty span means bicubic.
    double mean_squared_error(std::uint64_t id, std::span<const float> parameters) const;

    const Architecture& architecture() const;
    std::vector<float> parameters() const;
    std::vector<float> averaged() const;
    // Replaces the weights, and the average with them; moments start afresh.
    void reset(std::span<const float> parameters);
    std::uint64_t steps() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// Loss and gradient of one batch of windows, for tests and benchmarks: low is [batch][h+2m][w+2m]
// in [0, 1], residual is [batch][h][w][scale*scale] (truth minus bicubic); at scale 1 both are by
// cells, [...][4], w x h of them. gradient has
// parameter_count() values. Returns the mean loss.
double loss_and_gradient(const Network& network, std::span<const float> low,
                         std::span<const float> residual, int batch, int width, int height,
                         float charbonnier, std::span<float> gradient, Isa isa = best_isa());

}  // namespace livesr
