// See encoder.h.
#include "gst/sender/encoder.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace livesr::gst {

// One thread: a low-resolution picture needs no more, and slices cost bits. The rate control's
// buffer follows the bit rate: 250 ms of it at most keep a key frame below what a link's queue of
// 300 ms holds; x264_buffer.h makes it smaller. 400 ms would give 0.1 dB more and a queue of half a
// second (docs/results.md).
const char* const default_encoder =
    "x264enc tune=zerolatency speed-preset=veryfast threads=1 key-int-max=60 vbv-buf-capacity=250";
const char* const no_encoder = "none";

namespace {

struct KnownEncoder {
    std::string_view factory;
    const char* property;
    std::uint32_t bps_per_unit;
};

// As gst-inspect-1.0 states them.
constexpr std::array known_encoders{
    KnownEncoder{"x264enc", "bitrate", 1000},
    KnownEncoder{"x265enc", "bitrate", 1000},
    KnownEncoder{"openh264enc", "bitrate", 1},
    KnownEncoder{"vp8enc", "target-bitrate", 1},
    KnownEncoder{"vp9enc", "target-bitrate", 1},
    KnownEncoder{"av1enc", "target-bitrate", 1000},
    KnownEncoder{"svtav1enc", "target-bitrate", 1000},
    KnownEncoder{"nvh264enc", "bitrate", 1000},
    KnownEncoder{"nvh265enc", "bitrate", 1000},
    KnownEncoder{"nvav1enc", "bitrate", 1000},
    KnownEncoder{"vah264enc", "bitrate", 1000},
    KnownEncoder{"vah265enc", "bitrate", 1000},
    KnownEncoder{"vaapih264enc", "bitrate", 1000},
    KnownEncoder{"vaapih265enc", "bitrate", 1000},
    KnownEncoder{"qsvh264enc", "bitrate", 1000},
    KnownEncoder{"qsvh265enc", "bitrate", 1000},
    KnownEncoder{"msdkh264enc", "bitrate", 1000},
    KnownEncoder{"mfh264enc", "bitrate", 1000},
    KnownEncoder{"amfh264enc", "bitrate", 1000},
    KnownEncoder{"vtenc_h264", "bitrate", 1000},
};

// A rate control that may use one quantiser alone cannot keep to a rate. GStreamer's av1enc has 0,
// the best, for the greatest unless it is set, and libaom ends the process where it needs another.
void allow_all_quantizers(GstElement* element, std::string_view factory) {
    if (factory != "av1enc") return;
    constexpr guint worst_of_av1 = 63;
    guint worst = 0;
    g_object_get(element, "max-quantizer", &worst, nullptr);
    if (worst == 0) g_object_set(element, "max-quantizer", worst_of_av1, nullptr);
}

std::optional<BitrateControl> control_of(GstElement* element) {
    GstElementFactory* factory = gst_element_get_factory(element);
    if (!factory) return std::nullopt;
    const std::string_view name = GST_OBJECT_NAME(factory);
    for (const KnownEncoder& known : known_encoders) {
        if (known.factory != name) continue;
        allow_all_quantizers(element, name);
        return BitrateControl{element, known.property, known.bps_per_unit};
    }
    return std::nullopt;
}

struct KnownDecoder {
    std::string_view media_type;
    std::vector<const char*> elements;  // all must be installed
    const char* fragment;
};

// One thread each: frame threading holds pictures back, and low resolution needs no more.
const std::vector<KnownDecoder>& known_decoders() {
    static const std::vector<KnownDecoder> decoders{
        {"video/x-h264", {"h264parse", "avdec_h264"}, "h264parse ! avdec_h264 max-threads=1"},
        {"video/x-h264", {"h264parse", "openh264dec"}, "h264parse ! openh264dec"},
        {"video/x-h265", {"h265parse", "avdec_h265"}, "h265parse ! avdec_h265 max-threads=1"},
        {"video/x-h265", {"h265parse", "libde265dec"}, "h265parse ! libde265dec"},
        {"video/x-vp8", {"vp8dec"}, "vp8dec threads=1"},
        {"video/x-vp8", {"avdec_vp8"}, "avdec_vp8 max-threads=1"},
        {"video/x-vp9", {"vp9dec"}, "vp9dec threads=1"},
        {"video/x-vp9", {"avdec_vp9"}, "avdec_vp9 max-threads=1"},
        {"video/x-av1", {"dav1ddec"}, "dav1ddec n-threads=1"},
        {"video/x-av1", {"av1dec"}, "av1dec"},
        {"image/jpeg", {"jpegdec"}, "jpegdec"},
    };
    return decoders;
}

bool installed(const char* name) {
    GstElementFactory* factory = gst_element_factory_find(name);
    if (factory) gst_object_unref(factory);
    return factory != nullptr;
}

// The highest ranking element of a kind that takes these caps; empty when there is none.
std::string best_of(GstElementFactoryListType kind, const GstCaps* caps) {
    GList* all = gst_element_factory_list_get_elements(kind, GST_RANK_MARGINAL);
    GList* fitting = gst_element_factory_list_filter(all, caps, GST_PAD_SINK, FALSE);
    fitting = g_list_sort(fitting, gst_plugin_feature_rank_compare_func);
    const std::string name = fitting ? GST_OBJECT_NAME(fitting->data) : "";
    gst_plugin_feature_list_free(fitting);
    gst_plugin_feature_list_free(all);
    return name;
}

}  // namespace

// With something behind it the fragment may end in caps.
GstElement* make_encoder(const std::string& fragment) {
    GError* error = nullptr;
    GstElement* bin =
        gst_parse_bin_from_description_full((fragment + " ! identity silent=true").c_str(), TRUE,
                                            nullptr, GST_PARSE_FLAG_FATAL_ERRORS, &error);
    std::string why = error ? error->message : "";
    g_clear_error(&error);
    if (bin) {
        GstPad* sink = gst_element_get_static_pad(bin, "sink");
        GstPad* src = gst_element_get_static_pad(bin, "src");
        if (!sink || !src) why = "it has not one free sink pad and one free source pad";
        gst_clear_object(&sink);
        gst_clear_object(&src);
        if (why.empty()) return bin;
        gst_object_unref(gst_object_ref_sink(bin));
    }
    throw std::runtime_error("The encoder \"" + fragment + "\" cannot be used: " + why +
                             ". Set encoder to a launch fragment such as \"" + default_encoder +
                             "\" (gstreamer1.0-plugins-ugly), or to none");
}

GstCaps* output_caps(GstElement* element) {
    GstPad* pad = gst_element_get_static_pad(element, "src");
    GstCaps* caps = gst_pad_query_caps(pad, nullptr);
    gst_object_unref(pad);
    return caps;
}

std::optional<BitrateControl> find_bitrate_control(GstElement* bin) {
    if (!GST_IS_BIN(bin)) return control_of(bin);
    std::optional<BitrateControl> found;
    GstIterator* iterator = gst_bin_iterate_recurse(GST_BIN(bin));
    GValue item = G_VALUE_INIT;
    while (!found && gst_iterator_next(iterator, &item) == GST_ITERATOR_OK) {
        found = control_of(GST_ELEMENT_CAST(g_value_get_object(&item)));
        g_value_reset(&item);
    }
    g_value_unset(&item);
    gst_iterator_free(iterator);
    return found;
}

void set_bitrate(const BitrateControl& control, std::uint32_t bitrate_bps) {
    GObject* object = G_OBJECT(control.encoder);
    GParamSpec* spec = g_object_class_find_property(G_OBJECT_GET_CLASS(object), control.property);
    if (!spec) return;
    const std::uint32_t units = bitrate_bps / control.bps_per_unit;
    if (G_IS_PARAM_SPEC_UINT(spec)) {
        const GParamSpecUInt* range = G_PARAM_SPEC_UINT(spec);
        g_object_set(object, control.property, std::clamp(units, range->minimum, range->maximum),
                     nullptr);
    } else if (G_IS_PARAM_SPEC_INT(spec)) {
        const GParamSpecInt* range = G_PARAM_SPEC_INT(spec);
        const auto wanted = static_cast<gint>(std::min<std::uint32_t>(units, G_MAXINT));
        g_object_set(object, control.property, std::clamp(wanted, range->minimum, range->maximum),
                     nullptr);
    }
}

std::string decoder_for(const GstCaps* caps) {
    if (!caps || gst_caps_is_any(caps) || gst_caps_get_size(caps) == 0) return "";
    const std::string_view type = gst_structure_get_name(gst_caps_get_structure(caps, 0));
    for (const KnownDecoder& decoder : known_decoders()) {
        if (decoder.media_type == type &&
            std::all_of(decoder.elements.begin(), decoder.elements.end(), installed)) {
            return decoder.fragment;
        }
    }
    const std::string parser = best_of(GST_ELEMENT_FACTORY_TYPE_PARSER, caps);
    const std::string decoder =
        best_of(GST_ELEMENT_FACTORY_TYPE_DECODER | GST_ELEMENT_FACTORY_TYPE_MEDIA_VIDEO, caps);
    if (decoder.empty()) return "";
    return parser.empty() ? decoder : parser + " ! " + decoder;
}

}  // namespace livesr::gst
