// The engine as a child process: finding node and the script, starting, ending. No protocol.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <stdexcept>
#include <string>

namespace livesr::gst {

// The engine cannot be started; the message says why and what helps.
struct EngineProcessError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct EngineCommand {
    std::string node;
    std::string script;
};

// $LIVESR_NODE, else `node` on PATH; $LIVESR_ENGINE, else ../elements/engine.mjs as seen from the
// file that this code was loaded from (dist/gstreamer/libgstlivesr.so). Throws EngineProcessError.
EngineCommand find_engine();

// A running child. Its file descriptor 3 is a stream socket whose other end is channel(); whatever
// it prints comes out of log(), so that it never reaches our standard output. It dies with the
// thread that made it, and of course with our process.
class EngineProcess {
  public:
    explicit EngineProcess(const EngineCommand& command);  // throws EngineProcessError
    ~EngineProcess();                                      // end(0)
    EngineProcess(const EngineProcess&) = delete;
    EngineProcess& operator=(const EngineProcess&) = delete;

    // Both non-blocking.
    int channel() const { return channel_; }
    int log() const { return log_; }
    pid_t pid() const { return pid_; }

    // Closes the channel, gives the child `grace` to leave by itself, then kills it. Returns how it
    // ended, in words. Blocks for at most about `grace`.
    std::string end(std::chrono::milliseconds grace);

  private:
    void close_channel();

    pid_t pid_ = -1;
    int channel_ = -1;
    int log_ = -1;
    std::string ended_;
};

}  // namespace livesr::gst
