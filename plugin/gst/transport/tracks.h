// The pads of a demultiplexer that come and go, and those of ours that stay: which feeds which, and
// what passes between them. Everything but outputs and counts belongs to the streaming thread.
#pragma once

#include <gst/gst.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "gst/transport/timeline.h"

namespace livesr::gst {

enum class TrackKind { video, audio, patches };

const char* name_of(TrackKind kind);

// A pad of ours.
struct Output {
    Output(TrackKind k, int i, GstPad* p) : kind(k), index(i), pad(p) {}

    TrackKind kind;
    int index;    // of several of its kind
    GstPad* pad;  // owned by the element
    // Of the streaming thread.
    bool begun = false;    // what comes before the first buffer has gone out, in this form
    bool refused = false;  // what is behind it does not take this kind of data
    bool broken = true;    // the next buffer does not continue the last one
    GstFlowReturn flow = GST_FLOW_OK;
    std::optional<std::int64_t> last_dts_ns;
    // Of any thread, under the lock of Tracks.
    std::uint64_t buffers = 0;
    std::uint64_t bytes = 0;
    std::uint64_t dropped = 0;
    std::string media;
};

// What people should know of, once.
using Warn = std::function<void(const std::string& cause, const std::string& remedy)>;

class Tracks {
  public:
    explicit Tracks(Warn warn) : warn_(std::move(warn)) {}
    ~Tracks() { clear(); }
    Tracks(const Tracks&) = delete;
    Tracks& operator=(const Tracks&) = delete;

    // --- pads of ours, any thread ---
    void add_output(TrackKind kind, int index, GstPad* pad);
    void remove_output(GstPad* pad);

    // --- pads of the demultiplexer ---
    void take(GstPad* pad);
    void lose(GstPad* pad);
    // The state of the beginning; no pad streams.
    void clear();

    // --- streaming thread ---
    void set_arrival(std::optional<std::int64_t> arrival_ns) { arrival_ns_ = arrival_ns; }
    // To every pad of ours.
    void push_all(GstEvent* event);
    // What comes next begins anew, after a flush.
    void flushed();
    // The flow of all outputs together; only what ends the stream counts.
    GstFlowReturn flow() const;
    // By arrival, or by how far a file has come.
    std::int64_t now_ns() const { return arrival_ns_.value_or(timeline_.position_ns()); }
    bool has(TrackKind kind) const;

    void add_stats(GstStructure* stats) const;

  private:
    struct Intake;
    struct Destroy {
        void operator()(Intake* intake) const;
    };
    using IntakePtr = std::unique_ptr<Intake, Destroy>;

    static GstFlowReturn chain(GstPad* pad, GstObject* parent, GstBuffer* buffer);
    static gboolean on_event(GstPad* pad, GstObject* parent, GstEvent* event);

    GstFlowReturn on_buffer(Intake& intake, GstBuffer* buffer);
    void on_caps(Intake& intake, GstEvent* event);
    void on_gap(Intake& intake, GstEvent* event);
    std::shared_ptr<Output> output_of(TrackKind kind, int slot) const;
    int free_slot(TrackKind kind) const;
    void claim(Intake& intake);
    void displace_silent(Intake& intake);
    void begin(Output& output, Intake& intake);
    bool takes(Output& output, GstCaps* caps);
    bool put_times(Output& output, GstBuffer* buffer,
                   const std::optional<Timeline::Placed>& placed);
    void count_drop(Output& output);

    const Warn warn_;
    mutable std::mutex mutex_;  // guards outputs_, the counts in them, and counts_
    std::vector<std::shared_ptr<Output>> outputs_;
    struct Counts {
        std::uint64_t restarts = 0;
        std::uint64_t pads = 0;
        std::uint64_t tracks_left_out = 0;
        std::int64_t lateness_ns = 0;
    } counts_;

    std::vector<IntakePtr> intakes_;
    Timeline timeline_;
    std::optional<std::int64_t> arrival_ns_;
    int next_track_ = 0;
};

}  // namespace livesr::gst
