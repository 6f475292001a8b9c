// Joining an engine that runs already, by its Unix socket.
#pragma once

#include <string>

namespace livesr::gst {

// A non-blocking socket. Throws EngineProcessError: nobody listens there, or somebody else does.
int connect_engine_socket(const std::string& path);

}  // namespace livesr::gst
