// One connection to an engine: a child process or a joined socket, the frames that go over it, and
// the log that a child prints. Belongs to one thread; whom it is for is the client's business.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "gst/engine/channel.h"
#include "gst/engine/engine_process.h"
#include "gst/engine/outgoing_queue.h"

namespace livesr::gst {

// The connection is lost; the message says why.
struct EngineLost : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class EngineLink {
  public:
    // engine: "auto" or "unix:PATH". Throws EngineProcessError.
    explicit EngineLink(const std::string& engine);
    ~EngineLink();
    EngineLink(const EngineLink&) = delete;
    EngineLink& operator=(const EngineLink&) = delete;

    bool is_child() const { return process_ != nullptr; }
    int fd() const { return process_ ? process_->channel() : joined_; }
    int log_fd() const { return process_ && log_open_ ? process_->log() : -1; }

    // Hands over the frames that have arrived. Throws EngineLost and ChannelError.
    void read(const std::function<void(ChannelFrame)>& deliver);
    // Writes until the socket is full or `next` has no more. Throws EngineLost.
    void write(const std::function<std::optional<OutgoingQueue::Frame>()>& next);
    // A frame is partly written.
    bool is_writing() const { return !sending_.empty(); }
    void read_log();
    // The last line of the log that complains, or speaks of an error.
    const std::string& complaint() const { return complaint_; }
    // How long a child's main thread was ready to run and got no processor, since its start; 0
    // where that is not known.
    std::chrono::milliseconds starved() const;
    // Ends a child (EngineProcess::end).
    std::string end(std::chrono::milliseconds grace);

  private:
    void take_log_line(const std::string& line);

    std::unique_ptr<EngineProcess> process_;  // null when joined by socket
    int joined_ = -1;
    FrameReader reader_;
    OutgoingQueue::Frame sending_;
    std::size_t sent_ = 0;  // of it
    std::string log_line_;  // what the child printed of a line
    std::string complaint_;
    bool log_open_ = true;
};

}  // namespace livesr::gst
