// class Trainer for TypeScript: training and scoring run on a worker thread of libuv and resolve a
// promise. One piece of work at a time; while it is under way every other call throws, so that no
// result depends on how threads happen to run.
#include "core/network/trainer.h"

#include <napi.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "bridge/arguments.h"
#include "bridge/parts.h"

namespace livesr::bridge {
namespace {

// libuv's threads may be older than the moment at which the engine gave way to the frames.
void follow_main_thread() {
    const auto main_thread = static_cast<id_t>(getpid());
    const auto this_thread = static_cast<id_t>(gettid());
    const int niceness = getpriority(PRIO_PROCESS, main_thread);
    if (niceness > getpriority(PRIO_PROCESS, this_thread)) {
        setpriority(PRIO_PROCESS, this_thread, niceness);
    }
}

// Work away from the event loop: `work` there, then `result` on the loop makes the promise's value.
class Job : public Napi::AsyncWorker {
  public:
    Job(Napi::Env env, std::shared_ptr<bool> busy, std::function<void()> work,
        std::function<Napi::Value(Napi::Env)> result)
        : AsyncWorker(env),
          deferred_(env),
          busy_(std::move(busy)),
          work_(std::move(work)),
          result_(std::move(result)) {
        *busy_ = true;
    }

    Napi::Promise promise() const { return deferred_.Promise(); }

    void Execute() override {  // what it throws becomes OnError
        follow_main_thread();
        work_();
    }

    void OnOK() override {
        *busy_ = false;
        deferred_.Resolve(result_(Env()));
    }

    void OnError(const Napi::Error& error) override {
        *busy_ = false;
        deferred_.Reject(error.Value());
    }

  private:
    Napi::Promise::Deferred deferred_;
    std::shared_ptr<bool> busy_;
    std::function<void()> work_;
    std::function<Napi::Value(Napi::Env)> result_;
};

class TrainerObject : public Napi::ObjectWrap<TrainerObject> {
  public:
    static void define(Napi::Env env, Napi::Object exports) {
        exports.Set(
            "Trainer",
            DefineClass(env, "Trainer",
                        {InstanceMethod<&TrainerObject::add>("add"),
                         InstanceMethod<&TrainerObject::remove>("remove"),
                         InstanceMethod<&TrainerObject::set_weight>("setWeight"),
                         InstanceMethod<&TrainerObject::train>("train"),
                         InstanceMethod<&TrainerObject::mean_squared_error>("meanSquaredError"),
                         InstanceMethod<&TrainerObject::parameters>("parameters"),
                         InstanceMethod<&TrainerObject::averaged>("averaged"),
                         InstanceMethod<&TrainerObject::reset>("reset"),
                         InstanceAccessor<&TrainerObject::size>("size"),
                         InstanceAccessor<&TrainerObject::steps>("steps"),
                         InstanceAccessor<&TrainerObject::busy>("busy")}));
    }

    // new Trainer(architecture, parameters, options)
    explicit TrainerObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
        const Network start = network(info[0], info[1]);
        TrainerOptions options;
        if (!info[2].IsUndefined()) {
            const Napi::Object o = object(info[2], "options");
            const auto given = [&](const char* key) { return !o.Get(key).IsUndefined(); };
            if (given("batch")) {
                options.batch = integer(o.Get("batch"), "options.batch", 1, 1024);
            }
            if (given("window")) {
                options.window = integer(o.Get("window"), "options.window", 1, 4096);
            }
            if (given("augment")) {
                options.augment = boolean(o.Get("augment"), "options.augment");
            }
            if (given("charbonnier")) {
                options.charbonnier =
                    static_cast<float>(number(o.Get("charbonnier"), "options.charbonnier"));
            }
            if (given("averageDecay")) {
                options.average_decay =
                    static_cast<float>(number(o.Get("averageDecay"), "options.averageDecay"));
            }
            if (given("workers")) {
                options.workers = integer(o.Get("workers"), "options.workers", 1, 64);
            }
            if (given("newestWeight")) {
                options.newest_weight =
                    static_cast<float>(number(o.Get("newestWeight"), "options.newestWeight"));
            }
            if (given("seed")) {
                options.seed = unsigned_integer(o.Get("seed"), "options.seed");
            }
        }
        guarded(info.Env(), [&] { trainer_ = std::make_shared<Trainer>(start, options); });
    }

  private:
    Trainer& idle(Napi::Env env) {
        if (*busy_) {
            throw Napi::Error::New(env, "the trainer is at work: await its promise first");
        }
        return *trainer_;
    }

    Napi::Value run(Napi::Env env, std::function<void()> work,
                    std::function<Napi::Value(Napi::Env)> result) {
        // Deletes itself when done.
        auto* job = new Job(env, busy_, std::move(work), std::move(result));
        const Napi::Promise promise = job->promise();
        job->Queue();
        return promise;
    }

    // add({width, height, low, high}, weight, standing) -> id
    Napi::Value add(const Napi::CallbackInfo& info) {
        Trainer& trainer = idle(info.Env());
        const Napi::Object o = object(info[0], "pair");
        const auto low = bytes(o.Get("low"), "pair.low");
        const auto high = bytes(o.Get("high"), "pair.high");
        const int width = integer(o.Get("width"), "pair.width", 1, 32768);
        const int height = integer(o.Get("height"), "pair.height", 1, 32768);
        const float weight = info[1].IsUndefined() ? 1.0F : weight_of(info[1]);
        const bool standing = !info[2].IsUndefined() && boolean(info[2], "standing");
        return guarded(info.Env(), [&] {
            TrainingPair pair{width, height, {low.begin(), low.end()}, {high.begin(), high.end()}};
            const std::uint64_t id = trainer.add(std::move(pair), weight, standing);
            return Napi::Number::New(info.Env(), static_cast<double>(id));
        });
    }

    void remove(const Napi::CallbackInfo& info) {
        Trainer& trainer = idle(info.Env());
        const auto id = unsigned_integer(info[0], "id");
        guarded(info.Env(), [&] { trainer.remove(id); });
    }

    void set_weight(const Napi::CallbackInfo& info) {
        Trainer& trainer = idle(info.Env());
        const auto id = unsigned_integer(info[0], "id");
        const float weight = weight_of(info[1]);
        guarded(info.Env(), [&] { trainer.set_weight(id, weight); });
    }

    static float weight_of(const Napi::Value& value) {
        const double weight = number(value, "weight");
        if (!(weight >= 0 && weight <= 1e6)) {
            throw_type_error(value.Env(), "weight must be from 0 to 1e6");
        }
        return static_cast<float>(weight);
    }

    // train(steps, learningRate) -> Promise<mean loss>
    Napi::Value train(const Napi::CallbackInfo& info) {
        idle(info.Env());
        const int steps = integer(info[0], "steps", 0, 1'000'000'000);
        const double rate = number(info[1], "learningRate");
        if (!(rate >= 0 && rate <= 1)) {
            throw_type_error(info.Env(), "learningRate must be from 0 to 1");
        }
        const auto loss = std::make_shared<double>(0);
        return run(
            info.Env(),
            [trainer = trainer_, loss, steps, rate] {
                *loss = trainer->train(steps, static_cast<float>(rate));
            },
            [loss](Napi::Env env) { return Napi::Number::New(env, *loss); });
    }

    // meanSquaredError(ids, weightSets) -> Promise<Float64Array>, set after set, an id each;
    // a set is a Float32Array, or null for bicubic.
    Napi::Value mean_squared_error(const Napi::CallbackInfo& info) {
        const Napi::Env env = info.Env();
        const Trainer& trainer = idle(env);
        if (!info[0].IsArray() || !info[1].IsArray()) {
            throw_type_error(env, "ids and weightSets must be arrays");
        }
        const auto id_list = info[0].As<Napi::Array>();
        const auto set_list = info[1].As<Napi::Array>();
        std::vector<std::uint64_t> ids;
        for (std::uint32_t i = 0; i < id_list.Length(); i++) {
            const Napi::Value id = id_list[i];
            ids.push_back(unsigned_integer(id, "ids"));
        }
        std::vector<std::vector<float>> sets;
        for (std::uint32_t i = 0; i < set_list.Length(); i++) {
            const Napi::Value set = set_list[i];
            if (set.IsNull()) {
                sets.emplace_back();
                continue;
            }
            const auto values = floats(set, "weightSets");
            expect_size(env, values.size(), parameter_count(trainer.architecture()), "weightSets");
            sets.emplace_back(values.begin(), values.end());
        }
        const auto errors = std::make_shared<std::vector<double>>();
        return run(
            env,
            [trainer = trainer_, ids = std::move(ids), sets = std::move(sets), errors] {
                for (const auto& set : sets) {
                    for (const std::uint64_t id : ids) {
                        errors->push_back(trainer->mean_squared_error(id, set));
                    }
                }
            },
            [errors](Napi::Env e) {
                auto array = Napi::Float64Array::New(e, errors->size());
                std::copy(errors->begin(), errors->end(), array.Data());
                return array;
            });
    }

    Napi::Value parameters(const Napi::CallbackInfo& info) {
        return to_array(info.Env(), std::span<const float>(idle(info.Env()).parameters()));
    }

    Napi::Value averaged(const Napi::CallbackInfo& info) {
        return to_array(info.Env(), std::span<const float>(idle(info.Env()).averaged()));
    }

    void reset(const Napi::CallbackInfo& info) {
        Trainer& trainer = idle(info.Env());
        const auto values = floats(info[0], "parameters");
        expect_size(info.Env(), values.size(), parameter_count(trainer.architecture()),
                    "parameters");
        guarded(info.Env(), [&] { trainer.reset(values); });
    }

    Napi::Value size(const Napi::CallbackInfo& info) {
        return Napi::Number::New(info.Env(), static_cast<double>(idle(info.Env()).size()));
    }

    Napi::Value steps(const Napi::CallbackInfo& info) {
        return Napi::Number::New(info.Env(), static_cast<double>(idle(info.Env()).steps()));
    }

    Napi::Value busy(const Napi::CallbackInfo& info) {
        return Napi::Boolean::New(info.Env(), *busy_);
    }

    std::shared_ptr<Trainer> trainer_;  // shared with the job: the object may be collected first
    std::shared_ptr<bool> busy_ = std::make_shared<bool>(false);
};

}  // namespace

void add_trainer(Napi::Env env, Napi::Object exports) { TrainerObject::define(env, exports); }

}  // namespace livesr::bridge
