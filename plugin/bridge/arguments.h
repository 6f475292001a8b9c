// Reading JavaScript arguments: every wrong type or size is a TypeError that names the argument.
#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/network/network.h"

namespace livesr::bridge {

[[noreturn]] void throw_type_error(Napi::Env env, const std::string& what);

// `what` names the argument in the error: "pair.width".
double number(const Napi::Value& value, const char* what);
int integer(const Napi::Value& value, const char* what, int least, int most);
std::uint64_t unsigned_integer(const Napi::Value& value, const char* what);
bool boolean(const Napi::Value& value, const char* what);
std::string text(const Napi::Value& value, const char* what);
Napi::Object object(const Napi::Value& value, const char* what);

// Views of typed arrays; valid while the JavaScript value lives (one call).
std::span<const std::uint8_t> bytes(const Napi::Value& value, const char* what);
std::span<const float> floats(const Napi::Value& value, const char* what);

// Throws unless `actual` elements are there.
void expect_size(Napi::Env env, std::size_t actual, std::size_t expected, const char* what);

// {scale, channels, layers}, one of the family.
Architecture architecture(const Napi::Value& value);
Napi::Object to_object(Napi::Env env, const Architecture& architecture);

// Parameters that fit the architecture.
Network network(const Napi::Value& architecture, const Napi::Value& parameters);

Napi::Float32Array to_array(Napi::Env env, std::span<const float> values);
Napi::Uint8Array to_array(Napi::Env env, std::span<const std::uint8_t> values);

// {pixels, width, height}: a dense plane of 8-bit luma.
struct Plane {
    std::span<const std::uint8_t> pixels;
    int width = 0;
    int height = 0;
};
Plane plane(const Napi::Value& value, const char* what);

// Runs `body`; what core throws becomes a JavaScript Error with the same words.
template <class Body>
auto guarded(Napi::Env env, Body body) {
    try {
        return body();
    } catch (const Napi::Error&) {
        throw;
    } catch (const std::exception& error) {
        throw Napi::Error::New(env, error.what());
    }
}

}  // namespace livesr::bridge
