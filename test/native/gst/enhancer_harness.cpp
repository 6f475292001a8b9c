// See enhancer_harness.h.
#include "enhancer_harness.h"

#include <chrono>
#include <fstream>
#include <random>
#include <stdexcept>
#include <thread>

#include "core/model/model_file.h"
#include "core/network/enhance.h"
#include "core/patch/residual.h"
#include "core/picture/crop.h"
#include "gst/register.h"

namespace livesr::test {

Network random_network(int scale, unsigned seed) {
    Network network = make_network({.scale = scale, .channels = 8, .layers = 3}, seed);
    std::mt19937 random(seed);
    for (float& parameter : network.parameters) {
        parameter += (static_cast<float>(random() % 2001) / 1000.0F - 1.0F) * 0.05F;
    }
    return network;
}

Plane apply(const Network* network, const Plane& low, int scale) {
    if (network == nullptr) return enlarge(low, scale);
    const PackedNetwork packed(*network);
    EnhanceScratch scratch;
    Plane high{low.width * scale, low.height * scale, 1, {}};
    high.pixels.resize(static_cast<std::size_t>(high.width) * high.height);
    livesr::enhance(packed, scratch, low.pixels.data(), low.width, low.width, low.height,
                    high.pixels.data(), high.width, 0, low.height);
    return high;
}

Folder::Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "livesr-test-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
}

Folder::~Folder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
}

std::string Folder::write(const std::string& name, const std::vector<std::uint8_t>& bytes) const {
    std::ofstream(path_ / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return (path_ / name).string();
}

std::string Folder::write_model(const std::string& name, const Network& network) const {
    return write(name, write_onnx(network));
}

bool eventually(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
}

EnhancerHarness::EnhancerHarness(const std::string& properties) {
    static const bool registered = livesr::gst::register_elements(nullptr);
    if (!registered) throw std::runtime_error("the elements were not registered");
    GError* error = nullptr;
    // A harness is live: without the limit a busy machine would decide which picture is shown.
    const bool says = properties.find("max-latency") != std::string::npos;
    element_ = gst_parse_launch(
        ("srenhancer " + std::string(says ? "" : "max-latency=10000 ") + properties).c_str(),
        &error);
    if (error != nullptr) {
        const std::string why = error->message;
        g_error_free(error);
        throw std::runtime_error(why);
    }
    gst_object_ref_sink(element_);
    bus_ = gst_bus_new();
    gst_element_set_bus(element_, bus_);
    video_ = gst_harness_new_with_element(element_, "sink", "src");
    g_object_get(element_, "scale", &scale_, nullptr);
    if (scale_ == 0) scale_ = 2;  // auto: what these frames are sent at
}

EnhancerHarness::~EnhancerHarness() {
    if (patches_ != nullptr) gst_harness_teardown(patches_);
    gst_harness_teardown(video_);
    gst_element_set_bus(element_, nullptr);
    gst_object_unref(bus_);
    gst_object_unref(element_);
}

GstHarness* EnhancerHarness::patches() {
    if (patches_ == nullptr) {
        patches_ = gst_harness_new_with_element(element_, "patches", nullptr);
        gst_harness_set_src_caps_str(patches_, "meta/x-klv, parsed=(boolean)true");
    }
    return patches_;
}

void EnhancerHarness::set_caps(GstVideoFormat format, int width, int height) {
    format_ = format;
    width_ = width;
    height_ = height;
    GstCaps* caps = gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING,
                                        gst_video_format_to_string(format), "width", G_TYPE_INT,
                                        width, "height", G_TYPE_INT, height, "framerate",
                                        GST_TYPE_FRACTION, 25, 1, nullptr);
    gst_harness_set_src_caps(video_, caps);
}

GstBuffer* EnhancerHarness::enhance(int number) {
    return enhance(video_buffer(format_, width_, height_, 3 * number,
                                static_cast<GstClockTime>(number) * frame_duration,
                                frame_duration));
}

GstBuffer* EnhancerHarness::enhance(GstBuffer* buffer) {
    if (gst_harness_push(video_, buffer) != GST_FLOW_OK) return nullptr;
    return gst_harness_try_pull(video_);
}

Plane EnhancerHarness::high_frame(int number) const {
    return texture(width_ * scale_, height_ * scale_, 3 * number);
}

Plane EnhancerHarness::low_frame(int number) const { return shrink(high_frame(number), scale_); }

GstBuffer* EnhancerHarness::enhance_low(int number) {
    return enhance(video_buffer(format_, low_frame(number),
                                static_cast<GstClockTime>(number) * frame_duration,
                                frame_duration));
}

std::pair<int, int> EnhancerHarness::output_size() {
    GstPad* pad = gst_element_get_static_pad(element_, "src");
    GstCaps* caps = gst_pad_get_current_caps(pad);
    gst_object_unref(pad);
    std::pair<int, int> size{0, 0};
    if (caps == nullptr) return size;
    const GstStructure* structure = gst_caps_get_structure(caps, 0);
    gst_structure_get_int(structure, "width", &size.first);
    gst_structure_get_int(structure, "height", &size.second);
    gst_caps_unref(caps);
    return size;
}

GstFlowReturn EnhancerHarness::push_patch_bytes(const std::vector<std::uint8_t>& bytes,
                                                int frame_number) {
    GstBuffer* buffer =
        bytes.empty() ? gst_buffer_new() : gst_buffer_new_memdup(bytes.data(), bytes.size());
    GST_BUFFER_PTS(buffer) = static_cast<GstClockTime>(frame_number) * frame_duration;
    return gst_harness_push(patches(), buffer);
}

std::vector<std::uint8_t> EnhancerHarness::patch_packet(int frame_number, std::uint32_t sequence,
                                                        PatchCodec codec) const {
    PacketHeader header;
    header.scale = scale_;
    header.sequence = sequence;
    header.running_time_ns = static_cast<std::uint64_t>(frame_number) * frame_duration;
    header.frame_width = static_cast<std::uint16_t>(width_ * scale_);
    header.frame_height = static_cast<std::uint16_t>(height_ * scale_);
    CodedPatch patch;
    patch.codec = codec;
    patch.x = static_cast<std::uint16_t>(8 * scale_);
    patch.y = static_cast<std::uint16_t>(4 * scale_);
    patch.width = static_cast<std::uint16_t>(24 * scale_);
    patch.height = static_cast<std::uint16_t>(20 * scale_);
    const Plane high = high_frame(frame_number);
    const auto* corner = high.pixels.data() + patch.y * high.width + patch.x;
    std::vector<std::uint8_t> payload;
    if (codec == PatchCodec::residual) {
        patch.quality = 26;
        const Plane low = low_frame(frame_number);
        const auto around = livesr::crop({low.pixels.data(), low.width, low.width, low.height}, 8,
                                         4, 24, 20, residual_margin);
        payload = encode_residual(corner, high.width, {around, patch.width, patch.height, scale_},
                                  patch.quality);
    } else {
        patch.quality = 95;
        payload = encode_jpeg_luma(corner, high.width, patch.width, patch.height, patch.quality);
    }
    patch.payload = payload;
    return write_packet(header, {&patch, 1});
}

std::vector<std::uint8_t> EnhancerHarness::announcement(int true_width, int true_height) {
    PacketHeader header;
    header.scale = scale_;
    // Not the stream of patch_packet(), whose sequence a test chooses.
    header.stream_id = 1;
    header.sequence = announcements_++;
    header.frame_width = static_cast<std::uint16_t>(true_width);
    header.frame_height = static_cast<std::uint16_t>(true_height);
    return write_packet(header, {});
}

std::uint64_t EnhancerHarness::count(const char* stat) {
    GstStructure* stats = nullptr;
    g_object_get(element_, "stats", &stats, nullptr);
    guint64 value = 0;
    const bool known = gst_structure_get_uint64(stats, stat, &value) != FALSE;
    gst_structure_free(stats);
    if (!known) throw std::runtime_error(std::string("no such count: ") + stat);
    return value;
}

double EnhancerHarness::scale() {
    GstStructure* stats = nullptr;
    g_object_get(element_, "stats", &stats, nullptr);
    double value = 0.0;
    const bool known = gst_structure_get_double(stats, "scale", &value) != FALSE;
    gst_structure_free(stats);
    if (!known) throw std::runtime_error("the stats have no scale");
    return value;
}

std::string EnhancerHarness::text(const char* property) {
    gchar* value = nullptr;
    g_object_get(element_, property, &value, nullptr);
    const std::string result = value != nullptr ? value : "";
    g_free(value);
    return result;
}

GstMessage* EnhancerHarness::message(GstMessageType types) {
    return gst_bus_pop_filtered(bus_, types);
}

}  // namespace livesr::test
