// The sender's conversation with its engine: when which message goes out, what comes back and
// whether it may be believed. No pixels, no pads.
#pragma once

#include <gst/gst.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/patch/packet.h"
#include "gst/engine/engine_client.h"
#include "gst/sender/link_probe.h"
#include "gst/sender/settings.h"
#include "gst/sender/span_ledger.h"
#include "gst/sender/trial.h"

namespace livesr::gst {

class SenderSession {
  public:
    // All but on_plan's first call come from the engine client's thread.
    struct Callbacks {
        std::function<void(const Plan&)> on_plan;
        std::function<void(std::uint64_t offer, const std::vector<std::uint32_t>& cells)> on_select;
        // The engine could not be started or was lost; said once for each reason.
        std::function<void(const std::string& why)> on_engine_trouble;
        // What the engine planned and why (docs/protocol.md, plan.set), for whoever watches.
        std::function<void(const nlohmann::json& plan)> on_plan_report;
        // The next frames are to be sent at this scale.
        std::function<void(const Scale& scale)> on_rung;
        // The engine wants to know what another rung would show.
        std::function<void(const RungTrial::Order&)> on_trial;
        // Something that people should know of.
        std::function<void(const std::string& cause, const std::string& remedy)> on_warning;
        // Pictures were lost or dropped on their way out: from the thread that gives them out.
        std::function<void()> on_key_wanted;
    };
    struct Stream {
        int width = 0;
        int height = 0;
        double frames_per_second = 0;  // 0: unknown

        bool operator==(const Stream&) const = default;
    };

    explicit SenderSession(Callbacks callbacks)
        : callbacks_(std::move(callbacks)),
          link_probe_([this](const nlohmann::json& message) { send_with_next(message); },
                      [this] { callbacks_.on_key_wanted(); }) {}
    ~SenderSession() { stop(); }

    // Puts the initial plan into force; the engine starts with the first stream. `element` is the
    // sender, in whose pipeline the element is looked for that the uplink is measured at.
    void start(const SenderSettings& settings, GstElement* element);
    // Waits for callbacks under way: the caller holds no lock that they take.
    void stop();

    // Settings that may change while it runs.
    void update(const SenderSettings& settings);
    void set_stream(const Stream& stream);

    // Media time has come to `running_time`; sends a tick where one is due.
    void tick(GstClockTime running_time);
    // After a flush: time may begin anywhere.
    void restart_ticks();
    void add_video_bytes(std::uint64_t bytes, bool is_key);
    // How large the next frame, shown for this long, may be so that no 2 s get more than the uplink
    // carries.
    double room_bits(GstClockTime frame_time);
    // Of the last tick.
    GstClockTime media_time() const;
    // What patches may take beside the last frame; nothing where frames are not limited: the plan
    // alone says it.
    std::optional<double> patch_room_bits() const;
    // Whether the encoder is ours, so that what goes to the network may be guarded. Before start().
    void set_encoder_inside(bool inside);
    // Frames that come later than this to the encoder would be stale on the network (ns); 0: the
    // stream is not known to go to one.
    std::uint64_t raw_bound_ns() const;
    // Whether the encoder keeps each frame to room_bits.
    void set_limits_frames(bool limits);
    // Offers a frame; errors has columns * rows values. In lockstep returns after on_select.
    void offer(std::uint64_t offer, GstClockTime running_time, int columns, int rows,
               const std::vector<std::uint32_t>& errors);
    // A packet went out; without patches it was an announcement.
    void sent(GstClockTime running_time, std::size_t bytes, std::size_t patches);

    // What a trial came to. In lockstep returns after the plan that follows from it.
    void tell_trial(const RungTrial::Outcome& outcome);
    // Frames are sent at this scale from now on. fixed: the encoder takes no other.
    void set_scale(const Scale& scale, bool fixed);
    std::uint64_t video_bytes() const;

    bool connected() const;
    Plan plan() const;
    void add_stats(GstStructure* stats) const;

    static constexpr int cell = patch_cell;

  private:
    EngineMessage hello() const;
    void receive(const EngineMessage& message);
    void send(const nlohmann::json& head, std::span<const std::uint8_t> blob, bool decision);
    // What only counts at the next decision goes with it: each message of its own wakes the engine.
    void send_with_next(const nlohmann::json& head);
    void flush(EngineClient& engine);
    void set_plan(const Plan& plan);
    void set_pace(std::uint32_t pace_bps);
    void trouble(const std::string& why);
    bool guards() const;
    std::shared_ptr<EngineClient> client() const;

    Callbacks callbacks_;
    LinkProbe link_probe_;
    mutable std::mutex mutex_;  // guards all below; not held while callbacks or the engine run
    SenderSettings settings_;
    GstElement* element_ = nullptr;  // borrowed
    Scale scale_ = 2;
    bool rung_fixed_ = false;
    Stream stream_;
    Plan plan_;
    std::shared_ptr<EngineClient> client_;
    std::string last_trouble_;
    GstClockTime next_tick_ = 0;
    std::uint64_t untold_video_bytes_ = 0;
    std::uint64_t untold_key_bytes_ = 0;
    GstClockTime now_ = 0;  // of the last frame
    SpanLedger ledger_;
    bool encoder_inside_ = false;
    bool limits_frames_ = false;
    std::uint64_t video_bytes_ = 0;
    std::uint64_t offers_ = 0;
    std::vector<nlohmann::json> waiting_;  // for the next message
    // Of the feedback channel, as the engine last told.
    struct Feedback {
        bool connected = false;
        std::uint64_t received = 0;
        std::uint64_t ignored = 0;
        std::uint64_t connections = 0;
        double goodput_bps = -1;  // below 0: the server has not said
        double packet_loss = -1;
    } feedback_;
};

}  // namespace livesr::gst
