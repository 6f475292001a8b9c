// See picker.h.
#include "gst/sender/picker.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "gst/sender/element_messages.h"
#include "gst/sender/patches.h"
#include "gst/warning.h"

GST_DEBUG_CATEGORY_EXTERN(patch_picker_debug);
#define GST_CAT_DEFAULT patch_picker_debug

namespace livesr::gst {

namespace {

// Twice the tolerance of pairing when the caps give no frame rate.
constexpr GstClockTime default_frame_time = 20 * GST_MSECOND;
// Pictures that are dropped after so long a pause are dropped for another reason.
constexpr gint64 stale_pause_us = 10'000'000;

}  // namespace

void Picker::Input::reset() {
    gst_segment_init(&segment, GST_FORMAT_UNDEFINED);
    has_caps = ended = false;
}

GstClockTime Picker::Input::running_time(const GstBuffer* buffer) const {
    if (!GST_BUFFER_PTS_IS_VALID(buffer) || segment.format != GST_FORMAT_TIME) {
        return GST_CLOCK_TIME_NONE;
    }
    return gst_segment_to_running_time(&segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
}

Picker::Picker(GstElement* element, GstPad* high_pad, GstPad* low_pad, GstPad* patches_pad)
    : element_(element),
      output_(patches_pad),
      session_({[this](const Plan& plan) { on_plan(plan); },
                [this](std::uint64_t offer, const std::vector<std::uint32_t>& cells) {
                    select(offer, cells);
                },
                [this](const std::string& why) {
                    post_warning(element_, "No patches for now, video goes on: " + why, "");
                },
                [this](const nlohmann::json& plan) { post_plan(element_, plan); },
                [this](const Scale& scale) { rungs_.want_at_key_frame(scale); },
                [this](const RungTrial::Order& order) { rungs_.order(order); },
                [this](const std::string& cause, const std::string& remedy) {
                    post_warning(element_, cause, remedy);
                },
                [this] { ask_for_key(); }}),
      writer_(session_),
      rungs_({[this](const Scale& scale) {
                  session_.set_scale(rungs_.scale(), true);
                  post_warning(element_,
                               "The encoder, or what follows it, takes no other size: the video "
                               "stays as it is, a scale of " +
                                   name(scale) + " was wanted",
                               "Set scale to a number, or take out the caps that fix the size");
              },
              [this](const RungTrial::Outcome& outcome) { session_.tell_trial(outcome); }}) {
    high_.pad = high_pad;
    low_.pad = low_pad;
    high_.reset();
    low_.reset();
    writer_.set_outlet(&output_);
}

void Picker::set_outlet(Outlet outlet) {
    writer_.set_outlet(outlet == Outlet::pad        ? static_cast<PacketOutlet*>(&output_)
                       : outlet == Outlet::pictures ? &carrier_
                                                    : nullptr);
}

bool Picker::start() {
    SenderSettings chosen;
    {
        const std::lock_guard lock(mutex_);
        chosen = settings_;
    }
    if (!rungs_.can_switch()) chosen.scale = chosen.first_scale();
    if (const std::string problem = describe_problem(chosen); !problem.empty()) {
        GST_ELEMENT_ERROR(element_, RESOURCE, SETTINGS, ("%s", problem.c_str()), (nullptr));
        return false;
    }
    {
        const std::lock_guard lock(mutex_);
        active_ = chosen;
        running_ = true;
        awaits_key_ = false;
        high_.reset();
        low_.reset();
        patches_ended_ = false;
        store_ = {};
        frames_ = lowres_frames_ = size_mismatches_ = void_selections_ = 0;
        frames_dropped_stale_ = 0;
        stale_us_ = 0;
    }
    // A receiver tells two senders apart by it; in lockstep a run must give the same bytes.
    writer_.start(chosen.lockstep ? chosen.seed : g_random_int());
    carrier_.restart();
    rungs_.start(chosen.first_scale(), chosen.lockstep);
    session_.start(chosen, element_);
    return true;
}

void Picker::stop() {
    GstStructure* stats = gst_structure_new_empty("stats");
    add_stats(stats);
    GST_INFO_OBJECT(element_, "%" GST_PTR_FORMAT, static_cast<void*>(stats));
    gst_structure_free(stats);
    {
        const std::lock_guard lock(mutex_);
        running_ = false;
    }
    session_.stop();
    rungs_.stop();
}

// --- settings and plan -------------------------------------------------------------------------

void Picker::configure(const SenderSettings& settings) {
    SenderSettings active;
    {
        const std::lock_guard lock(mutex_);
        settings_ = settings;
        if (!running_) return;
        active = settings;
        if (!rungs_.can_switch()) active.scale = active.first_scale();
        active.patches_per_second = active_.patches_per_second;
        active.engine = active_.engine;
        active.lockstep = active_.lockstep;
        active.seed = active_.seed;
        active.unrelated_sizes = active_.unrelated_sizes;
        active.encoder_outside = active_.encoder_outside;
    }
    if (const std::string problem = describe_problem(active); !problem.empty()) {
        post_warning(element_, "A property is not taken: " + problem, "");
        return;
    }
    {
        const std::lock_guard lock(mutex_);
        active_ = active;
    }
    if (!active.chooses_rung()) rungs_.want(active.first_scale());
    session_.update(active);
}

SenderSettings Picker::settings() const {
    const std::lock_guard lock(mutex_);
    return settings_;
}

void Picker::set_encoder(Rungs::Encoder encoder) { rungs_.set_encoder(std::move(encoder)); }

void Picker::set_key_request(std::function<void()> ask) {
    const std::lock_guard lock(mutex_);
    key_request_ = std::move(ask);
}

void Picker::ask_for_key() {
    std::function<void()> ask;
    {
        const std::lock_guard lock(mutex_);
        ask = key_request_;
        awaits_key_ = true;
    }
    if (ask) ask();
    say_stale();
}

void Picker::key_left(GstClockTime running_time) {
    {
        const std::lock_guard lock(mutex_);
        if (!GST_CLOCK_TIME_IS_VALID(running_time) || !std::exchange(awaits_key_, false)) return;
    }
    writer_.begin_again(running_time);
}

void Picker::stale_frame_dropped() {
    {
        const std::lock_guard lock(mutex_);
        ++frames_dropped_stale_;
    }
    say_stale();
}

// Once for each time that it begins.
void Picker::say_stale() {
    const gint64 now_us = g_get_monotonic_time();
    {
        const std::lock_guard lock(mutex_);
        const gint64 before_us = std::exchange(stale_us_, now_us);
        if (before_us > 0 && now_us - before_us < stale_pause_us) return;
    }
    post_warning(
        element_,
        "The link was away, or it or this machine is too slow for the stream: pictures that "
        "would come too late are dropped",
        "After an outage nothing is to be done. Where it comes again and again, lower "
        "max-bitrate, or set a faster encoder");
}

void Picker::watch_plan(std::function<void(const Plan&)> on_plan) {
    const std::lock_guard lock(mutex_);
    plan_watcher_ = std::move(on_plan);
}

void Picker::on_plan(const Plan& plan) {
    std::function<void(const Plan&)> watcher;
    {
        const std::lock_guard lock(mutex_);
        watcher = plan_watcher_;
        // In lockstep no clock has a say.
        const std::uint32_t rate_bps =
            active_.lockstep ? 0 : std::min(plan.estimated_uplink_bps, active_.max_bitrate_bps);
        output_.set_rate(rate_bps);
        carrier_.set_rate(rate_bps);
    }
    if (watcher) watcher(plan);
    g_object_notify(G_OBJECT(element_), "video-bitrate");
}

void Picker::set_lowres_expected(bool expected) {
    {
        const std::lock_guard lock(mutex_);
        lowres_expected_ = expected;
        if (!expected) store_.clear();
    }
    end_if_done();
}

// --- patches out -------------------------------------------------------------------------------

void Picker::select(std::uint64_t offer, const std::vector<std::uint32_t>& cells) {
    std::optional<LumaFrame> frame;
    PatchCoding coding;
    {
        const std::lock_guard lock(mutex_);
        frame = store_.answered(offer);
        coding = active_.sends_residuals()
                     ? PatchCoding{PatchCodec::residual, active_.residual_step}
                     : PatchCoding{PatchCodec::jpeg_luma, active_.jpeg_quality};
        // The engine may have seen another rung than the frame's.
        if (frame && frame->scale == 1 && !active_.sends_patches_at_full_size()) frame.reset();
        if (!frame) ++void_selections_;
    }
    if (frame) writer_.send_cells(*frame, cells, coding);
}

GstClockTime Picker::frame_time() const {
    const GstVideoInfo& info = high_.info;
    if (!high_.has_caps || info.fps_n <= 0 || info.fps_d <= 0) return default_frame_time;
    return gst_util_uint64_scale(GST_SECOND, static_cast<guint64>(info.fps_d),
                                 static_cast<guint64>(info.fps_n));
}

// Nothing (more) comes for the frame of this time. A nanosecond later than the frame: a multiplexer
// takes the earliest of what its pads hold, and must not hold the frame back until the next gap.
void Picker::gap(GstClockTime pts) {
    GstClockTime duration = 0;
    {
        const std::lock_guard lock(mutex_);
        duration = frame_time();
    }
    output_.push(gst_event_new_gap(pts + 1, duration - 1));
}

void Picker::end_if_done() {
    {
        const std::lock_guard lock(mutex_);
        const bool waits_for_low = picking() && gst_pad_is_linked(low_.pad) && !low_.ended;
        if (!high_.ended || waits_for_low || patches_ended_) return;
        patches_ended_ = true;
    }
    output_.push(gst_event_new_eos());
}

// --- high-resolution frames --------------------------------------------------------------------

GstFlowReturn Picker::high_frame(GstBuffer* buffer) {
    LumaFrame frame;
    GstVideoInfo info;
    bool keep = false;
    bool gap_now = false;
    bool announces = false;
    bool repeats = false;
    bool chooses_rung = false;
    {
        const std::lock_guard lock(mutex_);
        if (!high_.has_caps) return GST_FLOW_NOT_NEGOTIATED;
        info = high_.info;
        frame.running_time = high_.running_time(buffer);
        if (!GST_CLOCK_TIME_IS_VALID(frame.running_time)) return GST_FLOW_OK;
        ++frames_;
        keep = picking() && store_.wants(frame.running_time);
        // In lockstep only the decoded picture says that a frame is decided.
        gap_now = !(active_.lockstep && picking());
        announces = !active_.unrelated_sizes;
        chooses_rung = active_.chooses_rung();
        // A receiver that comes late is to know that patches are meant to come. In lockstep nobody
        // comes late, and the bits are those of what is measured.
        repeats = chooses_rung || (active_.sends_patches() && !active_.lockstep);
    }
    frame.pts = GST_BUFFER_PTS(buffer);
    frame.width = GST_VIDEO_INFO_WIDTH(&info);
    frame.height = GST_VIDEO_INFO_HEIGHT(&info);
    // Before this frame is encoded: in lockstep the plan for it is in force when this returns.
    session_.tick(frame.running_time);
    keep = keep && session_.connected();
    if (chooses_rung) frame.on_trial = try_rung(buffer, frame.running_time, keep);
    const Scale scale_before = rungs_.scale();
    frame.scale = rungs_.take_up();
    if (frame.scale != scale_before) {
        session_.set_scale(frame.scale, false);
        post_rung(element_, frame.scale, frame.running_time);
    }
    if (announces) writer_.announce_if_due(frame, repeats);
    if (keep && copy_luma(info, buffer, frame.pixels)) {
        const std::lock_guard lock(mutex_);
        store_.add(std::move(frame));
    }
    if (gap_now) gap(GST_BUFFER_PTS(buffer));
    return GST_FLOW_OK;
}

// In lockstep what follows from a trial's outcome is in force when this returns.
bool Picker::try_rung(GstBuffer* buffer, GstClockTime running_time, bool may_measure) {
    GstCaps* caps = gst_pad_get_current_caps(high_.pad);
    if (!caps) return false;
    const bool measured =
        rungs_.add_frame(buffer, caps, running_time, may_measure, session_.video_bytes());
    gst_caps_unref(caps);
    return measured;
}

// --- decoded low-resolution pictures -----------------------------------------------------------

// Offers the frame that this picture belongs to, where there is one.
void Picker::pair(GstBuffer* buffer, GstClockTime running_time) {
    std::optional<LumaFrame> frame;
    GstVideoInfo info;
    {
        const std::lock_guard lock(mutex_);
        frame = store_.take(running_time, frame_time() / 2);
        if (!frame) return;
        info = low_.info;
        if (GST_VIDEO_INFO_WIDTH(&info) != lowres_side(frame->width, frame->scale) ||
            GST_VIDEO_INFO_HEIGHT(&info) != lowres_side(frame->height, frame->scale)) {
            ++size_mismatches_;
            return;
        }
    }
    if (!copy_given(info, buffer, *frame)) return;
    if (frame->on_trial) rungs_.add_live(*frame);
    const std::vector<std::uint32_t> errors = cell_errors(*frame, SenderSession::cell);
    const int columns = frame->width / SenderSession::cell;
    const int rows = frame->height / SenderSession::cell;
    const GstClockTime offered_time = frame->running_time;
    std::uint64_t number = 0;
    {
        const std::lock_guard lock(mutex_);
        number = store_.offer(std::move(*frame));
    }
    session_.offer(number, offered_time, columns, rows, errors);
}

GstFlowReturn Picker::low_frame(GstBuffer* buffer) {
    GstClockTime running_time = GST_CLOCK_TIME_NONE;
    {
        const std::lock_guard lock(mutex_);
        if (!low_.has_caps) return GST_FLOW_NOT_NEGOTIATED;
        ++lowres_frames_;
        running_time = low_.running_time(buffer);
        if (!picking()) return GST_FLOW_OK;
    }
    if (!GST_CLOCK_TIME_IS_VALID(running_time)) return GST_FLOW_OK;
    pair(buffer, running_time);
    GstClockTime decided = GST_CLOCK_TIME_NONE;
    {
        const std::lock_guard lock(mutex_);
        if (active_.lockstep && high_.segment.format == GST_FORMAT_TIME) {
            decided = gst_segment_position_from_running_time(&high_.segment, GST_FORMAT_TIME,
                                                             running_time);
        }
    }
    if (GST_CLOCK_TIME_IS_VALID(decided)) gap(decided);
    return GST_FLOW_OK;
}

// --- reading out -------------------------------------------------------------------------------

void Picker::add_stats(GstStructure* stats) const {
    session_.add_stats(stats);
    writer_.add_stats(stats);
    const std::lock_guard lock(mutex_);
    const auto add = [stats](const char* name, std::uint64_t value) {
        gst_structure_set(stats, name, G_TYPE_UINT64, static_cast<guint64>(value), nullptr);
    };
    add("frames", frames_);
    add("lowres-frames", lowres_frames_);
    add("frames-unpaired", store_.unpaired());
    add("size-mismatches", size_mismatches_);
    add("offers-unanswered", store_.unanswered());
    add("selections-void", void_selections_);
    add("packets-dropped-late", output_.dropped_late() + carrier_.dropped_late());
    add("frames-dropped-stale", frames_dropped_stale_);
    gst_structure_set(stats, "scale", G_TYPE_DOUBLE, rungs_.scale().value(), nullptr);
    add("rung-changes", rungs_.changes());
    add("rung-trials", rungs_.trials());
}

}  // namespace livesr::gst
