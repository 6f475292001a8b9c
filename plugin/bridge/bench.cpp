// What the benchmark and the tests of training against ONNX Runtime need: single pieces of work,
// timed here so that the crossing from JavaScript does not count.
#include <napi.h>
#include <time.h>

#include <memory>
#include <vector>

#include "bridge/arguments.h"
#include "bridge/parts.h"
#include "core/network/adam.h"
#include "core/network/enhance.h"
#include "core/network/gradient.h"
#include "core/network/trainer.h"

namespace livesr::bridge {
namespace {

constexpr int most_runs = 100000;

double thread_milliseconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

// Processor time of this thread: what else the machine does is not counted.
template <class Work>
double milliseconds(Work work) {
    const double begin = thread_milliseconds();
    work();
    return thread_milliseconds() - begin;
}

Napi::Float64Array to_array(Napi::Env env, const std::vector<double>& values) {
    auto array = Napi::Float64Array::New(env, values.size());
    for (std::size_t i = 0; i < values.size(); ++i) array[i] = values[i];
    return array;
}

// enhanceTimes(architecture, parameters, plane, runs) -> Float64Array of milliseconds
Napi::Value enhance_times(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const Network n = network(info[0], info[1]);
    const Plane low = plane(info[2], "plane");
    const int runs = integer(info[3], "runs", 1, most_runs);
    return guarded(env, [&] {
        const PackedNetwork packed(n);
        EnhanceScratch scratch;
        const int scale = n.architecture.scale;
        std::vector<std::uint8_t> out(low.pixels.size() * static_cast<std::size_t>(scale * scale));
        std::vector<double> times;
        for (int i = 0; i < runs; ++i)
            times.push_back(milliseconds([&] {
                enhance(packed, scratch, low.pixels.data(), low.width, low.width, low.height,
                        out.data(), low.width * scale, 0, low.height);
            }));
        return to_array(env, times);
    });
}

// {low, residual, batch, width, height, charbonnier}, laid out as loss_and_gradient takes them.
struct Batch {
    std::span<const float> low;
    std::span<const float> residual;
    int batch;
    int width;
    int height;
    float charbonnier;
};

Batch batch_of(const Napi::Value& value) {
    const Napi::Object o = object(value, "batch");
    return {floats(o.Get("low"), "batch.low"),
            floats(o.Get("residual"), "batch.residual"),
            integer(o.Get("batch"), "batch.batch", 1, 4096),
            integer(o.Get("width"), "batch.width", 1, 4096),
            integer(o.Get("height"), "batch.height", 1, 4096),
            static_cast<float>(number(o.Get("charbonnier"), "batch.charbonnier"))};
}

// lossAndGradient(architecture, parameters, batch) -> {loss, gradient}
Napi::Value loss_and_gradient_of(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const Network n = network(info[0], info[1]);
    const Batch b = batch_of(info[2]);
    return guarded(env, [&] {
        std::vector<float> gradient(n.parameters.size());
        const double loss = loss_and_gradient(n, b.low, b.residual, b.batch, b.width, b.height,
                                              b.charbonnier, gradient);
        Napi::Object result = Napi::Object::New(env);
        result.Set("loss", loss);
        result.Set("gradient", bridge::to_array(env, std::span<const float>(gradient)));
        return result;
    });
}

// trainingStepTimes(architecture, parameters, batch, learningRate, runs)
//   -> {times: Float64Array of milliseconds, parameters after the last step}
Napi::Value training_step_times(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    Network n = network(info[0], info[1]);
    const Batch b = batch_of(info[2]);
    const auto rate = static_cast<float>(number(info[3], "learningRate"));
    const int runs = integer(info[4], "runs", 1, most_runs);
    return guarded(env, [&] {
        std::vector<float> gradient(n.parameters.size());
        // Checks the sizes, too.
        loss_and_gradient(n, b.low, b.residual, b.batch, b.width, b.height, b.charbonnier,
                          gradient);
        const auto sums = BatchGradient::create(n.architecture, best_isa());
        Adam adam(n.parameters.size());
        const std::size_t count = static_cast<std::size_t>(b.batch);
        const auto add_gradient = [&] {
            sums->begin(n.parameters);
            for (std::size_t i = 0; i < count; ++i)
                sums->add(b.low.data() + i * (b.low.size() / count),
                          b.residual.data() + i * (b.residual.size() / count), b.width, b.height,
                          b.charbonnier, 1.0F / static_cast<float>(b.batch));
            sums->finish(gradient);
        };
        add_gradient();  // its memory is allocated now
        std::vector<double> times;
        for (int i = 0; i < runs; ++i)
            times.push_back(milliseconds([&] {
                add_gradient();
                adam.step(n.parameters, gradient, rate);
            }));
        Napi::Object result = Napi::Object::New(env);
        result.Set("times", to_array(env, times));
        result.Set("parameters", bridge::to_array(env, std::span<const float>(n.parameters)));
        return result;
    });
}

}  // namespace

void add_bench(Napi::Env env, Napi::Object exports) {
    exports.Set("enhanceTimes", Napi::Function::New(env, enhance_times));
    exports.Set("lossAndGradient", Napi::Function::New(env, loss_and_gradient_of));
    exports.Set("trainingStepTimes", Napi::Function::New(env, training_step_times));
}

}  // namespace livesr::bridge
