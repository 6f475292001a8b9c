// Whole pipelines with a patchsender "s" in them, taps on their pads, and an engine for it.
#pragma once

#include <gst/gst.h>

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "core/patch/packet.h"
#include "test_engine.h"

namespace livesr::test {

// Chooses one cell of each offer, plans 550 kbit/s of video at first and 200 from the second second
// on.
extern const char* const planning_engine;

// 50 frames of 480x360 at 25 a second, ending in a link; sinks "video" and "patches" for s.
extern const std::string sender_source;
extern const std::string sender_sinks;

// Buffers of one pad as they went by.
struct Tap {
    std::mutex mutex;
    std::vector<std::vector<std::uint8_t>> buffers;
    std::vector<GstClockTime> running_times;
    std::vector<GstClockTime> gaps;
    std::string caps;
    std::size_t list_bytes = 0;
    std::function<void(std::size_t count)> on_buffer;

    std::size_t bytes() const;
    std::size_t bytes_between(GstClockTime from, GstClockTime to) const;
};

// A pipeline from text, its messages collected. Waits end after a minute.
class Pipeline {
  public:
    explicit Pipeline(const std::string& text);
    ~Pipeline();
    Pipeline(const Pipeline&) = delete;
    Pipeline& operator=(const Pipeline&) = delete;

    GstElement* element() const { return pipeline_; }
    GstElement* get(const char* name) const;  // the pipeline holds it
    void tap(const char* element, const char* pad_name, Tap& tap) const;

    GstStateChangeReturn play();
    void stop();
    // Whether a state change that is under way succeeds.
    bool settles() const;
    // Until the end or an error; true at the end. Warnings go by.
    bool runs_to_the_end();
    const std::string& error() const { return error_; }
    const std::string& warnings() const { return warnings_; }
    // Of s.
    guint64 stat(const char* name, const char* element = "s") const;
    double scale() const;  // of its stats
    guint number(const char* property) const;

  private:
    GstElement* pipeline_ = nullptr;
    GstBus* bus_ = nullptr;
    std::string error_;
    std::string warnings_;
};

// Every triplet of these buffers.
// Their payloads point into the tap.
std::vector<PatchPacket> packets_of(const Tap& tap);

// How many elements of a kind are in the bin now.
std::size_t elements_of(GstElement* bin, const char* factory);

}  // namespace livesr::test
