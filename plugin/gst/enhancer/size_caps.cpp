// Scaling of widths and heights in caps.
#include "gst/enhancer/size_caps.h"

#include <algorithm>

#include "gst/enhancer/patch_input.h"

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
        side > largest_side * scale - 2 * scale ? largest_side : padded_low_size(side, scale);
    return {least, most};
}

void scale_side(GstStructure* structure, const char* field, int scale, GstPadDirection direction) {
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
        most = std::max(most, least);
    }
    if (least == most) {
        gst_structure_set(structure, field, G_TYPE_INT, least, nullptr);
    } else {
        gst_structure_set(structure, field, GST_TYPE_INT_RANGE, least, most, nullptr);
    }
}

}  // namespace

GstCaps* scale_caps(const GstCaps* caps, GstPadDirection direction, int scale,
                    const TrueSize& true_size) {
    GstCaps* result = gst_caps_new_empty();
    for (guint i = 0; i < gst_caps_get_size(caps); ++i) {
        GstStructure* structure = gst_structure_copy(gst_caps_get_structure(caps, i));
        int width = 0;
        int height = 0;
        if (direction == GST_PAD_SINK && gst_structure_get_int(structure, "width", &width) &&
            gst_structure_get_int(structure, "height", &height)) {
            // The true size is preferred; who cannot take it gets the padded one.
            if (const auto size = true_size(width, height)) {
                GstStructure* cropped = gst_structure_copy(structure);
                gst_structure_set(cropped, "width", G_TYPE_INT, size->first, "height", G_TYPE_INT,
                                  size->second, nullptr);
                gst_caps_append_structure(result, cropped);
            }
        }
        scale_side(structure, "width", scale, direction);
        scale_side(structure, "height", scale, direction);
        result = gst_caps_merge_structure(result, structure);
    }
    return result;
}

}  // namespace livesr::gst
