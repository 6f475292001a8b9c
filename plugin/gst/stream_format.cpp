// See stream_format.h.
#include "gst/stream_format.h"

#include <cstring>

namespace livesr::gst {
namespace {

// Where the decoder's configuration says how long the lengths of NAL units are.
constexpr gsize h264_length_at = 4;
constexpr gsize h265_length_at = 21;

const GstStructure* first_of(const GstCaps* caps) {
    if (!caps || gst_caps_is_any(caps) || gst_caps_is_empty(caps)) return nullptr;
    return gst_caps_get_structure(caps, 0);
}

std::optional<Codec> codec_of(const GstStructure* caps) {
    if (!caps) return std::nullopt;
    if (gst_structure_has_name(caps, "video/x-h264")) return Codec::h264;
    if (gst_structure_has_name(caps, "video/x-h265")) return Codec::h265;
    if (gst_structure_has_name(caps, "video/x-av1")) return Codec::av1;
    return std::nullopt;
}

std::optional<int> length_bytes_of(const GstStructure* caps, gsize at) {
    const GValue* value = gst_structure_get_value(caps, "codec_data");
    GstBuffer* data = value ? gst_value_get_buffer(value) : nullptr;
    std::uint8_t byte = 0;
    if (!data || gst_buffer_extract(data, at, &byte, 1) != 1) return std::nullopt;
    return (byte & 3) + 1;
}

}  // namespace

std::optional<StreamFormat> stream_format_of(const GstCaps* caps) {
    const GstStructure* first = first_of(caps);
    const auto codec = codec_of(first);
    if (!codec) return std::nullopt;
    const gchar* text = gst_structure_get_string(first, "stream-format");
    const auto is_written = [text](const char* name) { return text && !std::strcmp(text, name); };
    if (*codec == Codec::av1) {
        if (is_written("annexb")) return std::nullopt;
        return StreamFormat{*codec, 0};
    }
    // A stream of which caps say nothing has start codes.
    const bool has_codes =
        is_written("byte-stream") || (!text && !gst_structure_has_field(first, "codec_data"));
    if (has_codes) return StreamFormat{*codec, 0};
    const auto length_bytes =
        length_bytes_of(first, *codec == Codec::h264 ? h264_length_at : h265_length_at);
    if (!length_bytes) return std::nullopt;
    return StreamFormat{*codec, *length_bytes};
}

bool has_user_data(const GstCaps* caps) { return codec_of(first_of(caps)).has_value(); }

}  // namespace livesr::gst
