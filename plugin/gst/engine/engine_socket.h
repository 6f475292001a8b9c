// Joining an engine that runs already, by its Unix socket.
#pragma once

#include <string>

namespace livesr::gst {

// How the property engine names a socket to join: unix:PATH.
constexpr const char* unix_prefix = "unix:";

// A non-blocking socket. Throws EngineProcessError: nobody listens there, or somebody else does.
int connect_engine_socket(const std::string& path);

}  // namespace livesr::gst
