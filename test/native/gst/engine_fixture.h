// Small engines for the tests of srenhancer: what they all do, and what the tests see of it.
#pragma once

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "enhancer_harness.h"
#include "test_engine.h"

namespace livesr::test {

using nlohmann::json;

constexpr int width = 64;
constexpr int height = 48;

// For every test engine: what it was told at the start, weights to show, a line in a file.
inline const std::string common = R"js(
import fs from 'node:fs';
import path from 'node:path';
let generic;
let live;
let rung;
function note(line) {
  fs.appendFileSync(path.join(path.dirname(process.argv[1]), 'notes.jsonl'), JSON.stringify(line) + '\n');
}
function begin(head, blob) {
  rung = head.rung;
  const copy = new Uint8Array(blob).buffer;
  generic = new Float32Array(copy, 0, head.genericParameters);
  live = new Float32Array(copy, 4 * head.genericParameters, head.liveParameters);
}
function swap(version, source, parameters, gainDb = null) {
  const blob = parameters ? Buffer.from(parameters.buffer, parameters.byteOffset, parameters.byteLength) : undefined;
  send(1, { type: 'model.swap', version, rung, source, gainDb }, blob);
}
const halved = () => generic.map((value) => value * 0.5);
function report(fields) {
  send(1, { type: 'training.state', rung, state: fields.state ?? 'training' });
  send(1, { type: 'training.report', epoch: 1, mediaTimeNs: 0, state: 'training', steps: 0, loss: 0.25, pairs: 0,
    held: 0, gainDb: null, genericGainDb: null, candidateGainDb: null, swaps: 0, refused: 0, ...fields });
}
)js";

// Shows the generic weights from the start, and nothing else.
inline const std::string shows_generic = common + R"js(
function on(kind, head, blob) {
  if (head.type === 'enhancer.start') { begin(head, blob); swap(1, 'generic', generic); }
}
)js";

inline std::vector<json> notes(const TestEngine& engine) {
    std::ifstream file(engine.folder() / "notes.jsonl");
    std::vector<json> result;
    for (std::string line; std::getline(file, line);) result.push_back(json::parse(line));
    return result;
}

inline Network halved(Network network) {
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

inline GstBuffer* frame(int number) {
    return video_buffer(GST_VIDEO_FORMAT_I420, width, height, number,
                        static_cast<GstClockTime>(number) * frame_duration, frame_duration);
}

// Whether the luma that comes out for a frame is what this network makes of it.
inline bool shows(EnhancerHarness& harness, int number, const Network* network) {
    GstBuffer* in = frame(number);
    const Plane low = planes(in, GST_VIDEO_FORMAT_I420, width, height)[0];
    GstBuffer* out = harness.enhance(in);
    REQUIRE(out != nullptr);
    const Plane high = planes(out, GST_VIDEO_FORMAT_I420, 2 * width, 2 * height)[0];
    gst_buffer_unref(out);
    return high == apply(network, low, 2);
}

// Warnings whose text has these words.
inline int count_warnings(EnhancerHarness& harness, const std::string& words) {
    int count = 0;
    while (GstMessage* message = harness.message(GST_MESSAGE_WARNING)) {
        GError* warning = nullptr;
        gst_message_parse_warning(message, &warning, nullptr);
        if (std::string(warning->message).find(words) != std::string::npos) ++count;
        g_error_free(warning);
        gst_message_unref(message);
    }
    return count;
}

inline int count_messages(EnhancerHarness& harness, GstMessageType types) {
    int count = 0;
    while (GstMessage* message = harness.message(types)) {
        ++count;
        gst_message_unref(message);
    }
    return count;
}

inline void push_gap(EnhancerHarness& harness, int number) {
    gst_harness_push_event(
        harness.patches(),
        gst_event_new_gap(static_cast<GstClockTime>(number) * frame_duration, GST_CLOCK_TIME_NONE));
}

}  // namespace livesr::test
