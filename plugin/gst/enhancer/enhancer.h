// What srenhancer does between start and stop, without GObject: frames, patches and weights meet
// here. srenhancer.cpp is the element around it.
//
// Threads: frame functions are called by the streaming thread of `sink`, patch functions by that of
// `patches`, feed_carried() by that of the decoder's input too, the rest by any. Lock order: none
// is held while another is taken.
#pragma once

#include <gst/gst.h>
#include <gst/video/video.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/memory/texture_memory.h"
#include "gst/enhancer/alignment.h"
#include "gst/enhancer/decoder_input.h"
#include "gst/enhancer/governor.h"
#include "gst/enhancer/input_gate.h"
#include "gst/enhancer/output_size.h"
#include "gst/enhancer/patch_input.h"
#include "gst/enhancer/patch_matcher.h"
#include "gst/enhancer/patch_watch.h"
#include "gst/enhancer/scene_cut.h"
#include "gst/enhancer/timing.h"
#include "gst/enhancer/training_session.h"
#include "gst/enhancer/upscaler.h"

namespace livesr::gst {

struct EnhancerSettings {
    Scale scale;  // none: as the sender sends, also when that changes in mid-stream
    std::string model = "generic";
    std::string stream_key;
    std::string model_store;           // a folder; empty: none
    std::string feedback_listen;       // ADDRESS:PORT; empty: no feedback
    std::string feedback_certificate;  // a PEM file with the key; empty: no TLS
    std::string token;
    std::string tokens_file;            // tokens by stream key; empty: none
    std::string training = "adaptive";  // as in docs/protocol.md, enhancer.start
    int threads = 1;
    std::string engine = "auto";
    bool lockstep = false;
    double max_latency_ms = 0.0;  // 0: a frame time in live pipelines, without limit in others
    double training_steps_per_second = 0.0;
    int training_threads = 1;
    bool texture_memory = true;
    std::uint32_t seed = 0;
    SizeLimits limits;
};

class Enhancer {
  public:
    struct Listener {
        std::function<void(const nlohmann::json&)> on_report;  // training.report
        std::function<void()> on_change;                       // a read-only property is another
        std::function<void(const std::string& cause, const std::string& remedy)> on_warning;
    };

    // start: the weights to begin with, by scale of the network; where there are none, a fresh
    // network when training, else bicubic. small: those for frames that have no time for more.
    // What comes in full size is shown as it is until training knows better.
    Enhancer(const EnhancerSettings& settings, const std::map<int, Network>& start,
             const std::map<int, Network>& small, Listener listener);
    ~Enhancer();

    // --- streaming thread of sink ---
    // Refuses pictures that are too large in front of `sink`, and in front of the decoder before
    // it.
    void guard(GstPad* sink);
    // Where the decoder before `sink` is looked for, whose input is counted, guarded and read for
    // patches. As early as it can be found: what passes before is known only as far as parsers
    // tell.
    void watch_decoder(GstPad* sink);
    // Patches that the parser has left on a decoded picture, where its coded form was not read.
    // running_time_ns: as the picture came.
    void read_picture(GstBuffer* picture, std::optional<std::uint64_t> running_time_ns);
    // The running time that the next frame is to have; absent: it is stale, and to be dropped.
    std::optional<std::uint64_t> steady_time(std::uint64_t running_time_ns);
    // interval_ns: frame duration by caps, 0 when they do not say.
    void set_input(int width, int height, std::uint64_t interval_ns);
    // Where only the sender knows how large the picture is to become: waits until it has said so,
    // or a moment; in lockstep until the patches pad has come to anything else.
    void await_size(int width, int height, const std::function<bool()>& linked);
    // Pictures of this size are decoded from now on: before output_size() is asked for.
    void set_picture(int width, int height);
    // In lockstep: waits until the patches pad has come to this time, or is at its end or unlinked,
    // unless patches come inside the pictures.
    void await_patches(std::uint64_t running_time_ns, const std::function<bool()>& linked);
    // Adopts the size announced for this frame. True when output_size() has changed.
    bool adopt_size(std::uint64_t running_time_ns);
    // Makes the picture. running_time_ns is absent for a buffer without a time stamp.
    // deadline: how late it comes and may leave; absent where no frame can be late.
    struct Deadline {
        double budget_ms = 0.0;   // the longest that a frame may stay here
        bool has_clock = false;   // false: the next two say nothing
        double arrival_ms = 0.0;  // the clock's running time now, less the frame's
        double due_ms = 0.0;      // the same at which it must leave for a sink in time
    };
    void process(const GstVideoFrame& in, GstVideoFrame& out,
                 std::optional<std::uint64_t> running_time_ns,
                 const std::optional<Deadline>& deadline = std::nullopt);
    // A sink says that frames reach it too late.
    void note_sink_late();
    void note_late_frame() { ++frames_late_; }
    void clear_history();  // flush

    // --- streaming thread of patches ---
    void feed_patches(std::span<const std::uint8_t> bytes,
                      std::optional<std::uint64_t> running_time_ns);
    void patches_reached(std::uint64_t running_time_ns);  // GAP
    void patches_ended();
    void patches_restarted();  // a new stream or a flush

    // --- any thread ---
    // Packets that came another way than the patches pad: the times of their frames are the
    // sender's.
    void feed_beside(std::span<const std::uint8_t> bytes);
    // Packets that came inside a picture.
    void feed_carried(const CarriedPacket& packet);
    // Size of the output for an input of this size; absent where the limits refuse it.
    std::optional<std::pair<int, int>> output_size(int width, int height) const;
    // Wakes whoever waits; between flush start and stop no wait is begun.
    void set_flushing(bool flushing);
    // Ends all waits for good.
    void interrupt();
    std::string training_state() const;
    std::string model_in_use() const;
    double gain_db() const;
    GstStructure* stats() const;

  private:
    Scale scale_of(int width, int height) const;
    void begin_rung(const Scale& scale);
    bool allows(int width, int height) const;
    void refuse_picture(int width, int height);
    bool remembers(const Scale& scale) const;
    void begin_memory(int width, int height);
    void forget_other_rungs();
    void remember();
    void restore(GstVideoFrame& out, const std::shared_ptr<const PackedNetwork>& network);
    std::optional<std::int64_t> sender_offset_ns() const;
    std::optional<MemoryCover> memory_cover(std::uint64_t running_time_ns) const;
    void take_in(PatchInput::Arrivals arrivals);
    PatchInput::Arrivals read_packets(std::span<const std::uint8_t> bytes,
                                      PatchInput::Moment moment);
    std::vector<ReceivedPatch> take_patches(std::uint64_t running_time_ns);
    void give(const GstVideoFrame& in);
    void learn_from(const GstVideoFrame& in, std::uint64_t running_time_ns);
    void tick(std::uint64_t running_time_ns);
    void watch_patches(std::uint64_t running_time_ns);
    Received received();
    // spent_ms: of this frame's time, on other work than its picture.
    Way choose_way(const std::optional<Deadline>& deadline, double spent_ms);
    std::shared_ptr<const LiveModel> current_model();

    const EnhancerSettings settings_;
    const Listener listener_;

    // Streaming thread only.
    Upscaler upscaler_;
    // Luma as networks take it and patches are about it: decoded, at 3/2 enlarged as well.
    PlaneView given_;
    std::vector<std::uint8_t> enlarged_;
    // What follows by the scale that is sent.
    std::map<Scale, std::shared_ptr<const LiveModel>> untrained_;  // training is off
    std::shared_ptr<const LiveModel> last_model_;
    // The weights of the start: what residual patches are read with. They stay what they are, so
    // that what training is told does not depend on what it has learned.
    std::map<Scale, std::shared_ptr<const PackedNetwork>> expectations_;
    std::map<Scale, std::shared_ptr<const PackedNetwork>> small_;
    std::map<Scale, std::unique_ptr<TextureMemory>> memories_;  // of one size each
    TextureMemory* memory_ = nullptr;                           // of this rung; null: none
    bool followed_ = false;                                     // by memory, the latest picture was
    int width_ = 0, height_ = 0;
    Scale scale_;  // of this picture: 1 passes it on, none is of no sender of ours
    std::atomic<std::uint64_t> interval_ns_ = 0;  // read by the thread of patches too
    std::optional<std::uint64_t> next_tick_ns_;
    bool engine_answers_ = true;
    SceneCutDetector scene_cuts_;
    WaitEstimate waits_;
    PatchWatch patch_watch_;
    SteadyTime steady_time_;
    std::uint64_t time_shift_ns_ = 0;  // of the latest picture, as steady_time_ has it; wraps

    std::unique_ptr<TrainingSession> session_;  // null: training is off
    std::unique_ptr<PatchMatcher> matcher_;  // null: likewise. After session_: its thread uses it

    mutable std::mutex input_mutex_;  // guards the reader of packets, which decodes pictures
    PatchInput patch_input_;
    SizeGate decoder_gate_;
    SizeGate picture_gate_;

    mutable std::mutex patches_mutex_;  // guards the next block
    std::condition_variable patches_moved_;
    struct Waiting {
        ReceivedPatch patch;
        std::optional<std::uint64_t>
            since_ns;  // time of the picture at which it was looked at first
    };
    std::deque<Waiting> inbox_;
    std::size_t inbox_bytes_ = 0;
    std::uint64_t inbox_overflow_ = 0;
    OutputSize size_;
    std::optional<std::uint64_t> patches_time_;
    bool patches_ended_ = false;
    bool patches_inside_ = false;  // a packet has come inside a picture
    bool flushing_ = false;
    bool interrupted_ = false;

    mutable std::mutex governor_mutex_;  // guards the governor
    Governor governor_;
    std::uint64_t earlier_retreats_ = 0;  // of governors before this one

    mutable std::mutex timing_mutex_;  // guards the next block
    TimingWindow inference_ms_;
    TimingWindow latency_ms_;
    TimingWindow memory_ms_;
    std::size_t memory_patches_ = 0;
    std::size_t memory_bytes_ = 0;
    double memory_cover_ = 0.0;
    double memory_benefit_ = 0.0;
    double swap_latency_us_ = 0.0;
    std::string model_in_use_ = "bicubic";

    std::atomic<std::uint64_t> frames_ = 0;
    std::atomic<std::uint64_t> frames_late_ = 0;
    std::atomic<std::uint64_t> frames_network_ = 0;
    std::atomic<std::uint64_t> frames_memory_ = 0;    // the network, and detail that is remembered
    std::atomic<std::uint64_t> frames_small_ = 0;     // the small network for want of time
    std::atomic<std::uint64_t> frames_governed_ = 0;  // bicubic for want of time
    std::atomic<std::uint64_t> sink_late_ = 0;
    std::atomic<std::uint64_t> cuts_ = 0;
    std::atomic<Scale> scale_now_;
    std::atomic<std::uint64_t> rung_changes_ = 0;
    std::atomic<std::uint64_t> other_rung_ = 0;  // patches that came when their frames had gone
    std::atomic<bool> warned_size_ = false;
    std::atomic<bool> warned_picture_ = false;
    std::atomic<bool> patches_silent_ = false;
    std::atomic<std::uint64_t> frames_stale_ = 0;
    std::atomic<std::uint64_t> time_shifts_ = 0;
    std::atomic<bool> warned_scale_ = false;

    DecoderInput decoder_input_;  // last: its thread uses all of the above
};

}  // namespace livesr::gst
