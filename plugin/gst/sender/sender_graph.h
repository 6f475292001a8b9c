// The elements inside patchsender, built when it leaves NULL from what its properties then say:
//
//   sink ─ videoconvert ─ deinterlace ─ tee ┬─────────────────────────────── picker.sink ┐
//                    └ scaler ─ encoder ─ tee ┬ side branch ─ decoder ─ picker.lowres
//                                             └ src                        └ patches
//
// Patches leave on the pad patches, or inside the pictures that leave src (PictureCarrier).
//
// In lockstep there is no queue: source, encoder, decoder and picker share one thread, so that
// decisions fall in one order. Else the decoder has a thread of its own. Thread-safe.
#pragma once

#include <gst/gst.h>

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "gst/sender/encoder.h"
#include "gst/sender/encoder_watch.h"
#include "gst/sender/frame_guard.h"
#include "gst/sender/fresh_gate.h"
#include "gst/sender/picker.h"
#include "gst/sender/settings.h"
#include "gst/sender/x264_buffer.h"

namespace livesr::gst {

// How patches travel.
enum class Carriage {
    automatic,  // inside the pictures where the codec has a place for them, else as KLV
    sei,        // inside the pictures
    klv,        // as a stream of their own, on the pad patches
    none,       // not at all
};

struct GraphPlan {
    SenderSettings settings;
    Carriage carriage = Carriage::automatic;
    std::string encoder;  // a launch fragment, or no_encoder
    int width = 0;        // 0: from scale
    int height = 0;
};

extern const char* const sender_example;  // a launch line

class SenderGraph {
  public:
    // All borrowed; sink and src are ghost pads of the bin, whose targets are set here.
    SenderGraph(GstBin* bin, GstElement* picker, GstPad* sink, GstPad* src, GstPad* patches);
    ~SenderGraph();

    // Throws std::runtime_error with the reason and a remedy; take_down() then cleans up.
    void build(const GraphPlan& plan);
    void take_down();

    // Whether the sender decodes its own stream, as it does for patches.
    void set_decoding(bool decodes);
    void set_video_bitrate(std::uint32_t bitrate_bps);
    // Takes an error message that comes from the decoder's branch: it costs patches, not the
    // stream.
    bool takes_error(GstMessage* message);
    std::uint64_t frames_skipped() const;
    std::uint64_t frames_left_out() const;

  private:
    void add(GstElement* element);
    GstElement* add(const char* factory);
    GstElement* add_deinterlacer(GstElement* before);
    GstElement* add_encoder(const std::string& fragment);
    Picker::Outlet outlet_for(const GraphPlan& plan, GstElement* coded) const;
    void carry_on(GstPad* src);
    GstElement* make_decoder(GstElement* coded, const SenderSettings& settings);
    bool build_decoder_branch(GstElement* tee, GstElement* coded, const SenderSettings& settings);
    GstClockTime time_to_key() const;
    static GstPadProbeReturn limit_frame(GstPad* pad, GstPadProbeInfo* info, gpointer graph);
    static GstPadProbeReturn count_bytes(GstPad*, GstPadProbeInfo* info, gpointer graph);
    std::optional<EncoderWatch::Trouble> left_out_trouble();
    static GstPadProbeReturn drop_stale(GstPad*, GstPadProbeInfo* info, gpointer graph);
    static GstPadProbeReturn say_interlaced(GstPad*, GstPadProbeInfo* info, gpointer graph);
    static GstPadProbeReturn carry_patches(GstPad* pad, GstPadProbeInfo* info, gpointer graph);
    static GstPadProbeReturn let_patches_follow(GstPad*, GstPadProbeInfo* info, gpointer graph);
    static GstPadProbeReturn check_links(GstPad*, GstPadProbeInfo* info, gpointer graph);

    GstBin* const bin_;
    GstElement* const picker_;
    GstPad* const sink_;
    GstPad* const src_;
    GstPad* const patches_;

    bool has_deinterlacer_ = false;  // as built
    FreshGate raw_gate_;             // of the streaming thread while it runs
    bool any_picture_left_ = false;  // of the streaming thread while it runs

    mutable std::mutex mutex_;  // guards all below; all elements belong to the bin
    std::vector<GstElement*> built_;
    GstElement* side_branch_ = nullptr;
    GstElement* decoder_ = nullptr;
    BitrateControl control_;                 // its encoder is a reference of ours
    std::optional<X264Buffer> x264_buffer_;  // of control_'s encoder
    FrameGuard frame_guard_;                 // of any other encoder whose rate is ours
    EncoderWatch encoder_watch_;
    bool told_left_out_ = false;
    bool told_unlinked_ = false;
    bool told_interlaced_ = false;
};

}  // namespace livesr::gst
