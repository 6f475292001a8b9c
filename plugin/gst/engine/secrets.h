// Secrets that an element is given: by a property, or by the environment, since everybody on a
// machine can read the command line of gst-launch-1.0.
#pragma once

#include <cstdlib>
#include <string>

namespace livesr::gst {

inline constexpr const char* token_variable = "LIVESR_TOKEN";
inline constexpr const char* stream_key_variable = "LIVESR_STREAM_KEY";

// The property's value where it has one, else that of the environment variable, else empty.
inline std::string given_or_environment(const std::string& property, const char* variable) {
    if (!property.empty()) return property;
    const char* value = std::getenv(variable);
    return value != nullptr ? value : "";
}

}  // namespace livesr::gst
