#include "gst/sender/element_messages.h"

GST_DEBUG_CATEGORY_EXTERN(patch_picker_debug);
#define GST_CAT_DEFAULT patch_picker_debug

namespace livesr::gst {

void post_plan(GstElement* element, const nlohmann::json& plan) {
    GstStructure* fields = gst_structure_new_empty("livesr-plan");
    const auto add = [&](const char* field, const char* name) {
        const auto value = plan.find(field);
        if (value == plan.end() || !value->is_number()) return;
        gst_structure_set(fields, name, G_TYPE_DOUBLE, value->get<double>(), nullptr);
    };
    add("mediaTimeNs", "media-time-ns");
    add("videoBitrateBps", "video-bitrate-bps");
    add("patchBitrateBps", "patch-bitrate-bps");
    add("estimatedUplinkBps", "estimated-uplink-bps");
    add("gainByPatchesDb", "gain-by-patches-db");
    add("gainByVideoDb", "gain-by-video-db");
    gst_element_post_message(element, gst_message_new_element(GST_OBJECT(element), fields));
}

void post_rung(GstElement* element, const Scale& scale, GstClockTime running_time) {
    GstStructure* fields =
        gst_structure_new("livesr-rung", "scale", G_TYPE_DOUBLE, scale.value(), "media-time-ns",
                          G_TYPE_UINT64, static_cast<guint64>(running_time), nullptr);
    gst_element_post_message(element, gst_message_new_element(GST_OBJECT(element), fields));
}

}  // namespace livesr::gst
