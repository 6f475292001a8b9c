// srenhancer's texture memory: what the engine is told of it, and what it makes of streams that
// change or lie.
#include "engine_fixture.h"

using livesr::PatchCodec;
using namespace livesr::test;

namespace {

// Two cells of patches wide, one high.
constexpr int low_width = 128;
constexpr int low_height = 64;

// Answers ticks, and notes what they say of the memory.
const std::string notes_memory = common + R"js(
function on(kind, head, blob) {
  if (head.type === 'enhancer.start') { begin(head, blob); swap(1, 'generic', generic); return; }
  if (head.type !== 'time.tick') return;
  note({ mediaTimeNs: head.mediaTimeNs, memory: head.memory ?? null, cover: [...blob] });
  send(3, { type: head.type, id: head.id });
}
)js";

// A network deep enough to give the margin that matching needs.
struct DeepModel {
    Folder folder;
    Environment environment{"LIVESR_MODELS", folder.path().string()};
    DeepModel() {
        folder.write_model("generic-x2.onnx",
                           livesr::make_network({.scale = 2, .channels = 8, .layers = 4}, 21));
    }
};

// Frames from..to-1, the same picture each, with a patch at the first of them.
void play(EnhancerHarness& harness, int from, int to, const std::vector<std::uint8_t>& packet) {
    for (int number = from; number < to; ++number) {
        if (number == from) {
            REQUIRE(harness.push_patch_bytes(packet, number) == GST_FLOW_OK);
        } else {
            push_gap(harness, number);
        }
        GstBuffer* in =
            video_buffer(GST_VIDEO_FORMAT_I420, harness.low_frame(0),
                         static_cast<GstClockTime>(number) * frame_duration, frame_duration);
        GstBuffer* out = harness.enhance(in);
        REQUIRE(out != nullptr);
        gst_buffer_unref(out);
    }
}

}  // namespace

TEST_CASE("each tick tells what memory knows of the frame before it, by the sender's clock") {
    const DeepModel model;
    const TestEngine engine(notes_memory);
    EnhancerHarness harness("scale=2 lockstep=true");
    harness.set_caps(GST_VIDEO_FORMAT_I420, low_width, low_height);
    play(harness, 0, 20, harness.patch_packet(0, 0));
    // Its header says 0: the sender's clock is 800 ms behind.
    play(harness, 20, 31, harness.patch_packet(0, 1));
    CHECK(harness.count("memory-patches") == 1);
    const auto told = notes(engine);
    REQUIRE(told.size() == 7);
    CHECK(told[0]["memory"].is_null());
    CHECK(told[0]["cover"].empty());
    const auto& early = told[3];
    CHECK(early["memory"] == json{{"senderTimeNs", 600'000'000},
                                  {"cell", 120},
                                  {"columns", 2},
                                  {"rows", 1},
                                  {"benefit", nullptr}});  // one patch is no test
    // The patch lies in the first cell, and covers a part of it.
    REQUIRE(early["cover"].size() == 2);
    CHECK(early["cover"][0] > 25);
    CHECK(early["cover"][0] < 230);
    CHECK(told[6]["mediaTimeNs"] == 1'200'000'000);
    CHECK(told[6]["memory"]["senderTimeNs"] == 400'000'000);
}

TEST_CASE("without texture memory ticks say nothing of one") {
    const DeepModel model;
    const TestEngine engine(notes_memory);
    EnhancerHarness harness("scale=2 lockstep=true texture-memory=false");
    harness.set_caps(GST_VIDEO_FORMAT_I420, low_width, low_height);
    play(harness, 0, 16, harness.patch_packet(0, 0));
    for (const json& tick : notes(engine)) CHECK(tick["memory"].is_null());
}

TEST_CASE("a patch whose checksum no picture has is not remembered") {
    const DeepModel model;
    const TestEngine engine(notes_memory);
    EnhancerHarness harness("scale=2 lockstep=true");
    harness.set_caps(GST_VIDEO_FORMAT_I420, low_width, low_height);
    // Made on frame 9's picture, said to be of frame 0's.
    play(harness, 0, 16, harness.patch_packet(9, 0, PatchCodec::residual));
    CHECK(harness.count("patches-received") == 1);
    CHECK(harness.count("memory-patches") == 0);
    for (const json& tick : notes(engine)) CHECK(tick["memory"].is_null());
}

TEST_CASE(
    "a size that changes in mid-stream begins with an empty memory, and so does the way back") {
    const DeepModel model;
    const TestEngine engine(notes_memory);
    EnhancerHarness harness("scale=2 lockstep=true");
    harness.set_caps(GST_VIDEO_FORMAT_I420, low_width, low_height);
    play(harness, 0, 10, harness.patch_packet(0, 0));
    CHECK(harness.count("memory-patches") == 1);
    harness.set_caps(GST_VIDEO_FORMAT_I420, 160, 120);
    play(harness, 10, 20, harness.announcement(320, 240));
    CHECK(harness.count("memory-patches") == 0);
    play(harness, 20, 30, harness.patch_packet(0, 2));
    harness.set_caps(GST_VIDEO_FORMAT_I420, low_width, low_height);
    play(harness, 30, 40, harness.announcement(2 * low_width, 2 * low_height));
    CHECK(harness.count("memory-patches") == 0);
    CHECK(notes(engine).back()["memory"].is_null());
}
