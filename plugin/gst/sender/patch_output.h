// The patches pad's own thread: what goes downstream is queued here and pushed from there, so that
// neither the video nor the engine's thread ever waits for whoever takes the patches. What happens
// downstream (not linked, an error) is nobody else's trouble. Thread-safe.
#pragma once

#include <gst/gst.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>

namespace livesr::gst {

class PatchOutput {
  public:
    explicit PatchOutput(GstPad* pad) : pad_(pad) {}
    ~PatchOutput() { clear(); }
    PatchOutput(const PatchOutput&) = delete;
    PatchOutput& operator=(const PatchOutput&) = delete;

    // From the pad's activation.
    void start();
    void stop();
    // Around a flush; both forward the event.
    void flush_start(GstEvent* event);
    void flush_stop(GstEvent* event);

    // Takes the event. A gap replaces one that still waits at the end of the queue: only how far
    // the stream has come matters.
    void push(GstEvent* event);
    // Takes the buffer; false when it was dropped, since too much waits already.
    bool push(GstBuffer* buffer);

  private:
    static constexpr std::size_t most_buffers = 64;

    static void run(gpointer self);
    void step();
    void clear();

    GstPad* const pad_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<GstMiniObject*> queue_;
    std::size_t buffers_ = 0;  // in queue_
    bool flushing_ = true;
};

}  // namespace livesr::gst
