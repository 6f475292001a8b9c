// See picker_fixture.h.
#include "picker_fixture.h"

#include <doctest/doctest.h>
#include <gst/video/video.h>

#include <chrono>
#include <fstream>
#include <span>
#include <thread>

#include "gst/sender/patches.h"

namespace livesr::test {

using nlohmann::json;

namespace {

constexpr auto format = GST_VIDEO_FORMAT_I420;
constexpr int tries = 4000;  // of 5 ms, for what is expected to happen

std::string caps_text(int width, int height) {
    return "video/x-raw,format=I420,framerate=25/1,width=" + std::to_string(width) +
           ",height=" + std::to_string(height);
}

void pause() { std::this_thread::sleep_for(std::chrono::milliseconds(5)); }

}  // namespace

std::string picking_engine(const std::string& cells) {
    return R"js(
import fs from 'node:fs';
const log = process.argv[1].replace('engine.mjs', 'log');
function on(kind, head, blob) {
  const errors = [];
  for (let i = 0; i + 4 <= blob.length; i += 4) errors.push(blob.readUInt32LE(i));
  fs.appendFileSync(log, JSON.stringify({ kind, errors, ...head }) + '\n');
  if (head.type === 'sender.start') {
    send(1, { type: 'plan.set', videoBitrateBps: 300000, patchBitrateBps: 40000.4, estimatedUplinkBps: 340000 });
  }
  if (head.type === 'frame.offer') {
    const chosen = cells(head);
    if (chosen) send(1, { type: 'patch.select', offer: head.offer, cells: chosen });
  }
  if (kind === 2) send(3, { type: head.type, id: head.id });
}
function cells(head) { )js" +
           cells + " }\n";
}

std::vector<json> log_of(const TestEngine& engine, const std::string& type) {
    std::vector<json> lines;
    std::ifstream file(engine.folder() / "log");
    for (std::string line; std::getline(file, line);) {
        json entry = json::parse(line);
        if (entry["type"] == type) lines.push_back(std::move(entry));
    }
    return lines;
}

PickerFixture::PickerFixture(const std::string& properties, int width, int height, int scale)
    : scale_(scale) {
    GError* error = nullptr;
    element_ = gst_parse_launch(
        ("patchpicker scale=" + std::to_string(scale) + " " + properties).c_str(), &error);
    const std::string why = error ? error->message : "";
    REQUIRE_MESSAGE(!error, why);
    gst_object_ref_sink(element_);
    bus_ = gst_bus_new();
    gst_element_set_bus(element_, bus_);
    high_ = gst_harness_new_with_element(element_, "sink", "patches");
    low_ = gst_harness_new_with_element(element_, "lowres", nullptr);
    gst_harness_play(high_);
    set_size(width, height);
}

PickerFixture::~PickerFixture() {
    gst_harness_teardown(low_);
    gst_harness_teardown(high_);
    // Messages hold the element that posted them, and the element its bus.
    gst_element_set_bus(element_, nullptr);
    gst_object_unref(element_);
    gst_object_unref(bus_);
}

void PickerFixture::set_size(int width, int height) {
    width_ = width;
    height_ = height;
    gst_harness_set_src_caps_str(high_, caps_text(width, height).c_str());
    set_low_size(lowres_side(width, scale_), lowres_side(height, scale_));
}

void PickerFixture::set_low_size(int width, int height) {
    low_width_ = width;
    low_height_ = height;
    gst_harness_set_src_caps_str(low_, caps_text(width, height).c_str());
}

Plane PickerFixture::picture(int n) const { return texture(width_, height_, n); }
Plane PickerFixture::low_picture(int n) const { return texture(low_width_, low_height_, n); }

GstFlowReturn PickerFixture::push_high(int n) {
    const auto time = static_cast<GstClockTime>(n) * frame_time;
    return gst_harness_push(high_, video_buffer(format, picture(n), time, frame_time));
}

GstFlowReturn PickerFixture::push_low(int n, GstClockTime shift) {
    const auto time = static_cast<GstClockTime>(n) * frame_time + shift;
    return gst_harness_push(low_, video_buffer(format, low_picture(n), time, frame_time));
}

void PickerFixture::push(int first, int last) {
    for (int n = first; n <= last; ++n) {
        CHECK(push_high(n) == GST_FLOW_OK);
        CHECK(push_low(n) == GST_FLOW_OK);
    }
}

PickerFixture::Received PickerFixture::pull() {
    GstBuffer* buffer = gst_harness_pull(high_);
    REQUIRE(buffer);
    GstMapInfo map;
    gst_buffer_map(buffer, &map, GST_MAP_READ);
    std::span<const std::uint8_t> bytes(map.data, map.size);
    PatchPacket packet;
    const PacketError error = read_packet(bytes, packet);
    Received received{packet.header, packet.patches, {}, GST_BUFFER_PTS(buffer), map.size};
    for (CodedPatch& patch : received.patches) {
        received.payloads.emplace_back(patch.payload.begin(), patch.payload.end());
        patch.payload = received.payloads.back();  // a vector that moves keeps its memory
    }
    gst_buffer_unmap(buffer, &map);
    gst_buffer_unref(buffer);
    CHECK(name(error) == "none");
    CHECK(bytes.empty());
    return received;
}

// Null when none comes.
GstEvent* PickerFixture::next_event() {
    for (int n = 0; n < tries; ++n) {
        if (GstEvent* event = gst_harness_try_pull_event(high_)) return event;
        pause();
    }
    return nullptr;
}

bool PickerFixture::reaches(GstClockTime time) {
    while (GstEvent* event = next_event()) {
        const bool gap = GST_EVENT_TYPE(event) == GST_EVENT_GAP;
        if (gap) gst_event_parse_gap(event, &last_gap_, nullptr);
        gst_event_unref(event);
        if (gap && last_gap_ >= time) return true;
    }
    return false;
}

bool PickerFixture::ends() {
    while (GstEvent* event = next_event()) {
        const bool end = GST_EVENT_TYPE(event) == GST_EVENT_EOS;
        gst_event_unref(event);
        if (end) return true;
    }
    return false;
}

guint64 PickerFixture::stat(const char* name) const {
    GstStructure* stats = nullptr;
    g_object_get(element_, "stats", &stats, nullptr);
    guint64 value = 0;
    REQUIRE(gst_structure_get_uint64(stats, name, &value));
    gst_structure_free(stats);
    return value;
}

double PickerFixture::real_stat(const char* name) const {
    GstStructure* stats = nullptr;
    g_object_get(element_, "stats", &stats, nullptr);
    double value = 0;
    REQUIRE(gst_structure_get_double(stats, name, &value));
    gst_structure_free(stats);
    return value;
}

bool PickerFixture::wait_for_stat(const char* name, guint64 least) const {
    for (int n = 0; n < tries; ++n) {
        if (stat(name) >= least) return true;
        pause();
    }
    return false;
}

std::string PickerFixture::warning() const {
    GstMessage* message = gst_bus_timed_pop_filtered(bus_, 20 * GST_SECOND, GST_MESSAGE_WARNING);
    if (!message) return "";
    GError* error = nullptr;
    gst_message_parse_warning(message, &error, nullptr);
    std::string text = error->message;
    g_error_free(error);
    gst_message_unref(message);
    return text;
}

}  // namespace livesr::test
