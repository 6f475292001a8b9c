// The element's side of the channel to the engine: starts the engine as a child process or joins
// one by socket, speaks frames (docs/protocol.md), replaces what dies or no longer answers. Never
// blocks a streaming thread except in request(), which only lockstep uses.
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

#include "gst/engine/heartbeat.h"
#include "gst/engine/outgoing_queue.h"

namespace livesr::gst {

struct EngineMessage {
    nlohmann::json head;  // always an object with a string "type"
    std::vector<std::uint8_t> blob;
};

enum class EngineState {
    starting,  // connected; it has not said anything yet
    ready,     // it answers
    late,      // an answer is overdue by seconds
    lost       // it died, was ended or could not be started
};

// What an engine says of itself with each answer; sums over all connections.
struct EngineCounts {
    std::uint64_t unresponsive = 0;    // engines that were ended because they did not answer
    std::uint64_t waiting = 0;         // messages in its inbox at the last answer
    std::uint64_t pairs_dropped = 0;   // patch pairs for which its inbox had no room
    std::uint64_t fields_dropped = 0;  // optional fields that were not as agreed
};

// Empty when `engine` is a value that EngineConfig::engine takes, else what is wrong with it.
std::string describe_engine_problem(const std::string& engine);

struct EngineConfig {
    // "auto": node on PATH (or $LIVESR_NODE) runs elements/engine.mjs beside the plugin (or
    // $LIVESR_ENGINE), over a socket pair on file descriptor 3. "unix:PATH": join. "off": none.
    std::string engine = "auto";
    // First message of every connection; asked for anew at each (re)connection, so that a restarted
    // engine goes on from the last weights.
    std::function<EngineMessage()> hello;
    // Called on the client's own thread, one at a time; they may call notify(), not request() or
    // stop(). An exception out of on_message (a ChannelError that names the rule, say) closes the
    // connection.
    std::function<void(EngineMessage)> on_message;
    // `why`: of `lost`, why, and what helps. The same failure to start is reported once.
    std::function<void(EngineState state, const std::string& why)> on_state;
    HeartbeatBounds bounds;
};

class EngineClient {
  public:
    explicit EngineClient(EngineConfig config);
    ~EngineClient();  // stops

    // Returns when the first attempt to connect has been made, so that a request() right after it
    // finds the engine. The caller holds no lock that `hello` takes.
    void start();
    // The caller holds no lock that a callback takes.
    void stop();

    bool connected() const;
    // Connected, and the engine has spoken.
    bool ready() const;
    // Number of times the engine was started again after it had been lost.
    unsigned restarts() const;
    // Notifications that could not be queued.
    std::uint64_t dropped() const;
    // Notifications that were queued and gave way to others.
    std::uint64_t lost() const;
    EngineCounts counts() const;

    // Queues a notification. False (and counted) when not connected or 8 MiB are already waiting
    // that cannot be lost.
    bool notify(const nlohmann::json& head, std::span<const std::uint8_t> blob = {},
                Delivery delivery = Delivery::certain);
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
