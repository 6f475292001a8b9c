// At which size the next frame is sent: changes of rung as the engine wants them, and its trials of
// other rungs. Thread-safe; no lock is held while a callback runs.
#pragma once

#include <gst/gst.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "gst/sender/trial.h"

namespace livesr::gst {

class Rungs {
  public:
    struct Callbacks {
        // The encoder did not take this scale; for the first time.
        std::function<void(const Scale& scale)> on_refused;
        RungTrial::Done on_outcome;
    };

    struct Encoder {
        // Gives it frames of another scale, from the next one on; false: it does not take them.
        std::function<bool(const Scale& scale)> on_switch;
        // How long until it makes a key frame anyway; GST_CLOCK_TIME_NONE when it does not say.
        std::function<GstClockTime()> time_to_key;
        // What trials encode with.
        std::string fragment;
    };

    explicit Rungs(Callbacks callbacks) : callbacks_(std::move(callbacks)) {}

    void start(const Scale& first_scale, bool lockstep);
    void stop();
    // Without one the scale stays as it is.
    void set_encoder(Encoder encoder);

    // --- any thread ---
    void want(const Scale& scale);
    // A change costs a key frame: it may wait for the encoder's own where that is not far.
    void want_at_key_frame(const Scale& scale);
    void order(const RungTrial::Order& order);
    Scale scale() const;
    bool can_switch() const;
    std::uint64_t changes() const;
    std::uint64_t trials() const;
    // The stream's own picture of a frame for which add_frame said yes.
    void add_live(const LumaFrame& frame);

    // --- streaming thread of the originals ---
    // Changes the rung where that is asked for; the scale of the frame that comes now.
    Scale take_up();
    // As RungTrial::add_frame, where a trial is on.
    bool add_frame(GstBuffer* buffer, GstCaps* caps, GstClockTime running_time, bool may_measure,
                   std::uint64_t video_bytes);

  private:
    Callbacks callbacks_;
    mutable std::mutex mutex_;  // guards all below
    Encoder encoder_;
    bool lockstep_ = false;
    Scale scale_ = 2;
    Scale wanted_ = 2;
    bool may_wait_ = false;
    bool refused_ = false;
    std::optional<RungTrial::Order> order_;
    std::shared_ptr<RungTrial> trial_;
    std::uint64_t changes_ = 0;
    std::uint64_t trials_ = 0;
};

}  // namespace livesr::gst
