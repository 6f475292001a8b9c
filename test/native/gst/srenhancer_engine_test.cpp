// srenhancer with real engines, small ones written here: weights that come, engines that die, hang,
// talk nonsense or are not there.
#include <doctest/doctest.h>
#include <signal.h>

#include <atomic>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "enhancer_harness.h"
#include "test_engine.h"

using livesr::Network;
using livesr::test::apply;
using livesr::test::EnhancerHarness;
using livesr::test::Environment;
using livesr::test::eventually;
using livesr::test::Folder;
using livesr::test::frame_duration;
using livesr::test::Plane;
using livesr::test::planes;
using livesr::test::random_network;
using livesr::test::TestEngine;
using livesr::test::video_buffer;
using nlohmann::json;

namespace {

constexpr int width = 64;
constexpr int height = 48;

// For every test engine: what it was told at the start, weights to show, a line in a file.
const std::string common = R"js(
import fs from 'node:fs';
import path from 'node:path';
let generic;
let live;
function note(line) {
  fs.appendFileSync(path.join(path.dirname(process.argv[1]), 'notes.jsonl'), JSON.stringify(line) + '\n');
}
function begin(head, blob) {
  const copy = new Uint8Array(blob).buffer;
  generic = new Float32Array(copy, 0, head.genericParameters);
  live = new Float32Array(copy, 4 * head.genericParameters, head.liveParameters);
}
function swap(version, source, parameters, gainDb = null) {
  const blob = parameters ? Buffer.from(parameters.buffer, parameters.byteOffset, parameters.byteLength) : undefined;
  send(1, { type: 'model.swap', version, source, gainDb }, blob);
}
const halved = () => generic.map((value) => value * 0.5);
function report(fields) {
  send(1, { type: 'training.report', epoch: 1, mediaTimeNs: 0, state: 'training', steps: 0, loss: 0.25, pairs: 0,
    held: 0, gainDb: null, genericGainDb: null, candidateGainDb: null, swaps: 0, refused: 0, ...fields });
}
)js";

std::vector<json> notes(const TestEngine& engine) {
    std::ifstream file(engine.folder() / "notes.jsonl");
    std::vector<json> result;
    for (std::string line; std::getline(file, line);) result.push_back(json::parse(line));
    return result;
}

Network halved(Network network) {
    for (float& parameter : network.parameters) parameter *= 0.5F;
    return network;
}

// A model folder with a generic network that is not bicubic.
struct Models {
    Folder folder;
    Environment environment{"LIVESR_MODELS", folder.path().string()};
    Network generic = random_network(2, 21);

    Models() { folder.write_model("generic-x2.onnx", generic); }
};

GstBuffer* frame(int number) {
    return video_buffer(GST_VIDEO_FORMAT_I420, width, height, number,
                        static_cast<GstClockTime>(number) * frame_duration, frame_duration);
}

// Whether the luma that comes out for a frame is what this network makes of it.
bool shows(EnhancerHarness& harness, int number, const Network* network) {
    GstBuffer* in = frame(number);
    const Plane low = planes(in, GST_VIDEO_FORMAT_I420, width, height)[0];
    GstBuffer* out = harness.enhance(in);
    REQUIRE(out != nullptr);
    const Plane high = planes(out, GST_VIDEO_FORMAT_I420, 2 * width, 2 * height)[0];
    gst_buffer_unref(out);
    return high == apply(network, low, 2);
}

int count_messages(EnhancerHarness& harness, GstMessageType types) {
    int count = 0;
    while (GstMessage* message = harness.message(types)) {
        ++count;
        gst_message_unref(message);
    }
    return count;
}

void push_gap(EnhancerHarness& harness, int number) {
    gst_harness_push_event(
        harness.patches(),
        gst_event_new_gap(static_cast<GstClockTime>(number) * frame_duration, GST_CLOCK_TIME_NONE));
}

}  // namespace

TEST_CASE("without node bicubic video passes for ever, with the reason and one warning") {
    const Models models;
    const Environment no_node("LIVESR_NODE", "/no/such/node");
    EnhancerHarness harness("scale=2");
    harness.set_caps(GST_VIDEO_FORMAT_I420, width, height);
    for (int number = 0; number < 10; ++number) CHECK(shows(harness, number, nullptr));
    CHECK(eventually([&] { return harness.text("training-state").starts_with("stopped: "); }));
    CHECK(harness.text("training-state").find("LIVESR_NODE") != std::string::npos);
    CHECK(harness.text("model-in-use") == "bicubic");
    for (int number = 10; number < 20; ++number) CHECK(shows(harness, number, nullptr));
    CHECK(count_messages(harness, GST_MESSAGE_WARNING) == 1);
    CHECK(count_messages(harness, GST_MESSAGE_ERROR) == 0);
}

TEST_CASE("with engine=off the picture is bicubic and the state says so") {
    const Models models;
    EnhancerHarness harness("scale=2 engine=off");
    harness.set_caps(GST_VIDEO_FORMAT_I420, width, height);
    CHECK(shows(harness, 0, nullptr));
    CHECK(harness.text("training-state") == "stopped: engine=off");
    CHECK(count_messages(harness, GST_MESSAGE_WARNING) == 1);
}

TEST_CASE("in lockstep new weights make the very frame at whose tick they came") {
    const Models models;
    const TestEngine engine(common + R"js(
function on(kind, head, blob) {
  if (head.type === 'enhancer.start') { note(head); begin(head, blob); swap(1, 'generic', generic); return; }
  if (head.type !== 'time.tick') return;
  note(head);
  if (head.mediaTimeNs === 400e6) swap(2, 'online', halved(), 0.75);
  if (head.mediaTimeNs === 800e6) swap(3, 'bicubic');
  send(3, { type: head.type, id: head.id });
}
)js");
    EnhancerHarness harness(
        "scale=2 lockstep=true training-steps-per-second=12.5 seed=99 stream-key=abc");
    harness.set_caps(GST_VIDEO_FORMAT_I420, width, height);
    const Network online = halved(models.generic);
    for (int number = 0; number < 30; ++number) {
        CAPTURE(number);
        CHECK(shows(harness, number,
                    number < 10   ? &models.generic
                    : number < 20 ? &online
                                  : nullptr));
        CHECK(harness.text("model-in-use") == (number < 10   ? "generic"
                                               : number < 20 ? "online"
                                                             : "bicubic"));
        CHECK(harness.count("model-version") == (number < 10 ? 1U : number < 20 ? 2U : 3U));
        if (number == 15) {
            double gain = 0.0;
            g_object_get(harness.element(), "gain-db", &gain, nullptr);
            CHECK(gain == doctest::Approx(0.75));
        }
    }
    const auto told = notes(engine);
    REQUIRE(told.size() == 7);
    const json& start = told[0];
    CHECK(start["streamKey"] == "abc");
    CHECK(start["scale"] == 2);
    CHECK(start["channels"] == 8);
    CHECK(start["layers"] == 3);
    CHECK(start["width"] == width);
    CHECK(start["height"] == height);
    CHECK(start["training"] == "adaptive");
    CHECK(start["modelStore"] == "");
    CHECK(start["trainingThreads"] == 1);
    CHECK(start["lockstep"] == true);
    CHECK(start["stepsPerSecond"] == 12.5);
    CHECK(start["seed"] == 99);
    CHECK(start["genericParameters"] == models.generic.parameters.size());
    CHECK(start["liveParameters"] == 0);
    CHECK(start["liveSource"] == "generic");
    for (std::size_t i = 1; i < told.size(); ++i)
        CHECK(told[i]["mediaTimeNs"] == (i - 1) * 200'000'000);
}

TEST_CASE("live, weights are adopted when they come and nothing waits for them") {
    const Models models;
    const TestEngine engine(common + R"js(
function on(kind, head, blob) {
  if (head.type === 'enhancer.start') { begin(head, blob); swap(1, 'generic', generic); }
}
)js");
    EnhancerHarness harness("scale=2");
    harness.set_caps(GST_VIDEO_FORMAT_I420, width, height);
    int number = 0;
    CHECK(eventually([&] { return shows(harness, number++, &models.generic); }));
    CHECK(shows(harness, number++, &models.generic));
    CHECK(harness.text("model-in-use") == "generic");
    CHECK(harness.text("training-state") == "waiting");
}

TEST_CASE(
    "an engine that is killed leaves its weights in the picture and its successor gets them") {
    const Models models;
    const TestEngine engine(common + R"js(
function on(kind, head, blob) {
  if (head.type !== 'enhancer.start') return;
  begin(head, blob);
  note({ pid: process.pid, source: head.liveSource, live: [...live] });
  if (head.liveParameters === 0) { swap(1, 'generic', generic); swap(2, 'online', halved()); }
}
)js");
    EnhancerHarness harness("scale=2");
    harness.set_caps(GST_VIDEO_FORMAT_I420, width, height);
    const Network online = halved(models.generic);
    int number = 0;
    REQUIRE(eventually([&] { return shows(harness, number++, &online); }));
    for (unsigned death = 1; death <= 2; ++death) {
        const auto before = notes(engine);
        REQUIRE(before.size() == death);
        REQUIRE(kill(before.back()["pid"].get<pid_t>(), SIGKILL) == 0);
        REQUIRE(eventually([&] {
            CHECK(shows(harness, number++, &online));
            return harness.count("engine-restarts") == death && notes(engine).size() == death + 1;
        }));
    }
    const auto told = notes(engine);
    CHECK(told[0]["source"] == "generic");
    CHECK(told[0]["live"].empty());
    for (std::size_t i = 1; i < told.size(); ++i) {
        CHECK(told[i]["source"] == "online");
        CHECK(told[i]["live"].get<std::vector<float>>() == online.parameters);
    }
    CHECK(count_messages(harness, GST_MESSAGE_WARNING) == 1);
    CHECK(count_messages(harness, GST_MESSAGE_ERROR) == 0);
}

TEST_CASE("a fall back to bicubic is told to the engine's successor") {
    const Models models;
    const TestEngine engine(common + R"js(
function on(kind, head, blob) {
  if (head.type !== 'enhancer.start') return;
  begin(head, blob);
  note({ pid: process.pid, source: head.liveSource, live: head.liveParameters });
  swap(1, 'generic', generic);
  swap(2, 'bicubic');
}
)js");
    EnhancerHarness harness("scale=2");
    harness.set_caps(GST_VIDEO_FORMAT_I420, width, height);
    int number = 0;
    REQUIRE(eventually([&] {
        CHECK((shows(harness, number++, nullptr) || harness.count("model-version") < 2));
        return harness.count("model-version") == 2;
    }));
    REQUIRE(kill(notes(engine).back()["pid"].get<pid_t>(), SIGKILL) == 0);
    REQUIRE(eventually([&] {
        gst_buffer_unref(harness.enhance(number++));
        return notes(engine).size() == 2;
    }));
    CHECK(notes(engine)[0]["source"] == "generic");
    CHECK(notes(engine)[1]["source"] == "bicubic");
    CHECK(notes(engine)[1]["live"] == 0);
}

TEST_CASE("patches become pairs that the engine gets, and its reports become messages") {
    const Models models;
    const TestEngine engine(common + R"js(
function on(kind, head, blob) {
  if (head.type === 'enhancer.start') { begin(head, blob); swap(1, 'generic', generic); return; }
  if (head.type === 'patch.pair') note({ ...head, pixels: [...blob] });
  if (head.type === 'time.tick') {
    if (head.mediaTimeNs === 400e6) report({ steps: 17, loss: 0, gainDb: 2, swaps: 3 });
    send(3, { type: head.type, id: head.id });
  }
}
)js");
    EnhancerHarness harness("scale=2 lockstep=true");
    harness.set_caps(GST_VIDEO_FORMAT_I420, width, height);
    // The tick of frame 15 is answered after all pairs were read.
    for (int number = 0; number < 16; ++number) {
        if (number % 3 == 0 && number < 12) {
            // Both codecs in turn.
            const auto packet = harness.patch_packet(
                number, static_cast<std::uint32_t>(number),
                number % 2 == 0 ? livesr::PatchCodec::jpeg_luma : livesr::PatchCodec::residual);
            CHECK(harness.push_patch_bytes(packet, number) == GST_FLOW_OK);
        } else {
            push_gap(harness, number);
        }
        gst_buffer_unref(harness.enhance_low(number));
    }
    CHECK(harness.count("patches-received") == 4);
    CHECK(harness.count("patches-aligned") == 4);
    CHECK(harness.count("pairs-sent") == 4);
    const auto pairs = notes(engine);
    REQUIRE(pairs.size() == 4);
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        CAPTURE(i);
        const json& pair = pairs[i];
        const int number = static_cast<int>(3 * i);
        CHECK(pair["sequence"] == number);
        CHECK(pair["mediaTimeNs"] == static_cast<std::uint64_t>(number) * frame_duration);
        CHECK(pair["x"] == 16);
        CHECK(pair["y"] == 8);
        CHECK(pair["width"] == 48);
        CHECK(pair["height"] == 40);
        // Margin 3: the network has three layers.
        const Plane low =
            livesr::test::crop(harness.low_frame(number), 8 - 3, 4 - 3, 24 + 6, 20 + 6);
        const auto pixels = pair["pixels"].get<std::vector<std::uint8_t>>();
        REQUIRE(pixels.size() == low.pixels.size() + 48 * 40);
        CHECK(std::equal(low.pixels.begin(), low.pixels.end(), pixels.begin()));
        const Plane high = livesr::test::crop(harness.high_frame(number), 16, 8, 48, 40);
        double squares = 0.0;
        for (std::size_t p = 0; p < high.pixels.size(); ++p) {
            const double difference =
                high.pixels[p] - static_cast<double>(pixels[low.pixels.size() + p]);
            squares += difference * difference;
        }
        // JPEG at quality 95, and a residual at its default step.
        CHECK(squares / static_cast<double>(high.pixels.size()) < (number % 2 == 0 ? 10.0 : 80.0));
    }

    GstMessage* message = harness.message(GST_MESSAGE_ELEMENT);
    REQUIRE(message != nullptr);
    const GstStructure* fields = gst_message_get_structure(message);
    CHECK(gst_structure_has_name(fields, "livesr-epoch"));
    gint64 steps = 0;
    double gain = 0.0;
    double loss = 1.0;
    CHECK(gst_structure_get_int64(fields, "steps", &steps));
    CHECK(gst_structure_get_double(fields, "gain-db", &gain));
    CHECK(gst_structure_get_double(fields, "loss", &loss));
    CHECK(steps == 17);
    CHECK(gain == 2.0);
    CHECK(loss == 0.0);
    CHECK_FALSE(gst_structure_has_field(fields, "generic-gain-db"));
    CHECK(std::string(gst_structure_get_string(fields, "state")) == "training");
    gst_message_unref(message);
    CHECK(harness.text("training-state") == "training");
}

TEST_CASE("patches of before a flush do not meet frames of after it") {
    const Models models;
    const TestEngine engine(common + R"js(
function on(kind, head, blob) {
  if (head.type === 'enhancer.start') { begin(head, blob); swap(1, 'generic', generic); }
}
)js");
    EnhancerHarness harness("scale=2");
    harness.set_caps(GST_VIDEO_FORMAT_I420, width, height);
    for (int number = 0; number < 5; ++number) gst_buffer_unref(harness.enhance_low(number));
    gst_harness_push_event(harness.video(), gst_event_new_flush_start());
    gst_harness_push_event(harness.video(), gst_event_new_flush_stop(TRUE));
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_harness_push_event(harness.video(), gst_event_new_segment(&segment));
    harness.push_patch_bytes(harness.patch_packet(2, 0), 2);
    for (int number = 50; number < 55; ++number) gst_buffer_unref(harness.enhance_low(number));
    CHECK(harness.count("patches-aligned") == 0);
    CHECK(harness.count("patches-dropped-no-frame") == 1);
}

TEST_CASE("lockstep waits for the patches pad: for its time, its end or its unlinking") {
    const Models models;
    const TestEngine engine(common + R"js(
function on(kind, head, blob) {
  if (head.type === 'enhancer.start') { begin(head, blob); swap(1, 'generic', generic); }
  if (head.type === 'time.tick') send(3, { type: head.type, id: head.id });
}
)js");
    EnhancerHarness harness("scale=2 lockstep=true");
    harness.set_caps(GST_VIDEO_FORMAT_I420, width, height);
    gst_harness_push_event(harness.patches(), gst_event_new_stream_start("patches"));
    std::atomic<bool> out = false;
    const auto push = [&](int number) {
        out = false;
        return std::thread([&, number] {
            if (GstBuffer* buffer = harness.enhance(frame(number))) gst_buffer_unref(buffer);
            out = true;
        });
    };
    SUBCASE("a gap that reaches the frame lets it pass") {
        std::thread video = push(2);
        push_gap(harness, 1);
        std::this_thread::sleep_for(std::chrono::milliseconds(60));
        CHECK_FALSE(out);
        push_gap(harness, 2);
        video.join();
        CHECK(harness.count("frames") == 1);
    }
    SUBCASE("the end of the patches lets all frames pass") {
        std::thread video = push(1);
        gst_harness_push_event(harness.patches(), gst_event_new_eos());
        video.join();
        push(2).join();
        CHECK(harness.count("frames") == 2);
    }
    SUBCASE("an unlinked pad holds nothing up") {
        std::thread video = push(1);
        GstPad* pad = gst_element_get_static_pad(harness.element(), "patches");
        gst_pad_unlink(harness.patches()->srcpad, pad);
        video.join();
        CHECK(harness.count("frames") == 1);
        gst_pad_link(harness.patches()->srcpad, pad);
        gst_object_unref(pad);
    }
    SUBCASE("a flush ends the wait") {
        std::thread video = push(1);
        gst_harness_push_event(harness.video(), gst_event_new_flush_start());
        video.join();
        gst_harness_push_event(harness.video(), gst_event_new_flush_stop(TRUE));
    }
    SUBCASE("so does the way down") {
        std::thread video = push(1);
        gst_element_set_state(harness.element(), GST_STATE_NULL);
        video.join();
        CHECK(harness.message(GST_MESSAGE_ERROR) == nullptr);
    }
}

TEST_CASE("lockstep waits for the size even when nothing is trained") {
    EnhancerHarness harness("scale=2 training=off model=bicubic lockstep=true");
    harness.set_caps(GST_VIDEO_FORMAT_I420, width, height);
    gst_harness_push_event(harness.patches(), gst_event_new_stream_start("patches"));
    std::thread video([&] { gst_buffer_unref(harness.enhance(frame(0))); });
    harness.push_patch_bytes(harness.announcement(127, 95), 0);
    video.join();
    CHECK(harness.output_size() == std::pair{127, 95});
}

TEST_CASE("an engine that never answers in lockstep does not keep the element from stopping") {
    const Models models;
    const TestEngine engine(common + R"js(
function on(kind, head) { note(head); }
)js");
    EnhancerHarness harness("scale=2 lockstep=true");
    harness.set_caps(GST_VIDEO_FORMAT_I420, width, height);
    std::thread video([&] {
        if (GstBuffer* buffer = harness.enhance(frame(0))) gst_buffer_unref(buffer);
    });
    CHECK(eventually([&] { return notes(engine).size() == 2; }));
    gst_element_set_state(harness.element(), GST_STATE_NULL);
    video.join();
}

TEST_CASE(
    "a thousand patches at once and those of another stream are counted, and every frame passes") {
    const Models models;
    const TestEngine engine(common + R"js(
function on(kind, head, blob) {
  if (head.type === 'enhancer.start') { begin(head, blob); swap(1, 'generic', generic); }
  if (head.type === 'time.tick') send(3, { type: head.type, id: head.id });
}
)js");
    EnhancerHarness harness("scale=2 lockstep=true");
    harness.set_caps(GST_VIDEO_FORMAT_I420, width, height);
    std::uint32_t sequence = 0;
    for (int number = 0; number < 12; ++number) {
        if (number == 2) {
            for (int i = 0; i < 1000; ++i)
                harness.push_patch_bytes(harness.patch_packet(number, sequence++), number);
        } else if (number == 6) {
            // By its time a patch of this frame, by its content one of another picture.
            const auto bytes = harness.patch_packet(900, sequence++, livesr::PatchCodec::jpeg_luma);
            std::span<const std::uint8_t> rest(bytes);
            livesr::PatchPacket foreign;
            REQUIRE(livesr::read_packet(rest, foreign) == livesr::PacketError::none);
            foreign.header.running_time_ns = static_cast<std::uint64_t>(number) * frame_duration;
            harness.push_patch_bytes(livesr::write_packet(foreign.header, foreign.patches), number);
        } else {
            push_gap(harness, number);
        }
        GstBuffer* out = harness.enhance_low(number);
        REQUIRE(out != nullptr);
        gst_buffer_unref(out);
    }
    CHECK(harness.count("patches-received") == 1001);
    CHECK(harness.count("patches-dropped-overflow") == 1000 - 64);
    CHECK(harness.count("patches-aligned") == 64);
    CHECK(harness.count("patches-dropped-misaligned") == 1);
    CHECK(harness.count("pairs-sent") == 64);
    CHECK(harness.count("engine-restarts") == 0);
    CHECK(count_messages(harness, GST_MESSAGE_ERROR) == 0);
}

TEST_CASE("another input size tells the same engine to start anew") {
    const Models models;
    const TestEngine engine(common + R"js(
function on(kind, head, blob) {
  if (head.type === 'enhancer.start') {
    begin(head, blob);
    note({ pid: process.pid, width: head.width, height: head.height, source: head.liveSource, live: head.liveParameters });
    if (head.liveParameters === 0) swap(1, 'generic', generic);
  }
  if (head.type === 'time.tick') send(3, { type: head.type, id: head.id });
}
)js");
    EnhancerHarness harness("scale=2 lockstep=true");
    harness.set_caps(GST_VIDEO_FORMAT_I420, width, height);
    gst_buffer_unref(harness.enhance(0));
    harness.set_caps(GST_VIDEO_FORMAT_I420, 80, 32);
    gst_buffer_unref(harness.enhance(10));
    harness.set_caps(GST_VIDEO_FORMAT_NV12, 80, 32);
    gst_buffer_unref(harness.enhance(20));
    const auto starts = notes(engine);
    REQUIRE(starts.size() == 2);
    CHECK(starts[0]["width"] == width);
    CHECK(starts[1]["width"] == 80);
    CHECK(starts[1]["height"] == 32);
    CHECK(starts[1]["pid"] == starts[0]["pid"]);
    CHECK(starts[1]["source"] == "generic");
    CHECK(starts[1]["live"] == models.generic.parameters.size());
    CHECK(harness.text("model-in-use") == "generic");
    CHECK(harness.count("engine-restarts") == 0);
}

TEST_CASE("weights that are not numbers are refused, and the picture stays as it is") {
    const Models models;
    const TestEngine engine(common + R"js(
function on(kind, head, blob) {
  if (head.type === 'enhancer.start') {
    begin(head, blob);
    swap(1, 'generic', generic);
    swap(2, 'online', generic.map(() => NaN));
  }
  if (head.type === 'time.tick') send(3, { type: head.type, id: head.id });
}
)js");
    EnhancerHarness harness("scale=2 lockstep=true");
    harness.set_caps(GST_VIDEO_FORMAT_I420, width, height);
    for (int number = 0; number < 7; ++number) CHECK(shows(harness, number, &models.generic));
    CHECK(harness.count("model-swaps") == 1);
    CHECK(harness.count("model-swaps-refused") == 1);
    CHECK(harness.count("engine-restarts") == 0);
    CHECK(count_messages(harness, GST_MESSAGE_WARNING) == 1);
}

TEST_CASE("an engine that breaks the agreement is replaced") {
    const Models models;
    for (const char* nonsense :
         {"swap(2, 'online', generic.subarray(1))", "swap(2, 'bicubic', generic)",
          "swap('two', 'online', generic)", "swap(2, 'better', generic)",
          "send(1, { type: 'model.swap' })", "send(1, { type: 'plan.set' })",
          "send(1, { type: 'training.report' })"}) {
        CAPTURE(nonsense);
        const TestEngine engine(common + R"js(
function on(kind, head, blob) {
  if (head.type !== 'enhancer.start') return;
  begin(head, blob);
  note({ live: head.liveParameters });
  if (head.liveParameters === 0) { swap(1, 'generic', generic);)js" +
                                nonsense + "; } }\n");
        EnhancerHarness harness("scale=2");
        harness.set_caps(GST_VIDEO_FORMAT_I420, width, height);
        int number = 0;
        CHECK(eventually([&] {
            return shows(harness, number++, &models.generic) && notes(engine).size() == 2;
        }));
        CHECK(harness.count("model-version") == 1);
        CHECK(harness.count("engine-restarts") == 1);
    }
}
