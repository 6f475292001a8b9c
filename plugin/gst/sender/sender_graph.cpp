// See sender_graph.h.
#include "gst/sender/sender_graph.h"

#include <gst/video/video.h>

#include <stdexcept>
#include <utility>

#include "gst/sender/element_messages.h"
#include "gst/sender/lowres_scaler.h"
#include "gst/sender/patchpicker.h"
#include "gst/sender/side_branch.h"
#include "gst/stream_format.h"
#include "gst/warning.h"

GST_DEBUG_CATEGORY_EXTERN(patch_sender_debug);
#define GST_CAT_DEFAULT patch_sender_debug

namespace livesr::gst {

const char* const sender_example =
    "gst-launch-1.0 filesrc location=clip.mp4 ! decodebin name=f f. ! videoconvert ! clocksync ! "
    "queue ! patchsender max-bitrate=600000 ! h264parse ! queue ! livesrmux name=m ! "
    "srtsink uri=\"srt://127.0.0.1:7001?mode=caller\" f. ! audioconvert ! audioresample ! "
    "clocksync ! avenc_aac ! aacparse ! queue ! m.";

namespace {

// Of an encoder that has to be made up for now and then nothing is said.
constexpr std::uint64_t min_left_out = 10;
constexpr std::uint64_t min_percent_left_out = 2;

void link(GstElement* from, const char* from_pad, GstElement* to, const char* to_pad) {
    if (gst_element_link_pads(from, from_pad, to, to_pad)) return;
    throw std::runtime_error(std::string("Cannot link ") + GST_OBJECT_NAME(from) + " to " +
                             GST_OBJECT_NAME(to) +
                             ": set encoder to one that takes I420 and gives out one video stream");
}

void probe(GstElement* element, const char* pad_name, GstPadProbeCallback callback, gpointer data) {
    GstPad* pad = gst_element_get_static_pad(element, pad_name);
    gst_pad_add_probe(
        pad,
        static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
        callback, data, nullptr);
    gst_object_unref(pad);
}

GstClockTime running_time_on(GstPad* pad, GstClockTime time) {
    GstEvent* event = gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0);
    if (!event) return GST_CLOCK_TIME_NONE;
    const GstSegment* segment = nullptr;
    gst_event_parse_segment(event, &segment);
    const GstClockTime running = segment->format == GST_FORMAT_TIME && GST_CLOCK_TIME_IS_VALID(time)
                                     ? gst_segment_to_running_time(segment, GST_FORMAT_TIME, time)
                                     : GST_CLOCK_TIME_NONE;
    gst_event_unref(event);
    return running;
}

void ask_for_key(GstElement* encoder) {
    GST_DEBUG_OBJECT(encoder, "is to make a key frame");
    GstPad* pad = gst_element_get_static_pad(encoder, "src");
    gst_pad_send_event(pad,
                       gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 0));
    gst_object_unref(pad);
}

}  // namespace

SenderGraph::SenderGraph(GstBin* bin, GstElement* picker, GstPad* sink, GstPad* src,
                         GstPad* patches)
    : bin_(bin), picker_(picker), sink_(sink), src_(src), patches_(patches) {}

SenderGraph::~SenderGraph() { gst_clear_object(&control_.encoder); }

void SenderGraph::add(GstElement* element) {
    gst_bin_add(bin_, element);
    const std::lock_guard lock(mutex_);
    built_.push_back(element);
}

GstElement* SenderGraph::add(const char* factory) {
    GstElement* element = gst_element_factory_make(factory, nullptr);
    if (!element) {
        throw std::runtime_error(std::string("There is no element ") + factory +
                                 ": install GStreamer's base plugins (gstreamer1.0-plugins-base)");
    }
    add(element);
    return element;
}

void SenderGraph::build(const GraphPlan& plan) {
    GstElement* const convert = add("videoconvert");
    GstElement* const format = add("capsfilter");
    GstCaps* i420 = gst_caps_from_string("video/x-raw, format = I420");
    g_object_set(format, "caps", i420, nullptr);
    gst_caps_unref(i420);
    GstElement* const progressive = add_deinterlacer(format);
    GstElement* const raw_tee = add("tee");
    GstElement* const scaler = make_lowres_scaler();
    configure_lowres_scaler(scaler, plan.settings.first_scale(), plan.width, plan.height);
    add(scaler);
    GstElement* const out_tee = add("tee");

    link(convert, "src", format, "sink");
    link(progressive, "src", raw_tee, "sink");
    // A tee serves its pads in the order in which they were made: the picker has a frame before its
    // encoder, and the decoder what was encoded before the network.
    link(raw_tee, "src_%u", picker_, "sink");
    link(raw_tee, "src_%u", scaler, "sink");
    GstElement* coded = nullptr;
    if (plan.encoder != no_encoder) {
        coded = add_encoder(plan.encoder);
        link(scaler, "src", coded, "sink");
        picker_of(picker_).set_encoder(
            {[scaler](const Scale& scale) { return change_lowres_scale(scaler, scale); },
             [this] { return time_to_key(); }, plan.encoder});
        picker_of(picker_).set_key_request([coded] { ask_for_key(coded); });
        picker_of(picker_).session().set_encoder_inside(true);
        raw_gate_ = {};
        probe(convert, "sink", &SenderGraph::drop_stale, this);
    }
    link(coded ? coded : scaler, "src", out_tee, "sink");
    probe(out_tee, "sink", &SenderGraph::check_links, this);
    picker_of(picker_).output().wait_for_video();
    any_picture_left_ = false;
    probe(out_tee, "sink", &SenderGraph::let_patches_follow, this);

    // Built even while patches are off: they may be switched on.
    SenderSettings with_patches = plan.settings;
    with_patches.patches = true;
    const bool decodes =
        with_patches.sends_patches() && build_decoder_branch(out_tee, coded, plan.settings);
    picker_of(picker_).set_lowres_expected(decodes);
    set_decoding(plan.settings.patches);

    GstPad* first = gst_element_get_static_pad(convert, "sink");
    gst_ghost_pad_set_target(GST_GHOST_PAD(sink_), first);
    gst_object_unref(first);
    const Picker::Outlet outlet = outlet_for(plan, coded);
    GstPad* last = gst_element_request_pad_simple(out_tee, "src_%u");
    picker_of(picker_).set_outlet(outlet);
    if (outlet == Picker::Outlet::pictures) carry_on(last);
    gst_ghost_pad_set_target(GST_GHOST_PAD(src_), last);
    gst_object_unref(last);
}

Picker::Outlet SenderGraph::outlet_for(const GraphPlan& plan, GstElement* coded) const {
    if (plan.carriage == Carriage::klv) return Picker::Outlet::pad;
    if (plan.carriage == Carriage::none) return Picker::Outlet::none;
    GstCaps* caps = coded ? output_caps(coded) : nullptr;
    const bool has_place = has_user_data(caps);
    gst_clear_caps(&caps);
    // Whoever takes the patches alone is to get them.
    const bool only_patches = !gst_pad_is_linked(src_) && gst_pad_is_linked(patches_);
    if (has_place && (plan.carriage == Carriage::sei || !only_patches)) {
        return Picker::Outlet::pictures;
    }
    if (plan.carriage == Carriage::sei) {
        throw std::runtime_error(
            "carriage=sei needs an encoder of H.264, HEVC or AV1, and \"" + plan.encoder +
            "\" is none. Set encoder to one, or carriage=klv and link the pad patches");
    }
    return Picker::Outlet::pad;
}

// What leaves by this pad carries the patches.
void SenderGraph::carry_on(GstPad* src) {
    constexpr auto kinds = static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER |
                                                        GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM);
    gst_pad_add_probe(src, kinds, &SenderGraph::carry_patches, this, nullptr);
}

GstPadProbeReturn SenderGraph::carry_patches(GstPad* pad, GstPadProbeInfo* info, gpointer graph) {
    PictureCarrier& carrier = picker_of(static_cast<SenderGraph*>(graph)->picker_).carrier();
    if (info->type & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM) {
        GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
        if (GST_EVENT_TYPE(event) != GST_EVENT_CAPS) return GST_PAD_PROBE_OK;
        GstCaps* caps = nullptr;
        gst_event_parse_caps(event, &caps);
        carrier.set_format(stream_format_of(caps));
        return GST_PAD_PROBE_OK;
    }
    GstBuffer* picture = GST_PAD_PROBE_INFO_BUFFER(info);
    GST_PAD_PROBE_INFO_DATA(info) = carrier.carry(
        picture, running_time_on(pad, GST_BUFFER_PTS(picture)), GST_BUFFER_DTS_OR_PTS(picture));
    return GST_PAD_PROBE_OK;
}

// Progressive pictures go through it as they are. One picture out for each one in, at once: the
// frame rate stays, and only the default method neither delays pictures nor adds some at the end.
// Returns `before` where the element is not installed.
GstElement* SenderGraph::add_deinterlacer(GstElement* before) {
    GstElement* element = gst_element_factory_make("deinterlace", nullptr);
    GstPad* pad = gst_element_get_static_pad(before, "src");
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, &SenderGraph::say_interlaced, this,
                      nullptr);
    gst_object_unref(pad);
    has_deinterlacer_ = element != nullptr;
    if (!element) return before;
    gst_util_set_object_arg(G_OBJECT(element), "fields", "top");
    add(element);
    link(before, "src", element, "sink");
    return element;
}

GstPadProbeReturn SenderGraph::say_interlaced(GstPad*, GstPadProbeInfo* info, gpointer graph) {
    auto& self = *static_cast<SenderGraph*>(graph);
    GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
    if (GST_EVENT_TYPE(event) != GST_EVENT_CAPS) return GST_PAD_PROBE_OK;
    GstCaps* caps = nullptr;
    GstVideoInfo video;
    gst_event_parse_caps(event, &caps);
    if (!gst_video_info_from_caps(&video, caps) || !GST_VIDEO_INFO_IS_INTERLACED(&video)) {
        return GST_PAD_PROBE_OK;
    }
    {
        const std::lock_guard lock(self.mutex_);
        if (std::exchange(self.told_interlaced_, true)) return GST_PAD_PROBE_OK;
    }
    if (self.has_deinterlacer_) {
        post_warning(GST_ELEMENT_CAST(self.bin_),
                     "The input is interlaced: it is deinterlaced and sent as progressive "
                     "video of the same frame rate",
                     "Set the camera to progressive video: it needs fewer bits and shows more");
    } else {
        post_warning(
            GST_ELEMENT_CAST(self.bin_),
            "The input is interlaced, and there is no element deinterlace: moving edges are "
            "sent as combs",
            "Install gstreamer1.0-plugins-good, or set the camera to progressive video");
    }
    return GST_PAD_PROBE_OK;
}

GstElement* SenderGraph::add_encoder(const std::string& fragment) {
    GstElement* const encoder = make_encoder(fragment);
    gst_object_set_name(GST_OBJECT_CAST(encoder), "encoder");
    add(encoder);
    frame_guard_ = {};
    encoder_watch_ = {};
    told_left_out_ = false;
    probe(encoder, "sink", &SenderGraph::limit_frame, this);
    probe(encoder, "src", &SenderGraph::count_bytes, this);
    if (const auto control = find_bitrate_control(encoder)) {
        const std::lock_guard lock(mutex_);
        control_ = *control;
        gst_object_ref(control_.encoder);
        x264_buffer_ = X264Buffer::of(control_.encoder);
        if (x264_buffer_) picker_of(picker_).session().set_limits_frames(true);
    } else {
        post_warning(GST_ELEMENT_CAST(bin_),
                     "The bit rate of \"" + fragment + "\" cannot be set by patchsender",
                     "Let the encoder keep to max-bitrate by itself, or set its bit rate to the "
                     "property video-bitrate");
    }
    return encoder;
}

// Decodes what `coded` gives out (raw video when null); null when nothing here can.
GstElement* SenderGraph::make_decoder(GstElement* coded, const SenderSettings& settings) {
    std::string fragment = settings.lockstep
                               ? "identity silent=true"
                               : "queue name=room max-size-buffers=0 max-size-bytes=0 "
                                 "max-size-time=0";
    if (coded) {
        GstCaps* caps = output_caps(coded);
        const std::string decoder = decoder_for(caps);
        gchar* text = gst_caps_to_string(caps);
        const std::string what = text;
        g_free(text);
        gst_caps_unref(caps);
        if (decoder.empty()) {
            if (!settings.patches) return nullptr;
            post_warning(GST_ELEMENT_CAST(bin_),
                         "No patches, video goes on: there is no decoder for " + what,
                         "Install gstreamer1.0-libav");
            return nullptr;
        }
        fragment += " ! " + decoder + " ! videoconvert";
    }
    GError* error = nullptr;
    GstElement* decoder = gst_parse_bin_from_description(fragment.c_str(), TRUE, &error);
    const std::string why = error ? error->message : "";
    g_clear_error(&error);
    if (decoder) return decoder;
    throw std::runtime_error("\"" + fragment + "\" cannot be used: " + why + ". Set patches=off");
}

// The way from what is sent to the picker's pad for decoded pictures. False when there is none.
bool SenderGraph::build_decoder_branch(GstElement* tee, GstElement* coded,
                                       const SenderSettings& settings) {
    GstElement* const decoder = make_decoder(coded, settings);
    if (!decoder) return false;
    gst_object_set_name(GST_OBJECT_CAST(decoder), "decoder");
    add(decoder);
    GstElement* const branch = make_side_branch([this] {
        post_warning(GST_ELEMENT_CAST(bin_),
                     "No patches any more, video goes on: the sender cannot decode its own stream",
                     "");
        picker_of(picker_).set_lowres_expected(false);
    });
    add(branch);
    link(tee, "src_%u", branch, "sink");
    link(branch, "src", decoder, "sink");
    link(decoder, "src", picker_, "lowres");
    if (GstElement* room = gst_bin_get_by_name(GST_BIN(decoder), "room")) {
        set_branch_queue(branch, room);
        gst_object_unref(room);
    }
    const std::lock_guard lock(mutex_);
    side_branch_ = branch;
    decoder_ = decoder;
    return true;
}

void SenderGraph::set_decoding(bool decodes) {
    const std::lock_guard lock(mutex_);
    if (side_branch_) open_branch(side_branch_, decodes);
}

void SenderGraph::take_down() {
    picker_of(picker_).set_encoder({});
    picker_of(picker_).set_key_request(nullptr);
    picker_of(picker_).session().set_encoder_inside(false);
    picker_of(picker_).session().set_limits_frames(false);
    gst_ghost_pad_set_target(GST_GHOST_PAD(sink_), nullptr);
    gst_ghost_pad_set_target(GST_GHOST_PAD(src_), nullptr);
    std::vector<GstElement*> built;
    {
        const std::lock_guard lock(mutex_);
        built.swap(built_);
        x264_buffer_.reset();
        gst_clear_object(&control_.encoder);
        side_branch_ = decoder_ = nullptr;
        told_unlinked_ = told_interlaced_ = false;
    }
    for (GstElement* element : built) {
        gst_element_set_state(element, GST_STATE_NULL);
        gst_bin_remove(bin_, element);
    }
}

void SenderGraph::set_video_bitrate(std::uint32_t bitrate_bps) {
    BitrateControl control;
    {
        const std::lock_guard lock(mutex_);
        if (!control_.encoder) return;
        control = control_;
        gst_object_ref(control.encoder);
    }
    GST_DEBUG_OBJECT(bin_, "video gets %u bit/s", bitrate_bps);
    set_bitrate(control, bitrate_bps);
    gst_object_unref(control.encoder);
}

bool SenderGraph::takes_error(GstMessage* message) {
    GstElement* branch = nullptr;
    {
        const std::lock_guard lock(mutex_);
        if (!decoder_ ||
            !gst_object_has_as_ancestor(GST_MESSAGE_SRC(message), GST_OBJECT_CAST(decoder_))) {
            return false;
        }
        branch = GST_ELEMENT_CAST(gst_object_ref(side_branch_));
    }
    GST_WARNING_OBJECT(bin_, "decoder branch: %" GST_PTR_FORMAT, static_cast<void*>(message));
    fail_branch(branch);
    gst_object_unref(branch);
    return true;
}

std::uint64_t SenderGraph::frames_skipped() const {
    const std::lock_guard lock(mutex_);
    return side_branch_ ? livesr::gst::frames_skipped(side_branch_) : 0;
}

GstPadProbeReturn SenderGraph::limit_frame(GstPad* pad, GstPadProbeInfo* info, gpointer graph) {
    auto& self = *static_cast<SenderGraph*>(graph);
    if (!(info->type & GST_PAD_PROBE_TYPE_BUFFER)) return GST_PAD_PROBE_OK;
    Picker& picker = picker_of(self.picker_);
    const GstClockTime frame_time = GST_BUFFER_DURATION(GST_PAD_PROBE_INFO_BUFFER(info));
    const double room_bits = picker.session().room_bits(frame_time);
    const std::uint64_t now = picker.session().media_time();
    std::optional<EncoderWatch::Trouble> trouble;
    bool goes = true;
    {
        const std::lock_guard lock(self.mutex_);
        if (self.x264_buffer_) {
            self.x264_buffer_->before_frame(room_bits, frame_time);
        } else if (self.control_.encoder) {
            goes = self.frame_guard_.lets_through(now, room_bits);
            trouble = self.left_out_trouble();
        }
        if (goes) {
            auto seen = self.encoder_watch_.frame_in(now);
            if (!trouble) trouble = std::move(seen);
        }
    }
    if (trouble) post_warning(GST_ELEMENT_CAST(self.bin_), trouble->cause, trouble->remedy);
    if (!goes) return GST_PAD_PROBE_DROP;
    const GstClockTime pts = GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info));
    picker.carrier().picture_in(running_time_on(pad, pts));
    return GST_PAD_PROBE_OK;
}

// With the mutex held. Said once.
std::optional<EncoderWatch::Trouble> SenderGraph::left_out_trouble() {
    const std::uint64_t left_out = frame_guard_.left_out();
    const std::uint64_t frames = frame_guard_.frames();
    if (left_out < min_left_out || left_out * 100 < frames * min_percent_left_out) return {};
    if (std::exchange(told_left_out_, true)) return {};
    return EncoderWatch::Trouble{
        "The encoder gives more than the uplink carries: so far " + std::to_string(left_out) +
            " of " + std::to_string(frames) + " frames were left out to make up for it",
        "Set the encoder to a constant bit rate with a buffer of a second or less and short "
        "look-ahead, or take the default encoder, which keeps each frame within the uplink"};
}

GstPadProbeReturn SenderGraph::count_bytes(GstPad* pad, GstPadProbeInfo* info, gpointer graph) {
    const gsize bytes = info->type & GST_PAD_PROBE_TYPE_BUFFER
                            ? gst_buffer_get_size(GST_PAD_PROBE_INFO_BUFFER(info))
                            : gst_buffer_list_calculate_size(GST_PAD_PROBE_INFO_BUFFER_LIST(info));
    GstBuffer* first = info->type & GST_PAD_PROBE_TYPE_BUFFER
                           ? GST_PAD_PROBE_INFO_BUFFER(info)
                           : gst_buffer_list_get(GST_PAD_PROBE_INFO_BUFFER_LIST(info), 0);
    auto& self = *static_cast<SenderGraph*>(graph);
    Picker& picker = picker_of(self.picker_);
    const bool is_key = first && !GST_BUFFER_FLAG_IS_SET(first, GST_BUFFER_FLAG_DELTA_UNIT);
    {
        const std::lock_guard lock(self.mutex_);
        if (self.x264_buffer_) self.x264_buffer_->frame_came(is_key);
        self.frame_guard_.frame_came(bytes, is_key);
        self.encoder_watch_.frame_out();
    }
    if (is_key) picker.key_left(running_time_on(pad, GST_BUFFER_PTS(first)));
    picker.session().add_video_bytes(bytes, is_key);
    if (first) picker.output().video_sent(GST_BUFFER_DTS_OR_PTS(first), bytes);
    return GST_PAD_PROBE_OK;
}

// On the thread that gives the picker and then the encoder their frames, so that it is exact.
GstClockTime SenderGraph::time_to_key() const {
    const std::lock_guard lock(mutex_);
    return x264_buffer_ ? x264_buffer_->time_to_key() : GST_CLOCK_TIME_NONE;
}

// What would come too late to the network is not encoded either: nothing builds on it.
GstPadProbeReturn SenderGraph::drop_stale(GstPad*, GstPadProbeInfo* info, gpointer graph) {
    auto& self = *static_cast<SenderGraph*>(graph);
    Picker& picker = picker_of(self.picker_);
    const std::uint64_t bound_ns = picker.session().raw_bound_ns();
    const GstClockTime now = gst_element_get_current_running_time(GST_ELEMENT_CAST(self.bin_));
    if (bound_ns == 0 || !GST_CLOCK_TIME_IS_VALID(now)) return GST_PAD_PROBE_OK;
    if (!(info->type & GST_PAD_PROBE_TYPE_BUFFER)) return GST_PAD_PROBE_OK;
    self.raw_gate_.set_bound(bound_ns);
    const GstClockTime pts = GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info));
    if (self.raw_gate_.lets_through(now, pts, true)) return GST_PAD_PROBE_OK;
    picker.stale_frame_dropped();
    return GST_PAD_PROBE_DROP;
}

// The picture before this one has left: a multiplexer has it, or will have it first.
GstPadProbeReturn SenderGraph::let_patches_follow(GstPad*, GstPadProbeInfo*, gpointer graph) {
    auto& self = *static_cast<SenderGraph*>(graph);
    if (std::exchange(self.any_picture_left_, true)) {
        picker_of(self.picker_).output().video_left();
    }
    return GST_PAD_PROBE_OK;
}

std::uint64_t SenderGraph::frames_left_out() const {
    const std::lock_guard lock(mutex_);
    return frame_guard_.left_out();
}

// With nothing linked there is no work to do, and whoever built the pipeline has made a mistake.
GstPadProbeReturn SenderGraph::check_links(GstPad*, GstPadProbeInfo* info, gpointer graph) {
    auto& self = *static_cast<SenderGraph*>(graph);
    if (gst_pad_is_linked(self.src_) || gst_pad_is_linked(self.patches_)) return GST_PAD_PROBE_OK;
    bool tell = false;
    {
        const std::lock_guard lock(self.mutex_);
        tell = !std::exchange(self.told_unlinked_, true);
    }
    if (tell) {
        GST_ELEMENT_ERROR(self.bin_, STREAM, FAILED,
                          ("Neither src nor patches is linked: link them to a multiplexer, as in: "
                           "%s",
                           sender_example),
                          (nullptr));
    }
    gst_mini_object_unref(GST_MINI_OBJECT_CAST(GST_PAD_PROBE_INFO_DATA(info)));
    GST_PAD_PROBE_INFO_DATA(info) = nullptr;
    GST_PAD_PROBE_INFO_FLOW_RETURN(info) = GST_FLOW_NOT_LINKED;
    return GST_PAD_PROBE_HANDLED;
}

}  // namespace livesr::gst
