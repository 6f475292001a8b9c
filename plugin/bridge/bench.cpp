// What the benchmark and the tests of training against ONNX Runtime need: single pieces of work,
// timed here so that the crossing from JavaScript does not count.
#include <napi.h>
#include <time.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "bridge/arguments.h"
#include "bridge/parts.h"
#include "core/memory/texture_memory.h"
#include "core/network/adam.h"
#include "core/network/enhance.h"
#include "core/network/gradient.h"
#include "core/network/trainer.h"
#include "core/patch/packet.h"
#include "core/picture/crop.h"

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

// A frame as the decoder gives it and as it was.
struct MemoryFrame {
    Plane low;
    Plane high;
};

MemoryFrame memory_frame(Napi::Env env, const Napi::Value& value, int scale) {
    const Napi::Object o = object(value, "a frame");
    const MemoryFrame frame{plane(o.Get("low"), "low"), plane(o.Get("high"), "high")};
    if (frame.high.width != scale * frame.low.width ||
        frame.high.height != scale * frame.low.height) {
        throw_type_error(env, "high must be low's size, scaled");
    }
    return frame;
}

// memoryTimes(architecture, parameters, frames, patches, shown) -> Float64Array of milliseconds
Napi::Value memory_times(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const Network n = network(info[0], info[1]);
    const int scale = n.architecture.scale;
    if (!info[2].IsArray() || !info[4].IsArray()) {
        throw_type_error(env, "frames and shown must be arrays");
    }
    std::vector<MemoryFrame> frames;
    const auto listed = info[2].As<Napi::Array>();
    for (std::uint32_t i = 0; i < listed.Length(); ++i) {
        frames.push_back(memory_frame(env, listed.Get(i), scale));
    }
    const int patches = integer(info[3], "patches", 1, 10000);
    std::vector<Plane> shown;
    const auto next = info[4].As<Napi::Array>();
    for (std::uint32_t i = 0; i < next.Length(); ++i) {
        shown.push_back(plane(next.Get(i), "shown"));
    }
    if (frames.empty()) throw_type_error(env, "frames must have one");
    const auto [low, high] = frames.front();
    const auto has_size = [&](const Plane& other) {
        return other.width == low.width && other.height == low.height;
    };
    const int columns = high.width / patch_cell;
    const int rows = high.height / patch_cell;
    if (columns == 0 || rows == 0 || !std::ranges::all_of(shown, has_size) ||
        !std::ranges::all_of(frames, has_size, &MemoryFrame::low)) {
        throw_type_error(env, "all frames must have one size, of a patch at least");
    }
    return guarded(env, [&] {
        const auto packed = std::make_shared<const PackedNetwork>(n);
        TextureMemory::Options options;
        options.scale = scale;
        options.width = low.width;
        options.height = low.height;
        options.margin = margin(n.architecture);
        options.max_patches = static_cast<std::size_t>(patches);
        TextureMemory memory(options);
        for (int i = 0; i < patches; ++i) {
            // Frame by frame, each time at other places.
            const MemoryFrame& frame =
                frames[static_cast<std::size_t>(i) * frames.size() / patches];
            const int x = i * 7 % columns * patch_cell;
            const int y = i * 7 / columns % rows * patch_cell;
            memory.follow(frame.low.pixels.data(), low.width);
            memory.add({x, y, patch_cell, patch_cell,
                        crop({frame.low.pixels.data(), low.width, low.width, low.height}, x / scale,
                             y / scale, patch_cell / scale, patch_cell / scale, options.margin),
                        crop({frame.high.pixels.data(), high.width, high.width, high.height}, x, y,
                             patch_cell, patch_cell, 0)},
                       packed);
        }
        EnhanceScratch scratch;
        std::vector<std::uint8_t> out(high.pixels.size());
        std::vector<double> times;
        for (const Plane& frame : shown) {
            enhance(*packed, scratch, frame.pixels.data(), low.width, low.width, low.height,
                    out.data(), high.width, 0, low.height);
            times.push_back(milliseconds([&] {
                memory.follow(frame.pixels.data(), low.width);
                memory.restore(packed, out.data(), high.width, high.width, high.height);
            }));
        }
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
    exports.Set("memoryTimes", Napi::Function::New(env, memory_times));
    exports.Set("lossAndGradient", Napi::Function::New(env, loss_and_gradient_of));
    exports.Set("trainingStepTimes", Napi::Function::New(env, training_step_times));
}

}  // namespace livesr::bridge
