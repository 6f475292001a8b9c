// The element's side of the channel to the engine: starts the engine as a child process or joins
// one by socket, speaks frames (docs/protocol.md), restarts what dies. Never blocks a streaming
// thread except in request(), which only lockstep uses.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace livesr::gst {

struct EngineMessage {
    nlohmann::json head;  // always an object with a string "type"
    std::vector<std::uint8_t> blob;
};

struct EngineConfig {
    // "auto": node on PATH (or $LIVESR_NODE) runs elements/engine.mjs beside the plugin (or
    // $LIVESR_ENGINE), over a socket pair on file descriptor 3. "unix:PATH": join. "off": none.
    std::string engine = "auto";
    // First message of every connection; asked for anew at each (re)connection, so that a restarted
    // engine goes on from the last weights.
    std::function<EngineMessage()> hello;
    // Called on the client's own thread, one at a time.
    std::function<void(EngineMessage)> on_message;
    std::function<void(bool connected, const std::string& why)> on_state;
};

class EngineClient {
  public:
    explicit EngineClient(EngineConfig config);
    ~EngineClient();  // stops

    void start();
    void stop();

    bool connected() const;
    // Number of times the engine was started again after it had been lost.
    unsigned restarts() const;

    // Queues a notification. False (and counted) when not connected or 8 MiB are already waiting.
    bool notify(const nlohmann::json& head, std::span<const std::uint8_t> blob = {});
    // Sends a request and waits for its response. Messages that arrive before the response are
    // handed to on_message first, so that their effects hold when this returns.
    // nullopt: not connected, lost meanwhile, or timed out.
    std::optional<EngineMessage> request(nlohmann::json head, std::span<const std::uint8_t> blob,
                                         std::chrono::milliseconds timeout);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace livesr::gst
