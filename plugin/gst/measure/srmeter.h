// srmeter as a GObject: what its two source files share. Documented in srmeter.cpp.
#pragma once

#include <gst/gst.h>
#include <gst/video/video.h>

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "gst/measure/frame_matcher.h"
#include "gst/measure/measurement.h"

namespace livesr::gst {

enum class MatchBy { time, count };

struct MeterSettings {
    std::string location;
    std::string baselines;
    int scale = 0;
    int ssim_every = 1;
    MatchBy match = MatchBy::time;
    std::int64_t reference_offset_ns = 0;
    int max_frames = 64;
};

// One sink pad.
struct MeterStream {
    GstVideoInfo info{};
    GstSegment segment{};
    std::int64_t frames = 0;
};

// From READY->PAUSED to PAUSED->READY.
struct MeterRun {
    MeterRun(MeterSettings s, Measurement::Options options, bool with_lowres)
        : settings(std::move(s)),
          matcher(with_lowres),
          measurement(std::move(options)),
          most_waiting(static_cast<std::size_t>(settings.max_frames)) {}

    const MeterSettings settings;
    FrameMatcher matcher;
    Measurement measurement;
    std::ofstream file;
    std::size_t most_waiting;  // frames of one pad
    bool measuring = false;    // by some thread, outside the lock
    bool failed = false;
    bool summarised = false;
};

// Lock: mutex guards everything that changes; it is not held while measuring, pushing or posting.
struct MeterState {
    std::mutex mutex;
    std::condition_variable changed;
    MeterSettings settings;
    std::unique_ptr<MeterRun> run;
    std::array<MeterStream, 3> streams;
    std::array<GstPad*, 3> pads{};  // by FrameMatcher::Stream; lowres may be absent
    std::array<bool, 3> flushing{};
    bool stopping = false;
};

// srmeter_properties.cpp
void install_meter_properties(GObjectClass* object_class);

bool register_srmeter(GstPlugin* plugin);

}  // namespace livesr::gst

G_BEGIN_DECLS

#define GST_TYPE_SR_METER (gst_sr_meter_get_type())
G_DECLARE_FINAL_TYPE(GstSrMeter, gst_sr_meter, GST, SR_METER, GstElement)

G_END_DECLS

struct _GstSrMeter {
    GstElement parent;
    GstPad* src;
    livesr::gst::MeterState* state;
};
