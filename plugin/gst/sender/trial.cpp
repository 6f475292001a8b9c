// See trial.h.
#include "gst/sender/trial.h"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <limits>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "core/network/enhance.h"
#include "core/picture/metrics.h"
#include "core/picture/resample.h"
#include "gst/enhancer/model_choice.h"
#include "gst/sender/encoder.h"
#include "gst/sender/lowres_scaler.h"
#include "gst/sender/patches.h"
#include "gst/sender/x264_buffer.h"

GST_DEBUG_CATEGORY_EXTERN(patch_sender_debug);
#define GST_CAT_DEFAULT patch_sender_debug

namespace livesr::gst {

namespace {

// One picture in so long a time is measured.
constexpr GstClockTime measure_interval = 200 * GST_MSECOND;
// Frames that wait for the trial's thread: a machine that falls behind so far has no time for it.
constexpr std::size_t most_queued = 40;
constexpr std::size_t most_queued_lockstep = 8;
constexpr std::size_t max_queued_bytes = std::size_t{128} << 20;
// Of the trial's thread: the stream comes first.
constexpr int niceness = 15;

// Read once a process; null where no model is installed.
std::shared_ptr<const PackedNetwork> generic_network(int scale) {
    static std::mutex mutex;
    static std::map<int, std::shared_ptr<const PackedNetwork>> known;
    const std::lock_guard lock(mutex);
    const auto found = known.find(scale);
    if (found != known.end()) return found->second;
    std::shared_ptr<const PackedNetwork> network;
    if (const auto choice = choose_model("generic", scale); choice.network) {
        network = std::make_shared<const PackedNetwork>(*choice.network);
    }
    known[scale] = network;
    return network;
}

GstClockTime frame_duration(const GstVideoInfo& info) {
    if (info.fps_n <= 0) return GST_CLOCK_TIME_NONE;
    return gst_util_uint64_scale(GST_SECOND, static_cast<guint64>(info.fps_d),
                                 static_cast<guint64>(info.fps_n));
}

LumaFrame luma_of(GstBuffer* buffer, const GstVideoInfo& info, GstClockTime running_time) {
    LumaFrame frame;
    frame.running_time = running_time;
    frame.width = GST_VIDEO_INFO_WIDTH(&info);
    frame.height = GST_VIDEO_INFO_HEIGHT(&info);
    copy_luma(info, buffer, frame.pixels);
    return frame;
}

}  // namespace

double shown_psnr_db(const LumaFrame& frame) {
    const PlaneView given = given_plane(frame);
    const int times = frame.scale.network();
    const std::uint8_t* shown = given.pixels;
    const int width = given.width * times;
    const int height = given.height * times;
    std::vector<std::uint8_t> made;
    if (frame.scale != 1) {
        made.resize(static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
        if (const auto network = generic_network(times)) {
            static thread_local EnhanceScratch scratch;
            enhance(*network, scratch, given.pixels, given.stride, given.width, given.height,
                    made.data(), width, 0, given.height);
        } else {
            resample(Filter::bicubic, given.pixels, given.stride, given.width, given.height,
                     made.data(), width, width, height);
        }
        shown = made.data();
    }
    const std::uint64_t squares =
        squared_error(shown, width, frame.pixels.data(), frame.width, frame.width, frame.height);
    return psnr_db(static_cast<double>(squares) /
                   (static_cast<double>(frame.width) * frame.height));
}

// Scaler, encoder, decoder, between two pads of ours. All calls on one thread.
struct RungTrial::Chain {
    RungTrial& trial;
    GstElement* bin = GST_ELEMENT_CAST(gst_object_ref_sink(gst_bin_new("trial")));
    GstPad* in = GST_PAD_CAST(gst_object_ref_sink(gst_pad_new("in", GST_PAD_SRC)));
    GstPad* out = GST_PAD_CAST(gst_object_ref_sink(gst_pad_new("out", GST_PAD_SINK)));
    GstSegment segment{};
    GstVideoInfo info{};
    std::uint64_t coded = 0;

    explicit Chain(RungTrial& of) : trial(of) {}
    ~Chain() {
        gst_pad_set_active(in, FALSE);
        gst_pad_set_active(out, FALSE);
        gst_element_set_state(bin, GST_STATE_NULL);
        gst_object_unref(bin);
        gst_object_unref(in);
        gst_object_unref(out);
    }
    Chain(const Chain&) = delete;
    Chain& operator=(const Chain&) = delete;

    // Throws std::runtime_error with the reason.
    void build() {
        GstElement* scaler = make_lowres_scaler();
        configure_lowres_scaler(scaler, trial.order_.scale, 0, 0);
        gst_bin_add(GST_BIN(bin), scaler);
        GstElement* encoder = make_encoder(trial.encoder_);
        gst_bin_add(GST_BIN(bin), encoder);
        const auto control = find_bitrate_control(encoder);
        if (!control) throw std::runtime_error("the bit rate of its encoder is not ours to set");
        set_bitrate(*control, trial.order_.video_bitrate_bps);
        // As large as the stream's own when nothing limits it.
        if (auto buffer = X264Buffer::of(control->encoder)) {
            buffer->before_frame(std::numeric_limits<double>::infinity(),
                                 frame_duration(trial.info_));
        }
        GstCaps* caps = output_caps(encoder);
        const std::string fragment = decoder_for(caps);
        gst_caps_unref(caps);
        if (fragment.empty()) throw std::runtime_error("there is no decoder for its encoder");
        GstElement* decoder = gst_parse_bin_from_description(
            (fragment + " ! videoconvert ! video/x-raw,format=I420").c_str(), TRUE, nullptr);
        if (!decoder) throw std::runtime_error("its decoder cannot be made");
        gst_bin_add(GST_BIN(bin), decoder);
        GstPad* first = gst_element_get_static_pad(scaler, "sink");
        GstPad* coded_pad = gst_element_get_static_pad(encoder, "src");
        GstPad* last = gst_element_get_static_pad(decoder, "src");
        gst_pad_add_probe(coded_pad, GST_PAD_PROBE_TYPE_BUFFER, &Chain::count, this, nullptr);
        gst_pad_set_element_private(out, this);
        gst_pad_set_chain_function(out, &Chain::chain);
        gst_pad_set_event_function(out, &Chain::event);
        // The pads are nobody's, and the bin's are inside: no hierarchy to check.
        const bool linked =
            gst_element_link_many(scaler, encoder, decoder, nullptr) &&
            gst_pad_link_full(in, first, GST_PAD_LINK_CHECK_NOTHING) == GST_PAD_LINK_OK &&
            gst_pad_link_full(last, out, GST_PAD_LINK_CHECK_NOTHING) == GST_PAD_LINK_OK;
        gst_object_unref(first);
        gst_object_unref(coded_pad);
        gst_object_unref(last);
        gst_pad_set_active(out, TRUE);
        gst_pad_set_active(in, TRUE);
        if (!linked || gst_element_set_state(bin, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) {
            throw std::runtime_error("a second encoder cannot be started");
        }
        gst_pad_push_event(in, gst_event_new_stream_start("trial"));
        gst_pad_push_event(in, gst_event_new_caps(trial.caps_));
        gst_segment_init(&segment, GST_FORMAT_TIME);
        gst_pad_push_event(in, gst_event_new_segment(&segment));
    }

    static GstPadProbeReturn count(GstPad*, GstPadProbeInfo* probe, gpointer data) {
        auto& self = *static_cast<Chain*>(data);
        const gsize bytes = gst_buffer_get_size(GST_PAD_PROBE_INFO_BUFFER(probe));
        const std::lock_guard lock(self.trial.mutex_);
        if (self.coded++ >= self.trial.frames_to_warm_up_) self.trial.video_bytes_ += bytes;
        return GST_PAD_PROBE_OK;
    }
    static GstFlowReturn chain(GstPad* pad, GstObject*, GstBuffer* buffer) {
        auto& self = *static_cast<Chain*>(gst_pad_get_element_private(pad));
        const GstClockTime time =
            gst_segment_to_running_time(&self.segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
        self.trial.take_picture(buffer, time, self.info);
        gst_buffer_unref(buffer);
        return GST_FLOW_OK;
    }
    static gboolean event(GstPad* pad, GstObject*, GstEvent* event) {
        auto& self = *static_cast<Chain*>(gst_pad_get_element_private(pad));
        if (GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT) {
            gst_event_copy_segment(event, &self.segment);
        } else if (GST_EVENT_TYPE(event) == GST_EVENT_CAPS) {
            GstCaps* caps = nullptr;
            gst_event_parse_caps(event, &caps);
            gst_video_info_from_caps(&self.info, caps);
        }
        gst_event_unref(event);
        return TRUE;
    }
};

RungTrial::RungTrial(const Order& order, const std::string& encoder, GstCaps* caps, bool lockstep,
                     Done done)
    : order_(order),
      encoder_(encoder),
      caps_(gst_caps_ref(caps)),
      lockstep_(lockstep),
      done_(std::move(done)) {
    gst_video_info_from_caps(&info_, caps);
    thread_ = std::thread([this] { run(); });
}

RungTrial::~RungTrial() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
    for (const Queued& queued : queue_) gst_clear_buffer(const_cast<GstBuffer**>(&queued.buffer));
    gst_caps_unref(caps_);
}

bool RungTrial::over() const {
    const std::lock_guard lock(mutex_);
    return over_;
}

bool RungTrial::add_frame(GstBuffer* buffer, GstCaps* caps, GstClockTime running_time,
                          bool may_measure, std::uint64_t video_bytes) {
    if (!begin_) begin_ = running_time;
    // Two inputs cannot be compared, and the new one's buffers do not fit what was built.
    const bool changed = !gst_caps_is_equal(caps, caps_);
    // A flush set time back, or the stream jumped: the trial is void.
    const bool jumped = running_time < *begin_ || running_time > end() + 5 * GST_SECOND;
    const bool measuring = running_time >= *begin_ + order_.warm_up;
    const bool ends = running_time >= end();
    bool measured = false;
    if (measuring && !bytes_at_begin_) bytes_at_begin_ = video_bytes;
    std::unique_lock lock(mutex_);
    if (over_ || complete_) return false;
    if (jumped) failure_ = "the stream jumped";
    if (changed) failure_ = "the input changed";
    if (!failure_.empty() || ends) {
        live_video_bytes_ = video_bytes - bytes_at_begin_.value_or(video_bytes);
        complete_ = true;
        changed_.notify_all();
        if (!lockstep_) return false;
        changed_.wait(lock, [this] { return worked_off_; });
        const std::string failure = failure_;
        lock.unlock();
        conclude(failure);
        return false;
    }
    if (!measuring) {
        ++warm_up_frames_;
    } else if (may_measure && last_slot_ != running_time / measure_interval) {
        last_slot_ = running_time / measure_interval;
        measured = true;
    }
    if (lockstep_) {
        changed_.wait(lock, [this] {
            return queue_.size() < most_queued_lockstep || !failure_.empty() || stopping_;
        });
    } else if (queue_.size() >= most_queued ||
               (queue_.size() + 1) * GST_VIDEO_INFO_SIZE(&info_) > max_queued_bytes) {
        failure_ = "the machine has no time for it";
        changed_.notify_all();
        return false;
    }
    GstBuffer* copy = gst_buffer_copy_deep(buffer);
    GST_BUFFER_PTS(copy) = running_time;
    GST_BUFFER_DTS(copy) = GST_CLOCK_TIME_NONE;
    queue_.push_back({copy, running_time, measured});
    changed_.notify_all();
    return measured;
}

void RungTrial::add_live(const LumaFrame& frame) {
    const double db = shown_psnr_db(frame);
    const std::lock_guard lock(mutex_);
    live_db_[frame.running_time] = db;
}

void RungTrial::run() {
    // Frames of the stream come first; in lockstep they wait for us.
    if (!lockstep_) setpriority(PRIO_PROCESS, 0, niceness);
    std::string failure;
    try {
        Chain chain(*this);
        chain.build();
        failure = push_all(chain);
    } catch (const std::exception& fault) {
        failure = fault.what();
    }
    {
        const std::lock_guard lock(mutex_);
        if (failure_.empty()) failure_ = failure;
        failure = failure_;
        worked_off_ = true;
        changed_.notify_all();
        if (stopping_ || lockstep_) return;
    }
    conclude(failure);
}

// Empty, or what went wrong.
std::string RungTrial::push_all(Chain& chain) {
    while (true) {
        Queued next{};
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [this] {
                return !queue_.empty() || complete_ || stopping_ || !failure_.empty();
            });
            if (stopping_ || !failure_.empty()) return failure_;
            if (queue_.empty()) break;
            next = queue_.front();
            queue_.pop_front();
            frames_to_warm_up_ = warm_up_frames_;
            changed_.notify_all();
        }
        if (next.measured) {
            originals_[next.running_time] = luma_of(next.buffer, info_, next.running_time);
        }
        if (gst_pad_push(chain.in, next.buffer) != GST_FLOW_OK) {
            return "its encoder or decoder failed";
        }
    }
    gst_pad_push_event(chain.in, gst_event_new_eos());
    return "";
}

void RungTrial::take_picture(GstBuffer* buffer, GstClockTime running_time,
                             const GstVideoInfo& info) {
    // Time stamps come through encoders to within rounding.
    constexpr GstClockTime tolerance = GST_MSECOND;
    auto found = originals_.lower_bound(running_time - std::min(running_time, tolerance));
    if (found == originals_.end() || found->first > running_time + tolerance) return;
    LumaFrame& frame = found->second;
    frame.scale = order_.scale;
    if (GST_VIDEO_INFO_WIDTH(&info) == lowres_side(frame.width, order_.scale) &&
        GST_VIDEO_INFO_HEIGHT(&info) == lowres_side(frame.height, order_.scale) &&
        copy_given(info, buffer, frame)) {
        const double db = shown_psnr_db(frame);
        const std::lock_guard lock(mutex_);
        tried_db_[found->first] = db;
    }
    originals_.erase(originals_.begin(), std::next(found));
}

void RungTrial::conclude(std::string failure) {
    Outcome outcome;
    {
        const std::lock_guard lock(mutex_);
        outcome.number = order_.number;
        outcome.measured = order_.measured;
        outcome.video_bytes = video_bytes_;
        outcome.live_video_bytes = live_video_bytes_;
        for (const auto& [time, db] : tried_db_) {
            const auto live = live_db_.find(time);
            if (live == live_db_.end()) continue;
            ++outcome.pictures;
            outcome.psnr_db += db;
            outcome.live_psnr_db += live->second;
        }
        if (outcome.pictures > 0) {
            outcome.psnr_db /= static_cast<double>(outcome.pictures);
            outcome.live_psnr_db /= static_cast<double>(outcome.pictures);
        } else if (failure.empty()) {
            failure = "no picture of it and of the stream could be compared";
        }
        outcome.failure = std::move(failure);
    }
    GST_DEBUG("trial %" G_GUINT64_FORMAT " at scale %s: %.2f dB, the stream %.2f dB (%s)",
              outcome.number, name(order_.scale).c_str(), outcome.psnr_db, outcome.live_psnr_db,
              outcome.failure.c_str());
    done_(outcome);
    const std::lock_guard lock(mutex_);
    over_ = true;
}

}  // namespace livesr::gst
