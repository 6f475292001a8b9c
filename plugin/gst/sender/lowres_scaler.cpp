// See lowres_scaler.h.
#include "gst/sender/lowres_scaler.h"

#include <gst/video/gstvideofilter.h>
#include <gst/video/video.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "core/picture/resample.h"

namespace {

constexpr int largest_side = 16384;

struct Size {
    int width = 0;
    int height = 0;
};

}  // namespace

struct _GstLowresScaler {
    GstVideoFilter parent;
    livesr::Scale scale;
    Size wanted;                              // 0: from scale
    std::array<std::vector<guint8>, 3>* pad;  // scratch, one a plane
};

typedef struct _GstLowresScaler GstLowresScaler;

typedef struct _GstLowresScalerClass {
    GstVideoFilterClass parent_class;
} GstLowresScalerClass;

GType gst_lowres_scaler_get_type();

#define gst_lowres_scaler_parent_class parent_class
G_DEFINE_TYPE(GstLowresScaler, gst_lowres_scaler, GST_TYPE_VIDEO_FILTER)

#define GST_LOWRES_SCALER(object) (reinterpret_cast<GstLowresScaler*>(object))

namespace {

#define I420_CAPS GST_VIDEO_CAPS_MAKE("I420")

GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(I420_CAPS));
GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(I420_CAPS));

// What 4:2:0 takes.
int even(double side) { return std::max(2, static_cast<int>(side / 2 + 0.5) * 2); }

Size lowres_size(const GstLowresScaler* self, const Size& input) {
    const Size& wanted = self->wanted;
    if (wanted.width > 0 && wanted.height > 0) return wanted;
    if (wanted.width > 0) {
        return {wanted.width, even(static_cast<double>(input.height) * wanted.width / input.width)};
    }
    if (wanted.height > 0) {
        return {even(static_cast<double>(input.width) * wanted.height / input.height),
                wanted.height};
    }
    return {livesr::lowres_side(input.width, self->scale),
            livesr::lowres_side(input.height, self->scale)};
}

// Colours that the caps leave open follow from the height: they are those of the input, whatever
// size it is sent at.
void write_colours(GstStructure* structure, const Size& input, const Size& output) {
    GstVideoInfo before;
    GstVideoInfo after;
    if (gst_structure_has_field(structure, "colorimetry")) return;
    gst_video_info_set_format(&before, GST_VIDEO_FORMAT_I420, static_cast<guint>(input.width),
                              static_cast<guint>(input.height));
    gst_video_info_set_format(&after, GST_VIDEO_FORMAT_I420, static_cast<guint>(output.width),
                              static_cast<guint>(output.height));
    if (gst_video_colorimetry_is_equal(&before.colorimetry, &after.colorimetry)) return;
    gchar* text = gst_video_colorimetry_to_string(&before.colorimetry);
    gst_structure_set(structure, "colorimetry", G_TYPE_STRING, text, nullptr);
    g_free(text);
}

// A picture of another shape is to be shown in the shape of the input.
void set_pixel_shape(GstStructure* structure, const Size& input, const Size& output) {
    gint n = 1;
    gint d = 1;
    gst_structure_get_fraction(structure, "pixel-aspect-ratio", &n, &d);
    gint across = 0;
    gint down = 0;
    if (gst_util_fraction_multiply(input.width, output.width, output.height, input.height, &across,
                                   &down) &&
        gst_util_fraction_multiply(n, d, across, down, &n, &d)) {
        gst_structure_set(structure, "pixel-aspect-ratio", GST_TYPE_FRACTION, n, d, nullptr);
    }
}

struct Plane {
    const guint8* data;
    std::ptrdiff_t stride;
    Size size;
};

// The plane with its last column and row repeated to `size`.
Plane padded(const Plane& plane, const Size& size, std::vector<guint8>& scratch) {
    if (plane.size.width == size.width && plane.size.height == size.height) return plane;
    const auto stride = static_cast<std::size_t>(size.width);
    scratch.resize(stride * static_cast<std::size_t>(size.height));
    for (int y = 0; y < size.height; ++y) {
        const guint8* from = plane.data + std::min(y, plane.size.height - 1) * plane.stride;
        guint8* to = scratch.data() + static_cast<std::size_t>(y) * stride;
        const auto width = static_cast<std::size_t>(plane.size.width);
        std::memcpy(to, from, width);
        std::memset(to + width, from[width - 1], stride - width);
    }
    return {scratch.data(), size.width, size};
}

}  // namespace

static GstCaps* gst_lowres_scaler_transform_caps(GstBaseTransform* base, GstPadDirection direction,
                                                 GstCaps* caps, GstCaps* filter) {
    const GstLowresScaler* self = GST_LOWRES_SCALER(base);
    GstCaps* result = gst_caps_new_empty();
    for (guint i = 0; i < gst_caps_get_size(caps); ++i) {
        GstStructure* structure = gst_structure_copy(gst_caps_get_structure(caps, i));
        Size input;
        const bool fixed = gst_structure_get_int(structure, "width", &input.width) &&
                           gst_structure_get_int(structure, "height", &input.height);
        if (direction == GST_PAD_SINK && fixed) {
            const Size output = lowres_size(self, input);
            write_colours(structure, input, output);
            gst_structure_set(structure, "width", G_TYPE_INT, output.width, "height", G_TYPE_INT,
                              output.height, nullptr);
            if (self->wanted.width > 0 || self->wanted.height > 0) {
                set_pixel_shape(structure, input, output);
            }
        } else {
            gst_structure_set(structure, "width", GST_TYPE_INT_RANGE, 1, largest_side, "height",
                              GST_TYPE_INT_RANGE, 1, largest_side, nullptr);
            gst_structure_remove_field(structure, "pixel-aspect-ratio");
        }
        gst_caps_append_structure(result, structure);
    }
    if (filter) {
        GstCaps* both = gst_caps_intersect_full(filter, result, GST_CAPS_INTERSECT_FIRST);
        gst_caps_unref(result);
        result = both;
    }
    return result;
}

static GstFlowReturn gst_lowres_scaler_transform_frame(GstVideoFilter* filter, GstVideoFrame* in,
                                                       GstVideoFrame* out) {
    GstLowresScaler* self = GST_LOWRES_SCALER(filter);
    const bool any_size = self->wanted.width > 0 || self->wanted.height > 0;
    for (guint p = 0; p < 3; ++p) {
        Plane plane{static_cast<const guint8*>(GST_VIDEO_FRAME_PLANE_DATA(in, p)),
                    GST_VIDEO_FRAME_PLANE_STRIDE(in, p),
                    {GST_VIDEO_FRAME_COMP_WIDTH(in, p), GST_VIDEO_FRAME_COMP_HEIGHT(in, p)}};
        const Size output{GST_VIDEO_FRAME_COMP_WIDTH(out, p), GST_VIDEO_FRAME_COMP_HEIGHT(out, p)};
        if (!any_size) {
            plane = padded(
                plane, {self->scale.enlarged(output.width), self->scale.enlarged(output.height)},
                (*self->pad)[p]);
        }
        livesr::resample(livesr::Filter::lanczos, plane.data, plane.stride, plane.size.width,
                         plane.size.height,
                         static_cast<guint8*>(GST_VIDEO_FRAME_PLANE_DATA(out, p)),
                         GST_VIDEO_FRAME_PLANE_STRIDE(out, p), output.width, output.height);
    }
    return GST_FLOW_OK;
}

static void gst_lowres_scaler_finalize(GObject* object) {
    delete GST_LOWRES_SCALER(object)->pad;
    G_OBJECT_CLASS(parent_class)->finalize(object);
}

static void gst_lowres_scaler_class_init(GstLowresScalerClass* klass) {
    G_OBJECT_CLASS(klass)->finalize = gst_lowres_scaler_finalize;
    GstElementClass* element_class = GST_ELEMENT_CLASS(klass);
    gst_element_class_add_static_pad_template(element_class, &sink_template);
    gst_element_class_add_static_pad_template(element_class, &src_template);
    gst_element_class_set_static_metadata(element_class, "Low-resolution scaler",
                                          "Filter/Converter/Video/Scaler",
                                          "Pads and scales down for patchsender", "livesr");
    GstBaseTransformClass* transform_class = GST_BASE_TRANSFORM_CLASS(klass);
    transform_class->transform_caps = gst_lowres_scaler_transform_caps;
    transform_class->passthrough_on_same_caps = TRUE;
    GST_VIDEO_FILTER_CLASS(klass)->transform_frame = gst_lowres_scaler_transform_frame;
}

static void gst_lowres_scaler_init(GstLowresScaler* self) {
    self->scale = 1;
    self->wanted = {};
    self->pad = new std::array<std::vector<guint8>, 3>();
}

namespace livesr::gst {

GstElement* make_lowres_scaler() {
    return GST_ELEMENT_CAST(g_object_new(gst_lowres_scaler_get_type(), nullptr));
}

void configure_lowres_scaler(GstElement* scaler, const Scale& scale, int width, int height) {
    GstLowresScaler* self = GST_LOWRES_SCALER(scaler);
    self->scale = scale;
    self->wanted = {width, height};
}

bool change_lowres_scale(GstElement* scaler, const Scale& scale) {
    GstLowresScaler* self = GST_LOWRES_SCALER(scaler);
    const Scale before = self->scale;
    self->scale = scale;
    GstBaseTransform* transform = GST_BASE_TRANSFORM(scaler);
    if (GstCaps* in = gst_pad_get_current_caps(GST_BASE_TRANSFORM_SINK_PAD(transform))) {
        GstCaps* out = gst_lowres_scaler_transform_caps(transform, GST_PAD_SINK, in, nullptr);
        // Encoders accept what their template has, and tell of caps behind them when they are asked
        // for their own.
        GstPad* src = GST_BASE_TRANSFORM_SRC_PAD(transform);
        GstCaps* taken = gst_pad_peer_query_caps(src, out);
        const bool accepted =
            !gst_caps_is_empty(taken) && gst_pad_peer_query_accept_caps(src, out) == TRUE;
        gst_caps_unref(taken);
        gst_caps_unref(out);
        gst_caps_unref(in);
        if (!accepted) {
            self->scale = before;
            return false;
        }
    }
    gst_base_transform_reconfigure_src(transform);
    return true;
}

}  // namespace livesr::gst
