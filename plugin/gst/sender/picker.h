// What patchpicker does, without its GObject shell: pairs frames with their decoded pictures,
// offers them to the engine, sends what it chooses, and keeps the patches pad's time going.
//
// Threads: sink and lowres have their streaming threads, the engine client has one, and the patches
// pad has its own (PatchOutput). mutex_ is not held while the engine is asked, while pixels are
// computed on or while anything is pushed.
#pragma once

#include <gst/gst.h>
#include <gst/video/video.h>

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "gst/sender/frame_store.h"
#include "gst/sender/packet_writer.h"
#include "gst/sender/patch_output.h"
#include "gst/sender/picture_carrier.h"
#include "gst/sender/rungs.h"
#include "gst/sender/session.h"
#include "gst/sender/settings.h"

namespace livesr::gst {

class Picker {
  public:
    // All borrowed. Errors and warnings are the element's.
    Picker(GstElement* element, GstPad* high_pad, GstPad* low_pad, GstPad* patches_pad);

    // Around PAUSED. False when the settings do not allow a start; the element has said why.
    bool start();
    void stop();

    // Replaces the settings; those that cannot change while it runs wait for the next start.
    void configure(const SenderSettings& settings);
    SenderSettings settings() const;
    // Where packets leave. Before start().
    enum class Outlet { pad, pictures, none };
    void set_outlet(Outlet outlet);
    // Called with every plan, from any thread.
    void watch_plan(std::function<void(const Plan&)> on_plan);
    // The encoder may be given pictures of another scale, and so may another like it.
    void set_encoder(Rungs::Encoder encoder);
    // Makes the encoder's next picture a key frame.
    void set_key_request(std::function<void()> ask);
    // A frame came too late to be of use, and nobody else gets it.
    void stale_frame_dropped();
    // Whether pictures will come on the lowres pad: frames are kept for them.
    void set_lowres_expected(bool expected);

    // Of the pads. Events are consumed, buffers are not.
    GstFlowReturn high_frame(GstBuffer* buffer);
    GstFlowReturn low_frame(GstBuffer* buffer);
    bool high_event(GstEvent* event);
    bool low_event(GstEvent* event);

    GstPad* high_pad() const { return high_.pad; }
    PatchOutput& output() { return output_; }
    PictureCarrier& carrier() { return carrier_; }
    // A picture that needs none before it leaves the encoder.
    void key_left(GstClockTime running_time);
    SenderSession& session() { return session_; }
    void add_stats(GstStructure* stats) const;

  private:
    // One video input.
    struct Input {
        GstPad* pad = nullptr;
        GstSegment segment;
        GstVideoInfo info;
        bool has_caps = false;
        bool ended = false;

        void reset();
        // None when the buffer has no time stamp, or none in this segment.
        GstClockTime running_time(const GstBuffer* buffer) const;
    };

    void on_plan(const Plan& plan);
    void select(std::uint64_t offer, const std::vector<std::uint32_t>& cells);
    void ask_for_key();
    void say_stale();
    void start_stream(GstEvent* event);
    bool set_high_caps(GstEvent* event);
    void set_segment(GstEvent* event);
    void pair(GstBuffer* buffer, GstClockTime running_time);
    bool try_rung(GstBuffer* buffer, GstClockTime running_time, bool may_measure);
    void gap(GstClockTime pts);
    void tick_at(GstEvent* gap);
    void end_if_done();
    // With the mutex held.
    bool picking() const { return active_.sends_patches() && lowres_expected_; }
    GstClockTime frame_time() const;

    GstElement* const element_;
    PatchOutput output_;
    PictureCarrier carrier_;
    SenderSession session_;
    PacketWriter writer_;
    Rungs rungs_;

    mutable std::mutex mutex_;  // guards all below
    SenderSettings settings_;   // as set
    SenderSettings active_;     // as of the last start, with what may change since
    bool running_ = false;
    std::function<void(const Plan&)> plan_watcher_;
    std::function<void()> key_request_;
    bool awaits_key_ = false;  // no receiver can decode what leaves before it
    Input high_;
    Input low_;
    FrameStore store_;
    bool lowres_expected_ = true;
    bool patches_ended_ = false;
    std::uint64_t frames_ = 0;
    std::uint64_t lowres_frames_ = 0;
    std::uint64_t size_mismatches_ = 0;
    std::uint64_t void_selections_ = 0;
    std::uint64_t frames_dropped_stale_ = 0;
    gint64 stale_us_ = 0;  // when a picture was dropped last; 0: never
};

}  // namespace livesr::gst
