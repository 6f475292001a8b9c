#include "bridge/arguments.h"

#include <algorithm>
#include <cmath>

namespace livesr::bridge {
namespace {

// Beyond any video; keeps width * height within int.
constexpr int max_side = 32768;
constexpr double max_safe_integer = 9007199254740991.0;

template <class Element>
Napi::TypedArrayOf<Element> typed_array(const Napi::Value& value, napi_typedarray_type type,
                                        const char* what, const char* type_name) {
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) {
        throw_type_error(value.Env(), std::string(what) + " must be a " + type_name);
    }
    return value.As<Napi::TypedArrayOf<Element>>();
}

}  // namespace

void throw_type_error(Napi::Env env, const std::string& what) {
    throw Napi::TypeError::New(env, what);
}

double number(const Napi::Value& value, const char* what) {
    if (!value.IsNumber()) {
        throw_type_error(value.Env(), std::string(what) + " must be a number");
    }
    return value.As<Napi::Number>().DoubleValue();
}

int integer(const Napi::Value& value, const char* what, int least, int most) {
    const double v = number(value, what);
    if (!(v >= least && v <= most) || v != std::floor(v)) {
        throw_type_error(value.Env(), std::string(what) + " must be an integer from " +
                                          std::to_string(least) + " to " + std::to_string(most));
    }
    return static_cast<int>(v);
}

std::uint64_t unsigned_integer(const Napi::Value& value, const char* what) {
    const double v = number(value, what);
    if (!(v >= 0 && v <= max_safe_integer) || v != std::floor(v)) {
        throw_type_error(value.Env(), std::string(what) + " must be a safe integer from 0 on");
    }
    return static_cast<std::uint64_t>(v);
}

bool boolean(const Napi::Value& value, const char* what) {
    if (!value.IsBoolean()) {
        throw_type_error(value.Env(), std::string(what) + " must be a boolean");
    }
    return value.As<Napi::Boolean>().Value();
}

std::string text(const Napi::Value& value, const char* what) {
    if (!value.IsString()) {
        throw_type_error(value.Env(), std::string(what) + " must be a string");
    }
    return value.As<Napi::String>().Utf8Value();
}

Napi::Object object(const Napi::Value& value, const char* what) {
    if (!value.IsObject()) {
        throw_type_error(value.Env(), std::string(what) + " must be an object");
    }
    return value.As<Napi::Object>();
}

std::span<const std::uint8_t> bytes(const Napi::Value& value, const char* what) {
    const auto array = typed_array<std::uint8_t>(value, napi_uint8_array, what, "Uint8Array");
    return {array.Data(), array.ElementLength()};
}

std::span<const float> floats(const Napi::Value& value, const char* what) {
    const auto array = typed_array<float>(value, napi_float32_array, what, "Float32Array");
    return {array.Data(), array.ElementLength()};
}

void expect_size(Napi::Env env, std::size_t actual, std::size_t expected, const char* what) {
    if (actual != expected) {
        throw_type_error(env, std::string(what) + " has " + std::to_string(actual) +
                                  " elements, must have " + std::to_string(expected));
    }
}

Architecture architecture(const Napi::Value& value) {
    const Napi::Object o = object(value, "architecture");
    // Wide bounds: describe_problem() knows the family and says it better.
    const Architecture a{
        .scale = integer(o.Get("scale"), "architecture.scale", 0, 255),
        .channels = integer(o.Get("channels"), "architecture.channels", 0, 4096),
        .layers = integer(o.Get("layers"), "architecture.layers", 0, 255),
    };
    if (const std::string problem = describe_problem(a); !problem.empty()) {
        throw_type_error(value.Env(), "architecture: " + problem);
    }
    return a;
}

Napi::Object to_object(Napi::Env env, const Architecture& a) {
    Napi::Object o = Napi::Object::New(env);
    o.Set("scale", a.scale);
    o.Set("channels", a.channels);
    o.Set("layers", a.layers);
    return o;
}

Network network(const Napi::Value& architecture_value, const Napi::Value& parameters_value) {
    const Architecture a = architecture(architecture_value);
    const auto parameters = floats(parameters_value, "parameters");
    expect_size(architecture_value.Env(), parameters.size(), parameter_count(a), "parameters");
    return {a, {parameters.begin(), parameters.end()}};
}

Napi::Float32Array to_array(Napi::Env env, std::span<const float> values) {
    auto array = Napi::Float32Array::New(env, values.size());
    std::copy(values.begin(), values.end(), array.Data());
    return array;
}

Napi::Uint8Array to_array(Napi::Env env, std::span<const std::uint8_t> values) {
    auto array = Napi::Uint8Array::New(env, values.size());
    std::copy(values.begin(), values.end(), array.Data());
    return array;
}

Plane plane(const Napi::Value& value, const char* what) {
    const Napi::Object o = object(value, what);
    const std::string name = what;
    const Plane p{
        .pixels = bytes(o.Get("pixels"), (name + ".pixels").c_str()),
        .width = integer(o.Get("width"), (name + ".width").c_str(), 1, max_side),
        .height = integer(o.Get("height"), (name + ".height").c_str(), 1, max_side),
    };
    expect_size(value.Env(), p.pixels.size(),
                static_cast<std::size_t>(p.width) * static_cast<std::size_t>(p.height),
                (name + ".pixels").c_str());
    return p;
}

}  // namespace livesr::bridge
