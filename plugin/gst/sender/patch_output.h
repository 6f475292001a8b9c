// The patches pad's own thread: what goes downstream is queued here and pushed from there, so that
// neither the video nor the engine's thread ever waits for whoever takes the patches. Buffers go
// when the pacer lets them, gaps overtake those that wait. What happens downstream (not linked, an
// error) is nobody else's trouble. Thread-safe.
//
// A multiplexer names its streams in a program map when its first data comes. The map must name the
// patches from the start, and no patch may come before the video has its place there: so events
// that describe the stream (its start, caps, segment) go at once, gaps and buffers only once the
// video has come. Caps go only when they differ: some multiplexers take no second caps event,
// however equal.
#pragma once

#include <gst/gst.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>

#include "gst/sender/packet_outlet.h"
#include "gst/sender/patch_pacer.h"

namespace livesr::gst {

class PatchOutput : public PacketOutlet {
  public:
    explicit PatchOutput(GstPad* pad) : pad_(pad) {}
    ~PatchOutput() override { clear(); }
    PatchOutput(const PatchOutput&) = delete;
    PatchOutput& operator=(const PatchOutput&) = delete;

    // From the pad's activation.
    void start();
    void stop();
    // From the start on nothing but what describes the stream leaves before video_left(); its end
    // leaves anyway. For whoever has the video in hand; before start().
    void wait_for_video();
    // A picture has gone downstream. Cheap: may be called for each one.
    void video_left();
    // Around a flush; both forward the event.
    void flush_start(GstEvent* event);
    void flush_stop(GstEvent* event);

    // Takes the event. A gap replaces one that still waits at the end of the queue: only how far
    // the stream has come matters.
    void push(GstEvent* event);
    bool push(OutgoingPacket packet) override;

    void set_rate(std::uint32_t rate_bps) override;
    // A coded frame leaves beside the patches, at `time` in its stream. Until the first one comes
    // there is no time to pace by, and buffers go at once.
    void video_sent(GstClockTime time, std::size_t bytes);
    std::size_t easy_bytes() const override;
    void drop_before(GstClockTime running_time) override;
    std::uint64_t dropped_late() const override;

  private:
    static constexpr std::size_t most_buffers = 64;

    struct Item {
        GstMiniObject* object;
        std::uint64_t since_ns;
        GstClockTime running_time = GST_CLOCK_TIME_NONE;  // of a packet's frame
    };

    static void run(gpointer self);
    void step();
    void clear();
    // With the mutex held.
    std::uint64_t now_ns() const;
    GstMiniObject* take(std::size_t index);
    GstMiniObject* next();
    GstMiniObject* next_description();
    bool is_known(GstEvent* event) const;

    GstPad* const pad_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Item> queue_;
    std::size_t buffers_ = 0;  // in queue_
    bool ending_ = false;      // an EOS is in queue_
    PatchPacer pacer_;
    std::uint64_t dropped_late_ = 0;
    // Of the stream, and when it was that time; 0: no frame yet.
    std::uint64_t media_ns_ = 0;
    std::chrono::steady_clock::time_point media_at_;
    bool flushing_ = true;
    bool waits_for_video_ = false;  // each run anew
    bool has_video_ = true;         // has left in this run
};

}  // namespace livesr::gst
