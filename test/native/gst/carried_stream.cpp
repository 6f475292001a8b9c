// See carried_stream.h.
#include "carried_stream.h"

#include <gst/check/gstharness.h>

#include <algorithm>
#include <sstream>
#include <stdexcept>

#include "core/patch/packet.h"
#include "core/patch/residual.h"
#include "core/picture/crop.h"
#include "enhancer_harness.h"
#include "gst/stream_format.h"

namespace livesr::test {
namespace {

// Of the patch that each packet has.
constexpr int patch_x = 40, patch_y = 32, patch_width = 64, patch_height = 48;
// Far enough from the beginning for what B frames need.
constexpr std::uint32_t first_counted = 0xFFFF'FFF0U;

Plane high_frame(int number) {
    return texture(CarriedStream::high_width, CarriedStream::high_height, 3 * number);
}

bool is_installed(const std::string& launch) {
    std::istringstream words(launch);
    for (std::string word; words >> word;) {
        if (word == "!" || word.find_first_of("=/,") != std::string::npos) continue;
        GstElementFactory* factory = gst_element_factory_find(word.c_str());
        if (factory == nullptr) return false;
        gst_object_unref(factory);
    }
    return true;
}

PacketHeader header_of(int number, std::uint32_t sequence) {
    PacketHeader header;
    header.scale = CarriedStream::scale;
    header.stream_id = 77;
    header.sequence = sequence;
    header.running_time_ns = 5'000'000'000 + static_cast<std::uint64_t>(number) * frame_duration;
    header.frame_width = CarriedStream::high_width;
    header.frame_height = CarriedStream::high_height;
    return header;
}

CodedPatch patch_at(PatchCodec codec, std::uint8_t quality) {
    CodedPatch patch;
    patch.codec = codec;
    patch.quality = quality;
    patch.x = patch_x;
    patch.y = patch_y;
    patch.width = patch_width;
    patch.height = patch_height;
    return patch;
}

}  // namespace

std::optional<CarriedStream> CarriedStream::encode(const std::string& encoder, int frames) {
    if (!is_installed(encoder)) return std::nullopt;
    GstHarness* harness = gst_harness_new_parse(encoder.c_str());
    gst_harness_set_src_caps_str(harness,
                                 "video/x-raw, format=I420, width=96, height=64, framerate=25/1");
    for (int number = 0; number < frames; ++number) {
        gst_harness_push(
            harness,
            video_buffer(GST_VIDEO_FORMAT_I420, shrink(high_frame(number), scale),
                         static_cast<GstClockTime>(number) * frame_duration, frame_duration));
    }
    gst_harness_push_event(harness, gst_event_new_eos());
    CarriedStream stream;
    std::vector<GstClockTime> times;
    while (GstBuffer* buffer = gst_harness_try_pull(harness)) {
        Picture picture;
        picture.bytes.resize(gst_buffer_get_size(buffer));
        gst_buffer_extract(buffer, 0, picture.bytes.data(), picture.bytes.size());
        stream.pictures_.push_back(std::move(picture));
        times.push_back(GST_BUFFER_PTS(buffer));
        gst_buffer_unref(buffer);
    }
    GstPad* pad = gst_pad_get_peer(harness->sinkpad);
    stream.caps_ = gst_pad_get_current_caps(pad);
    gst_object_unref(pad);
    gst_harness_teardown(harness);
    if (times.size() != static_cast<std::size_t>(frames)) {
        throw std::runtime_error("the encoder made " + std::to_string(times.size()) + " pictures");
    }
    // Encoders begin at times of their own.
    const GstClockTime first = std::ranges::min(times);
    for (std::size_t i = 0; i < times.size(); ++i) {
        stream.pictures_[i].number =
            static_cast<int>((times[i] - first + frame_duration / 2) / frame_duration);
    }
    return stream;
}

CarriedStream::CarriedStream(CarriedStream&& other) noexcept
    : caps_(std::exchange(other.caps_, nullptr)), pictures_(std::move(other.pictures_)) {}

CarriedStream::~CarriedStream() {
    if (caps_ != nullptr) gst_caps_unref(caps_);
}

GstBuffer* CarriedStream::buffer(const Picture& picture) const {
    GstBuffer* buffer = gst_buffer_new_memdup(picture.bytes.data(), picture.bytes.size());
    GST_BUFFER_PTS(buffer) = static_cast<GstClockTime>(picture.number) * frame_duration;
    GST_BUFFER_DURATION(buffer) = frame_duration;
    return buffer;
}

std::map<int, Plane> CarriedStream::decode(const std::string& decoder) const {
    GstHarness* harness = gst_harness_new_parse(decoder.c_str());
    gst_harness_set_src_caps(harness, gst_caps_ref(caps_));
    for (const Picture& picture : pictures_) gst_harness_push(harness, buffer(picture));
    gst_harness_push_event(harness, gst_event_new_eos());
    std::map<int, Plane> decoded;
    while (GstBuffer* buffer = gst_harness_try_pull(harness)) {
        const int number =
            static_cast<int>((GST_BUFFER_PTS(buffer) + frame_duration / 2) / frame_duration);
        decoded[number] =
            planes(buffer, GST_VIDEO_FORMAT_I420, high_width / scale, high_height / scale)[0];
        gst_buffer_unref(buffer);
    }
    gst_harness_teardown(harness);
    return decoded;
}

std::vector<std::uint8_t> CarriedStream::residual_packet(const Plane& decoded, int number,
                                                         std::uint32_t sequence) {
    const Plane high = high_frame(number);
    const auto around = livesr::crop(
        {decoded.pixels.data(), decoded.width, decoded.width, decoded.height}, patch_x / scale,
        patch_y / scale, patch_width / scale, patch_height / scale, residual_margin);
    CodedPatch patch = patch_at(PatchCodec::residual, 26);
    const auto payload =
        encode_residual(high.pixels.data() + patch_y * high.width + patch_x, high.width,
                        {around, patch_width, patch_height, scale}, patch.quality);
    patch.payload = payload;
    return write_packet(header_of(number, sequence), {&patch, 1});
}

std::vector<std::uint8_t> CarriedStream::jpeg_packet(int number, std::uint32_t sequence) {
    const Plane high = high_frame(number);
    CodedPatch patch = patch_at(PatchCodec::jpeg_luma, 90);
    const auto payload = encode_jpeg_luma(high.pixels.data() + patch_y * high.width + patch_x,
                                          high.width, patch_width, patch_height, patch.quality);
    patch.payload = payload;
    return write_packet(header_of(number, sequence), {&patch, 1});
}

std::vector<std::uint8_t> CarriedStream::announcement(std::uint32_t sequence) {
    return write_packet(header_of(0, sequence), {});
}

void CarriedStream::carry(const std::vector<std::uint8_t>& packet, int number, std::size_t at,
                          std::uint16_t message, std::size_t parts) {
    const auto format = livesr::gst::stream_format_of(caps_);
    if (!format) throw std::runtime_error("caps without a format");
    const std::size_t size = (packet.size() + parts - 1) / parts;
    for (std::size_t i = 0; i < parts; ++i) {
        Picture& picture = pictures_.at(at + i);
        CarriedPart part;
        part.picture = first_counted + static_cast<std::uint32_t>(picture.number);
        part.back = static_cast<std::int16_t>(picture.number - number);
        part.message = message;
        part.part = static_cast<std::uint8_t>(i);
        part.parts = static_cast<std::uint8_t>(parts);
        part.bytes = std::span(packet).subspan(i * size, std::min(size, packet.size() - i * size));
        const auto place = user_data_place(*format, picture.bytes);
        if (!place) throw std::runtime_error("a picture without a place for user data");
        const auto data =
            write_user_data(*format, carriage_uuid, write_part(part), place->temporal_id);
        picture.bytes.insert(picture.bytes.begin() + static_cast<std::ptrdiff_t>(place->offset),
                             data.begin(), data.end());
    }
}

}  // namespace livesr::test
