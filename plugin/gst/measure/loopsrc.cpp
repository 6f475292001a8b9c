/**
 * element-srloopsrc
 *
 * Plays a Y4M file forward, then backward, and so on: no cut at the seam, so that a short clip can
 * be measured on for as long as one likes. Time stamps are exact multiples of the frame time. With
 * switch-every several files take turns: a session with scene changes.
 */
#include "gst/measure/loopsrc.h"

#include <gst/base/gstpushsrc.h>
#include <gst/video/video.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "gst/measure/y4m.h"

GST_DEBUG_CATEGORY_STATIC(loop_src_debug);
#define GST_CAT_DEFAULT loop_src_debug

namespace {

enum Property : guint { location = 1, switch_every, duration, is_live };

GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(GST_VIDEO_CAPS_MAKE("I420")));

struct LoopState {
    std::string location;
    double switch_every_s = 0;  // 0: one file
    double duration_s = 0;      // 0: for ever
    // While started; caps and total are read from any thread, under the object lock.
    GstCaps* caps = nullptr;
    GstClockTime total = GST_CLOCK_TIME_NONE;
    std::vector<std::unique_ptr<livesr::gst::Y4mFile>> files;
    std::vector<std::uint64_t> frames;  // of each file
    guint64 turn = 0;                   // frames until the next file
    GstVideoInfo info;
    guint64 next = 0;
    guint64 end = G_MAXUINT64;  // number of frames to show
};

}  // namespace

struct _GstSrLoopSrc {
    GstPushSrc parent;
    LoopState* state;
};

typedef struct _GstSrLoopSrc GstSrLoopSrc;

typedef struct _GstSrLoopSrcClass {
    GstPushSrcClass parent_class;
} GstSrLoopSrcClass;

GType gst_sr_loop_src_get_type();

#define gst_sr_loop_src_parent_class parent_class
G_DEFINE_TYPE(GstSrLoopSrc, gst_sr_loop_src, GST_TYPE_PUSH_SRC)

#define GST_SR_LOOP_SRC(object) (reinterpret_cast<GstSrLoopSrc*>(object))

namespace {

GstClockTime time_of_frame(const LoopState& state, guint64 number) {
    const livesr::gst::Y4mHeader& header = state.files.front()->header();
    return gst_util_uint64_scale(number, static_cast<guint64>(header.rate_d) * GST_SECOND,
                                 static_cast<guint64>(header.rate_n));
}

GstCaps* caps_of(const LoopState& state) {
    const livesr::gst::Y4mHeader& header = state.files.front()->header();
    GstVideoInfo info = state.info;
    if (header.full_range) info.colorimetry.range = GST_VIDEO_COLOR_RANGE_0_255;
    GstCaps* caps = gst_video_info_to_caps(&info);
    if (header.chroma_site) {
        gst_caps_set_simple(caps, "chroma-site", G_TYPE_STRING, header.chroma_site, nullptr);
    }
    return caps;
}

// The files that take turns. A single one may have any character in its name.
std::vector<std::string> locations(const LoopState& state) {
    if (state.switch_every_s <= 0) return {state.location};
    std::vector<std::string> paths;
    for (std::size_t begin = 0; begin <= state.location.size();) {
        const std::size_t end = std::min(state.location.find('|', begin), state.location.size());
        paths.push_back(state.location.substr(begin, end - begin));
        begin = end + 1;
    }
    return paths;
}

// Throws Y4mError.
void open_files(LoopState& state) {
    state.files.clear();
    state.frames.clear();
    for (const std::string& path : locations(state)) {
        try {
            state.files.push_back(std::make_unique<livesr::gst::Y4mFile>(path));
        } catch (const livesr::gst::Y4mError& error) {
            throw livesr::gst::Y4mError("Cannot play " + path + ": " + error.what());
        }
        state.frames.push_back(state.files.back()->frames());
        const livesr::gst::Y4mHeader& first = state.files.front()->header();
        const livesr::gst::Y4mHeader& header = state.files.back()->header();
        if (header.width != first.width || header.height != first.height ||
            header.rate_n != first.rate_n || header.rate_d != first.rate_d) {
            throw livesr::gst::Y4mError("Cannot play " + path +
                                        ": another size or frame rate than the first file");
        }
    }
    const livesr::gst::Y4mHeader& header = state.files.front()->header();
    const double turn = state.switch_every_s * header.rate_n / header.rate_d;
    state.turn = state.switch_every_s <= 0 ? 0 : std::max<guint64>(1, std::llround(turn));
}

}  // namespace

static gboolean gst_sr_loop_src_start(GstBaseSrc* base) {
    GstSrLoopSrc* self = GST_SR_LOOP_SRC(base);
    LoopState& state = *self->state;
    if (state.location.empty()) {
        GST_ELEMENT_ERROR(self, RESOURCE, NOT_FOUND,
                          ("No file: set the property location to a Y4M file"), (nullptr));
        return FALSE;
    }
    try {
        open_files(state);
    } catch (const livesr::gst::Y4mError& error) {
        GST_ELEMENT_ERROR(self, RESOURCE, OPEN_READ, ("%s", error.what()), (nullptr));
        return FALSE;
    }
    const livesr::gst::Y4mHeader& header = state.files.front()->header();
    gst_video_info_set_format(&state.info, GST_VIDEO_FORMAT_I420, static_cast<guint>(header.width),
                              static_cast<guint>(header.height));
    state.info.fps_n = header.rate_n;
    state.info.fps_d = header.rate_d;
    state.info.par_n = header.pixel_n;
    state.info.par_d = header.pixel_d;
    state.next = 0;
    state.end = G_MAXUINT64;
    if (state.duration_s > 0) {
        const double frames = state.duration_s * header.rate_n / header.rate_d;
        // Frames whose time lies within the duration; a product just off a whole number is one.
        state.end = static_cast<guint64>(std::ceil(frames - 1e-6));
    }
    GST_OBJECT_LOCK(self);
    state.caps = caps_of(state);
    if (state.duration_s > 0) state.total = time_of_frame(state, state.end);
    GST_OBJECT_UNLOCK(self);
    return TRUE;
}

static gboolean gst_sr_loop_src_stop(GstBaseSrc* base) {
    LoopState& state = *GST_SR_LOOP_SRC(base)->state;
    GST_OBJECT_LOCK(base);
    gst_clear_caps(&state.caps);
    state.total = GST_CLOCK_TIME_NONE;
    GST_OBJECT_UNLOCK(base);
    state.files.clear();
    return TRUE;
}

static GstCaps* gst_sr_loop_src_get_caps(GstBaseSrc* base, GstCaps* filter) {
    GST_OBJECT_LOCK(base);
    GstCaps* caps = GST_SR_LOOP_SRC(base)->state->caps;
    if (caps) gst_caps_ref(caps);
    GST_OBJECT_UNLOCK(base);
    if (!caps) caps = gst_static_pad_template_get_caps(&src_template);
    if (filter) {
        GstCaps* both = gst_caps_intersect_full(filter, caps, GST_CAPS_INTERSECT_FIRST);
        gst_caps_unref(caps);
        return both;
    }
    return caps;
}

// Only a live source waits for the clock.
static void gst_sr_loop_src_get_times(GstBaseSrc* base, GstBuffer* buffer, GstClockTime* start,
                                      GstClockTime* end) {
    *start = *end = GST_CLOCK_TIME_NONE;
    if (!gst_base_src_is_live(base)) return;
    *start = GST_BUFFER_PTS(buffer);
    *end = *start + GST_BUFFER_DURATION(buffer);
}

static gboolean gst_sr_loop_src_query(GstBaseSrc* base, GstQuery* query) {
    if (GST_QUERY_TYPE(query) == GST_QUERY_LATENCY) {
        // A frame is there at its time, and not before.
        gst_query_set_latency(query, gst_base_src_is_live(base), 0, GST_CLOCK_TIME_NONE);
        return TRUE;
    }
    if (GST_QUERY_TYPE(query) == GST_QUERY_DURATION) {
        GST_OBJECT_LOCK(base);
        const GstClockTime total = GST_SR_LOOP_SRC(base)->state->total;
        GST_OBJECT_UNLOCK(base);
        GstFormat format;
        gst_query_parse_duration(query, &format, nullptr);
        if (format != GST_FORMAT_TIME || !GST_CLOCK_TIME_IS_VALID(total)) return FALSE;
        gst_query_set_duration(query, format, static_cast<gint64>(total));
        return TRUE;
    }
    return GST_BASE_SRC_CLASS(parent_class)->query(base, query);
}

static gboolean gst_sr_loop_src_is_seekable(GstBaseSrc*) { return FALSE; }

static GstFlowReturn gst_sr_loop_src_create(GstPushSrc* source, GstBuffer** out) {
    LoopState& state = *GST_SR_LOOP_SRC(source)->state;
    if (state.next >= state.end) return GST_FLOW_EOS;
    GstBuffer* buffer = gst_buffer_new_allocate(nullptr, GST_VIDEO_INFO_SIZE(&state.info), nullptr);
    GstVideoFrame frame;
    if (!gst_video_frame_map(&frame, &state.info, buffer, GST_MAP_WRITE)) {
        gst_buffer_unref(buffer);
        return GST_FLOW_ERROR;
    }
    const auto place = livesr::gst::loop_place(state.next, state.turn, state.frames);
    const std::uint8_t* from = state.files[place.clip]->frame(place.frame).data();
    for (guint p = 0; p < 3; ++p) {
        const auto width = static_cast<std::size_t>(GST_VIDEO_FRAME_COMP_WIDTH(&frame, p));
        auto* to = static_cast<std::uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, p));
        for (int y = 0; y < GST_VIDEO_FRAME_COMP_HEIGHT(&frame, p); ++y) {
            std::memcpy(to, from, width);
            from += width;
            to += GST_VIDEO_FRAME_PLANE_STRIDE(&frame, p);
        }
    }
    gst_video_frame_unmap(&frame);
    GST_BUFFER_PTS(buffer) = time_of_frame(state, state.next);
    GST_BUFFER_DURATION(buffer) = time_of_frame(state, state.next + 1) - GST_BUFFER_PTS(buffer);
    GST_BUFFER_OFFSET(buffer) = state.next;
    GST_BUFFER_OFFSET_END(buffer) = ++state.next;
    *out = buffer;
    return GST_FLOW_OK;
}

static void gst_sr_loop_src_set_property(GObject* object, guint id, const GValue* value,
                                         GParamSpec* spec) {
    LoopState& state = *GST_SR_LOOP_SRC(object)->state;
    switch (id) {
        case location: {
            const char* text = g_value_get_string(value);
            state.location = text ? text : "";
            break;
        }
        case switch_every:
            state.switch_every_s = g_value_get_double(value);
            break;
        case duration:
            state.duration_s = g_value_get_double(value);
            break;
        case is_live:
            gst_base_src_set_live(GST_BASE_SRC(object), g_value_get_boolean(value));
            break;
        default:
            G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
}

static void gst_sr_loop_src_get_property(GObject* object, guint id, GValue* value,
                                         GParamSpec* spec) {
    const LoopState& state = *GST_SR_LOOP_SRC(object)->state;
    switch (id) {
        case location:
            g_value_set_string(value, state.location.c_str());
            break;
        case switch_every:
            g_value_set_double(value, state.switch_every_s);
            break;
        case duration:
            g_value_set_double(value, state.duration_s);
            break;
        case is_live:
            g_value_set_boolean(value, gst_base_src_is_live(GST_BASE_SRC(object)));
            break;
        default:
            G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
}

static void gst_sr_loop_src_finalize(GObject* object) {
    delete GST_SR_LOOP_SRC(object)->state;
    G_OBJECT_CLASS(parent_class)->finalize(object);
}

static void gst_sr_loop_src_class_init(GstSrLoopSrcClass* klass) {
    GObjectClass* object_class = G_OBJECT_CLASS(klass);
    object_class->set_property = gst_sr_loop_src_set_property;
    object_class->get_property = gst_sr_loop_src_get_property;
    object_class->finalize = gst_sr_loop_src_finalize;
    constexpr auto flags = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                    GST_PARAM_MUTABLE_READY);
    g_object_class_install_property(
        object_class, location,
        g_param_spec_string("location", "Location",
                            "The Y4M file, 8-bit 4:2:0; with switch-every several of one size and "
                            "rate, with | between them",
                            "", flags));
    g_object_class_install_property(
        object_class, switch_every,
        g_param_spec_double("switch-every", "Switch every",
                            "How long each of several files plays before the next takes its turn "
                            "(s); 0: location names one file",
                            0, 1e6, 0, flags));
    g_object_class_install_property(
        object_class, duration,
        g_param_spec_double("duration", "Duration", "How long to play (s); 0: for ever", 0, 1e6, 0,
                            flags));
    g_object_class_install_property(
        object_class, is_live,
        g_param_spec_boolean("is-live", "Is live",
                             "Whether frames come at their time, as from a "
                             "camera, or as fast as they are taken",
                             FALSE, flags));

    GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
    gst_element_class_add_static_pad_template(element_class, &src_template);
    gst_element_class_set_static_metadata(
        element_class, "Loop source", "Source/Video",
        "Plays a Y4M file forward, then backward, over and over. Example: gst-launch-1.0 srloopsrc "
        "location=clip.y4m duration=60 is-live=true ! videoconvert ! autovideosink",
        "livesr");
    GstBaseSrcClass* base_class = GST_BASE_SRC_CLASS(klass);
    base_class->start = gst_sr_loop_src_start;
    base_class->stop = gst_sr_loop_src_stop;
    base_class->get_caps = gst_sr_loop_src_get_caps;
    base_class->get_times = gst_sr_loop_src_get_times;
    base_class->query = gst_sr_loop_src_query;
    base_class->is_seekable = gst_sr_loop_src_is_seekable;
    GST_PUSH_SRC_CLASS(klass)->create = gst_sr_loop_src_create;
}

static void gst_sr_loop_src_init(GstSrLoopSrc* self) {
    self->state = new LoopState();
    gst_base_src_set_format(GST_BASE_SRC(self), GST_FORMAT_TIME);
}

namespace livesr::gst {

std::uint64_t loop_frame(std::uint64_t number, std::uint64_t frames) {
    if (frames < 2) return 0;
    const std::uint64_t period = 2 * (frames - 1);
    const std::uint64_t at = number % period;
    return at < frames ? at : period - at;
}

LoopPlace loop_place(std::uint64_t number, std::uint64_t turn,
                     std::span<const std::uint64_t> frames) {
    if (turn == 0) return {0, loop_frame(number, frames[0])};
    const std::uint64_t turns = number / turn;
    const std::size_t clip = turns % frames.size();
    return {clip, loop_frame(turns / frames.size() * turn + number % turn, frames[clip])};
}

bool register_loop_src(GstPlugin* plugin) {
    GST_DEBUG_CATEGORY_INIT(loop_src_debug, "srloopsrc", 0, "Y4M over and over");
    return gst_element_register(plugin, "srloopsrc", GST_RANK_NONE, gst_sr_loop_src_get_type()) ==
           TRUE;
}

}  // namespace livesr::gst
