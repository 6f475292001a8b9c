// Properties of srmeter.
#include "gst/measure/srmeter.h"

namespace livesr::gst {
namespace {

enum Property {
    prop_0,
    prop_location,
    prop_baselines,
    prop_scale,
    prop_ssim_every,
    prop_match,
    prop_reference_offset,
    prop_max_frames,
};

GType match_type() {
    static const GEnumValue values[] = {
        {static_cast<int>(MatchBy::time), "Frames of equal running time", "time"},
        {static_cast<int>(MatchBy::count), "Frames of equal number", "count"},
        {0, nullptr, nullptr}};
    static const GType type = g_enum_register_static("GstSrMeterMatch", values);
    return type;
}

std::string text_of(const GValue* value) {
    const char* text = g_value_get_string(value);
    return text != nullptr ? text : "";
}

void set_property(GObject* object, guint id, const GValue* value, GParamSpec* spec) {
    MeterState& state = *GST_SR_METER(object)->state;
    const std::lock_guard lock(state.mutex);
    MeterSettings& settings = state.settings;
    switch (id) {
        case prop_location:
            settings.location = text_of(value);
            break;
        case prop_baselines:
            settings.baselines = text_of(value);
            break;
        case prop_scale:
            settings.scale = g_value_get_int(value);
            break;
        case prop_ssim_every:
            settings.ssim_every = g_value_get_int(value);
            break;
        case prop_match:
            settings.match = static_cast<MatchBy>(g_value_get_enum(value));
            break;
        case prop_reference_offset:
            settings.reference_offset_ns = g_value_get_int64(value);
            break;
        case prop_max_frames:
            settings.max_frames = g_value_get_int(value);
            break;
        default:
            G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
}

void get_property(GObject* object, guint id, GValue* value, GParamSpec* spec) {
    MeterState& state = *GST_SR_METER(object)->state;
    const std::lock_guard lock(state.mutex);
    const MeterSettings& settings = state.settings;
    switch (id) {
        case prop_location:
            g_value_set_string(value, settings.location.c_str());
            break;
        case prop_baselines:
            g_value_set_string(value, settings.baselines.c_str());
            break;
        case prop_scale:
            g_value_set_int(value, settings.scale);
            break;
        case prop_ssim_every:
            g_value_set_int(value, settings.ssim_every);
            break;
        case prop_match:
            g_value_set_enum(value, static_cast<int>(settings.match));
            break;
        case prop_reference_offset:
            g_value_set_int64(value, settings.reference_offset_ns);
            break;
        case prop_max_frames:
            g_value_set_int(value, settings.max_frames);
            break;
        default:
            G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
}

}  // namespace

void install_meter_properties(GObjectClass* object_class) {
    const auto flags = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                GST_PARAM_MUTABLE_READY);
    const auto install = [object_class](Property id, GParamSpec* spec) {
        g_object_class_install_property(object_class, id, spec);
    };
    object_class->set_property = set_property;
    object_class->get_property = get_property;
    install(
        prop_location,
        g_param_spec_string("location", "Location",
                            "File for JSON lines: one a frame, the means at the end", "", flags));
    install(prop_baselines,
            g_param_spec_string("baselines", "Baselines",
                                "Enlargements of lowres to measure besides: bilinear, bicubic, "
                                "lanczos, separated by commas",
                                "", flags));
    install(prop_scale,
            g_param_spec_int("scale", "Scale",
                             "Enlargement of lowres, cropped to the reference (the sender pads); "
                             "0: lowres is the whole picture",
                             0, 4, 0, flags));
    install(prop_ssim_every,
            g_param_spec_int("ssim-every", "SSIM every",
                             "Frames from one SSIM to the next; 0: none", 0, G_MAXINT, 1, flags));
    install(prop_match, g_param_spec_enum("match", "Match", "Which frames are compared",
                                          match_type(), static_cast<int>(MatchBy::time), flags));
    install(prop_reference_offset, g_param_spec_int64("reference-offset", "Reference offset",
                                                      "Added to the reference's running time, ns",
                                                      G_MININT64 / 4, G_MAXINT64 / 4, 0, flags));
    install(prop_max_frames, g_param_spec_int("max-frames", "Most frames",
                                              "Frames of one pad that may wait for the others", 1,
                                              G_MAXINT, MeterSettings{}.max_frames, flags));
    gst_type_mark_as_plugin_api(match_type(), static_cast<GstPluginAPIFlags>(0));
}

}  // namespace livesr::gst
