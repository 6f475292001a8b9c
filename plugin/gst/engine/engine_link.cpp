// See engine_link.h.
#include "gst/engine/engine_link.h"

#include <gst/gst.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <span>
#include <utility>

#include "gst/engine/engine_debug.h"
#include "gst/engine/engine_socket.h"

#define GST_CAT_DEFAULT (engine_debug_category())

namespace livesr::gst {

namespace {

// How the engine's log begins a line of what it did; other lines are complaints.
const char* const event_prefix = "livesr engine [";

}  // namespace

EngineLink::EngineLink(const std::string& engine) {
    if (engine.starts_with(unix_prefix)) {
        joined_ = connect_engine_socket(engine.substr(std::string(unix_prefix).size()));
    } else {
        process_ = std::make_unique<EngineProcess>(find_engine());
    }
}

EngineLink::~EngineLink() {
    if (joined_ >= 0) close(joined_);
}

void EngineLink::read(const std::function<void(ChannelFrame)>& deliver) {
    std::array<std::uint8_t, 65536> bytes;
    const ssize_t got = recv(fd(), bytes.data(), bytes.size(), 0);
    if (got == 0) throw EngineLost("the engine closed the channel");
    if (got < 0) {
        if (errno == EAGAIN || errno == EINTR) return;
        throw EngineLost(std::string("the channel failed: ") + std::strerror(errno));
    }
    reader_.feed(std::span(bytes).first(static_cast<std::size_t>(got)));
    while (auto frame = reader_.next()) deliver(std::move(*frame));
}

void EngineLink::write(const std::function<std::optional<OutgoingQueue::Frame>()>& next) {
    for (;;) {
        if (sending_.empty()) {
            auto frame = next();
            if (!frame) return;
            sending_ = std::move(*frame);
            sent_ = 0;
        }
        const ssize_t sent =
            send(fd(), sending_.data() + sent_, sending_.size() - sent_, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EAGAIN || errno == EINTR) return;
            throw EngineLost(std::string("the channel failed: ") + std::strerror(errno));
        }
        sent_ += static_cast<std::size_t>(sent);
        if (sent_ < sending_.size()) return;
        sending_.clear();
    }
}

void EngineLink::read_log() {
    std::array<char, 4096> bytes;
    for (;;) {
        const ssize_t got = ::read(process_->log(), bytes.data(), bytes.size());
        if (got == 0) log_open_ = false;
        if (got <= 0) return;
        for (ssize_t i = 0; i < got; ++i) {
            const char byte = bytes[static_cast<std::size_t>(i)];
            if (byte != '\n' && log_line_.size() < 1000) {
                log_line_ += byte;
                continue;
            }
            take_log_line(std::exchange(log_line_, {}));
        }
    }
}

void EngineLink::take_log_line(const std::string& line) {
    GST_INFO("engine: %s", line.c_str());
    if (line.empty() || line.starts_with(event_prefix)) return;  // what it did, not why it failed
    // Node ends a stack trace with its own version: the line that names the error says more.
    const auto says_error = [](const std::string& text) {
        return text.find("rror") != std::string::npos;
    };
    if (says_error(line) || !says_error(complaint_)) complaint_ = line;
}

std::chrono::milliseconds EngineLink::starved() const {
    if (!process_) return std::chrono::milliseconds(0);
    // Time on a processor, time in its queue, both in ns (proc(5)).
    std::ifstream file("/proc/" + std::to_string(process_->pid()) + "/schedstat");
    std::int64_t run_ns = 0;
    std::int64_t wait_ns = 0;
    if (!(file >> run_ns >> wait_ns)) return std::chrono::milliseconds(0);
    return std::chrono::milliseconds(wait_ns / 1'000'000);
}

std::string EngineLink::end(std::chrono::milliseconds grace) {
    return process_ ? process_->end(grace) : "";
}

}  // namespace livesr::gst
