// Scaling of widths and heights in caps.
#include "gst/enhancer/size_caps.h"

#include <gst/video/video.h>

#include <algorithm>

#include "core/picture/scale.h"

namespace livesr::gst {
namespace {

struct Side {
    int least;
    int most;
};

// Sides of the source for a side of the output that is at most `scale` times as long: the sender
// pads to a multiple of 2*scale.
Side source_side(int side, int scale) {
    const int least = side / scale + (side % scale != 0 ? 1 : 0);
    const int most =
        side > largest_side * scale - 2 * scale ? largest_side : lowres_side(side, scale);
    return {least, most};
}

// False when no size fits.
bool scale_side(GstStructure* structure, const char* field, int scale, GstPadDirection direction) {
    const GValue* value = gst_structure_get_value(structure, field);
    int least = 1;
    int most = G_MAXINT;
    if (value != nullptr && G_VALUE_HOLDS_INT(value)) {
        least = most = g_value_get_int(value);
    } else if (value != nullptr && GST_VALUE_HOLDS_INT_RANGE(value)) {
        least = gst_value_get_int_range_min(value);
        most = gst_value_get_int_range_max(value);
    }
    if (direction == GST_PAD_SINK) {
        least = least > largest_side ? largest_side * scale : least * scale;
        most = most > largest_side ? largest_side * scale : most * scale;
        // A range may stand for a padded picture that will be cropped.
        if (least != most) least = 1;
    } else {
        least = std::max(source_side(least, scale).least, smallest_side);
        most = std::min(source_side(most, scale).most, largest_side);
        if (most < least) return false;
    }
    if (least == most) {
        gst_structure_set(structure, field, G_TYPE_INT, least, nullptr);
    } else {
        gst_structure_set(structure, field, GST_TYPE_INT_RANGE, least, most, nullptr);
    }
    return true;
}

// Colours that the caps leave open follow from the picture's height. Where the enlarged one crosses
// that border they are written down, so that they stay what they were.
bool write_colours(GstStructure* enlarged, int low_height) {
    const gchar* const format_name = gst_structure_get_string(enlarged, "format");
    if (format_name == nullptr) return false;  // left open: a query, not a picture
    const auto format = gst_video_format_from_string(format_name);
    int width = 0;
    int height = 0;
    GstVideoInfo low;
    GstVideoInfo high;
    if (!gst_structure_get_int(enlarged, "width", &width) ||
        !gst_structure_get_int(enlarged, "height", &height) ||
        !gst_video_info_set_format(&low, format, static_cast<guint>(width),
                                   static_cast<guint>(low_height)) ||
        !gst_video_info_set_format(&high, format, static_cast<guint>(width),
                                   static_cast<guint>(height))) {
        return false;
    }
    if (gst_structure_has_field(enlarged, "colorimetry") ||
        gst_video_colorimetry_is_equal(&low.colorimetry, &high.colorimetry)) {
        return false;
    }
    gchar* text = gst_video_colorimetry_to_string(&low.colorimetry);
    gst_structure_set(enlarged, "colorimetry", G_TYPE_STRING, text, nullptr);
    g_free(text);
    return true;
}

// With the colours, and for who wants others all the same, without.
void append(GstCaps* caps, GstStructure* structure, int low_height) {
    GstStructure* with_colours = gst_structure_copy(structure);
    if (write_colours(with_colours, low_height)) {
        gst_caps_append_structure(caps, with_colours);
    } else {
        gst_structure_free(with_colours);
    }
    gst_caps_append_structure(caps, structure);
}

// The sender chooses the scale and may choose another at any time.
GstCaps* any_scale_caps(const GstCaps* caps, GstPadDirection direction, const TrueSize& true_size) {
    GstCaps* result = gst_caps_new_empty();
    for (guint i = 0; i < gst_caps_get_size(caps); ++i) {
        GstStructure* structure = gst_structure_copy(gst_caps_get_structure(caps, i));
        int width = 0;
        int height = 0;
        if (direction == GST_PAD_SINK && gst_structure_get_int(structure, "width", &width) &&
            gst_structure_get_int(structure, "height", &height)) {
            // One that is refused negotiates all the same: srenhancer drops it, and goes on.
            const auto size = true_size(width, height).value_or(std::pair{width, height});
            gst_structure_set(structure, "width", G_TYPE_INT, size.first, "height", G_TYPE_INT,
                              size.second, nullptr);
            append(result, structure, height);
        } else {
            const bool to_sink = direction == GST_PAD_SRC;
            const int least = to_sink ? smallest_side : 1;
            const int most = to_sink ? largest_side : 4 * largest_side;
            gst_structure_set(structure, "width", GST_TYPE_INT_RANGE, least, most, "height",
                              GST_TYPE_INT_RANGE, least, most, nullptr);
            result = gst_caps_merge_structure(result, structure);
        }
    }
    return result;
}

}  // namespace

GstCaps* scale_caps(const GstCaps* caps, GstPadDirection direction, int scale,
                    const TrueSize& true_size) {
    if (scale == 0) return any_scale_caps(caps, direction, true_size);
    GstCaps* result = gst_caps_new_empty();
    for (guint i = 0; i < gst_caps_get_size(caps); ++i) {
        GstStructure* structure = gst_structure_copy(gst_caps_get_structure(caps, i));
        int width = 0;
        int height = 0;
        const bool fixed = direction == GST_PAD_SINK &&
                           gst_structure_get_int(structure, "width", &width) &&
                           gst_structure_get_int(structure, "height", &height);
        if (!scale_side(structure, "width", scale, direction) ||
            !scale_side(structure, "height", scale, direction)) {
            gst_structure_free(structure);
            continue;
        }
        if (!fixed) {
            result = gst_caps_merge_structure(result, structure);
            continue;
        }
        // The true size is preferred; who cannot take it gets the padded one.
        const std::pair padded{scale * width, scale * height};
        if (const auto size = true_size(width, height); size && *size != padded) {
            GstStructure* cropped = gst_structure_copy(structure);
            gst_structure_set(cropped, "width", G_TYPE_INT, size->first, "height", G_TYPE_INT,
                              size->second, nullptr);
            append(result, cropped, height);
        }
        append(result, structure, height);
    }
    return result;
}

}  // namespace livesr::gst
