#include <cmath>

#include "bridge/arguments.h"
#include "bridge/parts.h"
#include "core/model/model_file.h"
#include "core/network/enhance.h"
#include "core/network/flat_levels.h"
#include "core/network/isa.h"
#include "core/network/network.h"

namespace livesr::bridge {
namespace {

Napi::Value cpu(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    Napi::Object result = Napi::Object::New(env);
    result.Set("isa", std::string(name(best_isa())));
    Napi::Array list = Napi::Array::New(env);
    for (const Isa isa : {Isa::reference, Isa::avx2, Isa::avx512, Isa::avx512vnni}) {
        if (supported(isa)) {
            list.Set(list.Length(), std::string(name(isa)));
        }
    }
    result.Set("supported", list);
    return result;
}

Napi::Value parameter_count_of(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(),
                             static_cast<double>(parameter_count(architecture(info[0]))));
}

Napi::Value make_network_of(const Napi::CallbackInfo& info) {
    const Architecture a = architecture(info[0]);
    const std::uint64_t seed = unsigned_integer(info[1], "seed");
    return to_array(info.Env(), std::span<const float>(make_network(a, seed).parameters));
}

Napi::Value load_model(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const auto file = bytes(info[0], "bytes");
    return guarded(env, [&] {
        const Network n = read_onnx(file);
        Napi::Object result = Napi::Object::New(env);
        result.Set("architecture", to_object(env, n.architecture));
        result.Set("parameters", to_array(env, std::span<const float>(n.parameters)));
        return result;
    });
}

Napi::Value save_model(const Napi::CallbackInfo& info) {
    const Network n = network(info[0], info[1]);
    return guarded(info.Env(), [&] {
        return to_array(info.Env(), std::span<const std::uint8_t>(write_onnx(n)));
    });
}

// keepFlat(architecture, parameters, exact, near) -> Float32Array
Napi::Value keep_flat_of(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    Network n = network(info[0], info[1]);
    const auto exact = bytes(info[2], "exact");
    const auto near = bytes(info[3], "near");
    return guarded(env, [&] {
        keep_flat(n, exact, near);
        return to_array(env, std::span<const float>(n.parameters));
    });
}

// enhance(architecture, parameters, plane) -> Uint8Array
Napi::Value enhance_plane(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const Network n = network(info[0], info[1]);
    const Plane low = plane(info[2], "plane");
    return guarded(env, [&] {
        const PackedNetwork packed(n);
        EnhanceScratch scratch;
        const int scale = n.architecture.scale;
        const auto pixels = low.pixels.size() * static_cast<std::size_t>(scale * scale);
        auto out = Napi::Uint8Array::New(env, pixels);
        enhance(packed, scratch, low.pixels.data(), low.width, low.width, low.height, out.Data(),
                low.width * scale, 0, low.height);
        return out;
    });
}

// enhanceFloat(architecture, parameters, Float32Array, width, height) -> Float32Array
Napi::Value enhance_floats(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const Network n = network(info[0], info[1]);
    const auto low = floats(info[2], "pixels");
    const int width = integer(info[3], "width", 1, 32768);
    const int height = integer(info[4], "height", 1, 32768);
    expect_size(env, low.size(), static_cast<std::size_t>(width) * static_cast<std::size_t>(height),
                "pixels");
    return guarded(env, [&] {
        const auto area = static_cast<std::size_t>(n.architecture.scale * n.architecture.scale);
        auto out = Napi::Float32Array::New(env, low.size() * area);
        enhance_float(n, low.data(), width, height, out.Data());
        return out;
    });
}

}  // namespace

void add_networks(Napi::Env env, Napi::Object exports) {
    exports.Set("cpu", Napi::Function::New(env, cpu));
    exports.Set("parameterCount", Napi::Function::New(env, parameter_count_of));
    exports.Set("makeNetwork", Napi::Function::New(env, make_network_of));
    exports.Set("loadModel", Napi::Function::New(env, load_model));
    exports.Set("saveModel", Napi::Function::New(env, save_model));
    exports.Set("keepFlat", Napi::Function::New(env, keep_flat_of));
    exports.Set("enhance", Napi::Function::New(env, enhance_plane));
    exports.Set("enhanceFloat", Napi::Function::New(env, enhance_floats));
}

}  // namespace livesr::bridge
