// The enhancer's conversation with its engine (docs/protocol.md, srenhancer): what it is told, and
// the weights that come back. Weights are made ready for inference on the engine client's thread
// and handed over as one pointer, so that the streaming thread never waits for them.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/network/enhance.h"
#include "core/network/network.h"
#include "core/picture/scale.h"
#include "gst/engine/engine_client.h"
#include "gst/enhancer/alignment.h"

namespace livesr::gst {

// Weights that the picture is made with, from one frame on. Immutable.
struct LiveModel {
    std::uint64_t version = 0;
    std::string source = "bicubic";  // bicubic, generic, stored or online
    double gain_db = 0.0;            // expected over bicubic
    // Null: bicubic, in full size the picture itself.
    std::shared_ptr<const PackedNetwork> network;
    std::chrono::steady_clock::time_point received{};
};

// What came in since the stream began.
struct Received {
    std::optional<std::uint64_t> video_bytes;  // encoded; nullopt: there is no decoder before us
    std::uint64_t patch_bytes = 0;
    std::uint64_t packets = 0;
    std::uint64_t packets_lost = 0;
};

// What texture memory knows of the latest picture (TextureMemory::cover), cell by cell of the
// sender's grid.
struct MemoryCover {
    std::uint64_t sender_time_ns = 0;  // of the tick, by the sender's clock
    int columns = 0;
    int rows = 0;
    std::vector<std::uint8_t> shares;
    // Of the error of what is known, the share that memory takes away; absent: not tested yet.
    std::optional<double> benefit;
};

class TrainingSession {
  public:
    struct Options {
        std::map<Scale, Network> generic;  // by the scale that is sent; not empty
        std::string engine = "auto";
        std::string stream_key;
        std::string model_store;
        std::string feedback_listen;
        std::string feedback_certificate;
        std::string token;
        std::string tokens_file;
        std::string training = "adaptive";
        bool lockstep = false;
        double steps_per_second = 0.0;  // 0: as fast as one core goes
        int training_threads = 1;
        std::uint32_t seed = 0;
    };
    // All are called on the client's thread.
    struct Listener {
        std::function<void(const nlohmann::json& report)> on_report;
        std::function<void()> on_change;  // state, gain or model is another
        // The engine is not at work, and why. Again only after it has trained in between.
        std::function<void(const std::string& why)> on_trouble;
        // Patch packets that a sender gave to the feedback server.
        std::function<void(std::span<const std::uint8_t> bytes)> on_packet;
        std::function<void(const std::string& cause, const std::string& remedy)> on_warning;
    };

    TrainingSession(Options options, Listener listener);
    ~TrainingSession();

    // Scale that is sent (one that there is a generic network of) and size of the picture that the
    // network is given. The first call starts the engine, a change tells it.
    void set_size(const Scale& scale, int width, int height);
    void send_pair(const AlignedPatch& pair);
    // The frame of this time begins another scene.
    void tell_scene_cut(std::uint64_t media_time_ns);
    // Media time has come this far. In lockstep: waits until the engine has done what is due, so
    // that live() is what this frame is made with. False when it did not answer. cover: absent
    // where nothing is remembered.
    bool tick(std::uint64_t media_time_ns, const Received& received,
              const std::optional<MemoryCover>& cover = std::nullopt);
    // Ends a wait in tick(), for good. Called when the element stops.
    void interrupt();

    // Of the scale: what was last shown at another one stays what it was.
    std::shared_ptr<const LiveModel> live(const Scale& scale) const;
    bool serves(const Scale& scale) const { return options_.generic.contains(scale); }
    const Network& generic(const Scale& scale) const { return options_.generic.at(scale); }

    struct Status {
        // starting (the engine has not spoken yet), waiting (for the first patch), training,
        // suspended (nothing more to gain for now), unresponsive (an answer is overdue), off, or
        // "stopped: WHY".
        std::string state;
        double gain_db = 0.0;
        std::string model_source;
        std::uint64_t model_version = 0;
        std::uint64_t swaps = 0;
        std::uint64_t swaps_refused = 0;
        std::uint64_t pairs_sent = 0;
        std::uint64_t pairs_unsent = 0;  // no engine, or newer ones took the room
        unsigned engine_restarts = 0;
        EngineCounts engine;
        // What came to the feedback port, by the names that stats has; empty: there is none.
        std::map<std::string, std::uint64_t> feedback;
    };
    Status status() const;

  private:
    EngineMessage hello();
    void on_message(const EngineMessage& message);
    void on_swap(const EngineMessage& message);
    void on_report(const nlohmann::json& report);
    void on_feedback_counts(const nlohmann::json& counts);
    void on_training_state(const nlohmann::json& message);
    void on_engine_state(EngineState state, const std::string& why);
    void trouble(const std::string& why);
    void start_anew_if_resized();
    struct Shown {
        std::shared_ptr<const LiveModel> live;
        std::vector<float> parameters;  // empty: bicubic
    };
    bool is_interrupted() const;

    const Options options_;
    const Listener listener_;

    // The streaming thread starts the client while the application may already be stopping it.
    std::mutex start_mutex_;

    mutable std::mutex mutex_;  // guards all that follows; never held while the client is called
    std::condition_variable changed_;
    std::map<Scale, Shown> shown_;
    std::string state_ = "starting";
    bool is_late_ = false;     // an answer of the engine is overdue
    bool in_trouble_ = false;  // said, and no training since
    std::map<Scale, double> gains_db_;
    std::uint64_t swaps_ = 0;
    std::uint64_t swaps_refused_ = 0;
    std::uint64_t pairs_sent_ = 0;
    std::uint64_t pairs_unsent_ = 0;
    std::map<std::string, std::uint64_t> feedback_;
    struct Input {
        Scale scale;  // none yet
        int width = 0;
        int height = 0;
        bool operator==(const Input&) const = default;
    };
    Input input_;
    Input told_;  // in the last enhancer.start
    bool connected_ = false;
    bool was_connected_ = false;
    bool failed_ = false;  // never connected, and the first attempt is over
    bool interrupted_ = false;

    std::unique_ptr<EngineClient> client_;  // last: its thread uses all of the above
};

}  // namespace livesr::gst
