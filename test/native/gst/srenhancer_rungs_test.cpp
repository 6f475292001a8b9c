// srenhancer behind a sender that changes the size of its video in mid-stream: the picture keeps
// its size and its caps, no frame is lost, and each rung has its own network.
#include <algorithm>
#include <cmath>
#include <map>

#include "core/patch/packet.h"
#include "core/patch/residual.h"
#include "core/picture/crop.h"
#include "core/picture/resample.h"
#include "engine_fixture.h"
#include "enhancer_checks.h"
#include "test_engine.h"

using livesr::Network;
using livesr::Scale;
using namespace livesr::test;

namespace {

struct Low {
    int width;
    int height;
    Scale scale;
};

// What a sender makes of 128x96 at each scale; the last is none that there is.
constexpr Low native{128, 96, 1};
constexpr Low two_thirds{88, 64, {3, 2}};
constexpr Low half{64, 48, 2};
constexpr Low third{44, 32, 3};
constexpr Low foreign{86, 64, 0};

int caps_told(EnhancerHarness& harness) {
    int count = 0;
    while (GstEvent* event = gst_harness_try_pull_event(harness.video())) {
        if (GST_EVENT_TYPE(event) == GST_EVENT_CAPS) ++count;
        gst_event_unref(event);
    }
    return count;
}

// Each plane half as large again, luma restored where there is a network, cropped to the true size.
void check_two_thirds(GstBuffer* out, const std::vector<Plane>& in, int width, int height,
                      const Network* network) {
    const auto shown = planes(out, GST_VIDEO_FORMAT_I420, width, height);
    REQUIRE(shown.size() == in.size());
    for (std::size_t i = 0; i < in.size(); ++i) {
        CAPTURE(i);
        Plane full{in[i].width * 3 / 2, in[i].height * 3 / 2, 1, {}};
        full.pixels.resize(static_cast<std::size_t>(full.width * full.height));
        livesr::resample(livesr::Filter::lanczos, in[i].pixels.data(), in[i].width, in[i].width,
                         in[i].height, full.pixels.data(), full.width, full.width, full.height);
        if (i == 0) full = apply(network, full, 1);
        CHECK(shown[i] == livesr::test::crop(full, 0, 0, shown[i].width, shown[i].height));
    }
}

GstBuffer* numbered(const Low& low, int number) {
    return video_buffer(GST_VIDEO_FORMAT_I420, low.width, low.height, 3 * number,
                        static_cast<GstClockTime>(number) * frame_duration, frame_duration);
}

// A patch of a picture in full size whose original is a little lighter.
std::vector<std::uint8_t> full_size_packet(const Plane& decoded, int number) {
    livesr::PacketHeader header;
    header.scale = 1;
    header.sequence = static_cast<std::uint32_t>(number);
    header.running_time_ns = static_cast<std::uint64_t>(number) * frame_duration;
    header.frame_width = static_cast<std::uint16_t>(decoded.width);
    header.frame_height = static_cast<std::uint16_t>(decoded.height);
    const int margin = livesr::residual_margin;
    const livesr::PlaneView view{decoded.pixels.data(), decoded.width, decoded.width,
                                 decoded.height};
    std::vector<std::uint8_t> original = livesr::crop(view, 8, 4, 24, 20, 0);
    for (std::uint8_t& pixel : original) {
        pixel = static_cast<std::uint8_t>(std::min(255, pixel + 9));
    }
    livesr::CodedPatch patch;
    patch.codec = livesr::PatchCodec::residual;
    patch.quality = 8;
    patch.x = 8;
    patch.y = 4;
    patch.width = 24;
    patch.height = 20;
    const auto around = livesr::crop(view, 8, 4, 24, 20, margin);
    const auto payload = livesr::encode_residual(original.data(), 24, {around, 24, 20, 1}, 8);
    patch.payload = payload;
    return livesr::write_packet(header, {&patch, 1});
}

}  // namespace

TEST_CASE("the picture keeps its size and caps while the sender goes from rung to rung") {
    const Folder models;
    std::map<int, Network> networks;
    for (const int scale : {1, 2, 3, 4}) {
        networks[scale] = random_network(scale, 7);
        models.write_model("generic-x" + std::to_string(scale) + ".onnx", networks[scale]);
    }
    const Environment where("LIVESR_MODELS", models.path().string());
    EnhancerHarness harness("training=off");
    harness.push_patch_bytes(harness.announcement(128, 96), 0);
    int number = 0;
    for (const Low& low : {half, native, two_thirds, third, half, two_thirds, foreign, native}) {
        harness.set_caps(GST_VIDEO_FORMAT_I420, low.width, low.height);
        for (int i = 0; i < 3; ++i, ++number) {
            CAPTURE(number);
            GstBuffer* in = numbered(low, number);
            const auto planes_in = planes(in, GST_VIDEO_FORMAT_I420, low.width, low.height);
            GstBuffer* out = harness.enhance(in);
            REQUIRE(out != nullptr);
            CHECK(harness.output_size() == std::pair{128, 96});
            CHECK(GST_BUFFER_PTS(out) == static_cast<GstClockTime>(number) * frame_duration);
            if (low.scale == 1) {
                const auto shown = planes(out, GST_VIDEO_FORMAT_I420, 128, 96);
                for (std::size_t p = 0; p < 3; ++p) {
                    CHECK(shown[p].pixels == planes_in[p].pixels);
                }
            } else if (low.scale == two_thirds.scale) {
                check_two_thirds(out, planes_in, 128, 96, &networks[1]);
            } else if (low.scale != 0) {
                check_planes(out, GST_VIDEO_FORMAT_I420, planes_in, low.scale.network(), 128, 96,
                             &networks[low.scale.network()]);
            }
            gst_buffer_unref(out);
        }
        CHECK(harness.scale() == low.scale.value());
        CHECK(harness.text("model-in-use") == (low.scale == 1   ? "native"
                                               : low.scale == 0 ? "bicubic"
                                                                : "generic"));
    }
    CHECK(caps_told(harness) == 1);
    CHECK(harness.count("rung-changes") == 7);
    CHECK(harness.message(GST_MESSAGE_WARNING) == nullptr);
}

TEST_CASE("a packet that breaks off where the size changes is counted, and each frame passes") {
    EnhancerHarness harness("training=off model=bicubic");
    harness.push_patch_bytes(harness.announcement(128, 96), 0);
    int number = 0;
    for (const Low& low : {half, native, two_thirds, half}) {
        auto broken = harness.announcement(640, 480);
        broken.resize(broken.size() / 2);
        harness.push_patch_bytes(broken, number);
        harness.set_caps(GST_VIDEO_FORMAT_I420, low.width, low.height);
        for (int i = 0; i < 2; ++i, ++number) {
            GstBuffer* out = harness.enhance(numbered(low, number));
            REQUIRE(out != nullptr);
            gst_buffer_unref(out);
            CHECK(harness.output_size() == std::pair{128, 96});
        }
    }
    CHECK(harness.count("packets-dropped-truncated") == 4);
    CHECK(harness.count("frames") == 8);
    CHECK(caps_told(harness) == 1);
}

TEST_CASE("without a word of the sender the picture becomes twice as large") {
    EnhancerHarness harness("training=off model=bicubic");
    harness.set_caps(GST_VIDEO_FORMAT_I420, 64, 48);
    gst_buffer_unref(harness.enhance(0));
    CHECK(harness.output_size() == std::pair{128, 96});
    // Once it is known, the size holds from that frame on.
    harness.push_patch_bytes(harness.announcement(190, 144), 1);
    gst_buffer_unref(harness.enhance(1));
    CHECK(harness.output_size() == std::pair{190, 144});
    CHECK(harness.scale() == 3.0);
}

TEST_CASE("two thirds of any size become that size again, from the first frame on") {
    // 540p, 1080p, 4:3 and sides that two thirds do not divide.
    for (const auto& [width, height] : {std::pair{960, 540},
                                        {1920, 1080},
                                        {1440, 1080},
                                        {1280, 720},
                                        {640, 480},
                                        {1366, 768},
                                        {101, 77},
                                        {50, 34}}) {
        CAPTURE(width);
        CAPTURE(height);
        EnhancerHarness harness("training=off model=bicubic");
        harness.push_patch_bytes(harness.announcement(width, height), 0);
        const Low low{
            livesr::lowres_side(width, {3, 2}), livesr::lowres_side(height, {3, 2}), {3, 2}};
        CHECK(low.width % 4 == 0);
        CHECK(low.height % 4 == 0);
        harness.set_caps(GST_VIDEO_FORMAT_I420, low.width, low.height);
        for (int number = 0; number < 2; ++number) {
            GstBuffer* in = numbered(low, number);
            const auto planes_in = planes(in, GST_VIDEO_FORMAT_I420, low.width, low.height);
            GstBuffer* out = harness.enhance(in);
            REQUIRE(out != nullptr);
            CHECK(harness.output_size() == std::pair{width, height});
            check_two_thirds(out, planes_in, width, height, nullptr);
            gst_buffer_unref(out);
        }
        CHECK(harness.scale() == 1.5);
        CHECK(harness.text("model-in-use") == "lanczos");
        CHECK(caps_told(harness) == 1);
    }
}

TEST_CASE("the size of a picture names one scale at most") {
    for (int side = 32; side < 2200; ++side) {
        for (const Scale& one : livesr::scales) {
            for (const Scale& other : livesr::scales) {
                if (one == other) continue;
                CAPTURE(side);
                CHECK(livesr::lowres_side(side, one) != livesr::lowres_side(side, other));
            }
        }
    }
}

TEST_CASE("a sender that changes both its picture and its rung is followed") {
    EnhancerHarness harness("training=off model=bicubic");
    harness.push_patch_bytes(harness.announcement(128, 96), 0);
    harness.set_caps(GST_VIDEO_FORMAT_I420, 64, 48);
    gst_buffer_unref(harness.enhance(0));
    harness.push_patch_bytes(harness.announcement(190, 144), 1);
    harness.set_caps(GST_VIDEO_FORMAT_I420, 190, 144);
    gst_buffer_unref(harness.enhance(1));
    CHECK(harness.output_size() == std::pair{190, 144});
    CHECK(harness.scale() == 1.0);
}

TEST_CASE("patches of another rung are counted, and those that come ahead of theirs are used") {
    const TestEngine engine(common + R"js(
function on(kind, head, blob) {
  if (head.type === 'enhancer.start') { begin(head, blob); swap(1, 'generic', generic); note({ scale: head.scale }); }
  if (head.type === 'patch.pair') note({ pair: head.sequence });
  if (head.type === 'time.tick') send(3, { type: head.type, id: head.id });
}
)js");
    EnhancerHarness harness("lockstep=true");
    // The patches say that the time is there.
    harness.push_patch_bytes(harness.announcement(128, 96), 0);
    harness.set_caps(GST_VIDEO_FORMAT_I420, 64, 48);
    const auto feed = [&](const Low& low, int number) {
        harness.push_patch_bytes(harness.announcement(128, 96), number);
        gst_buffer_unref(harness.enhance(numbered(low, number)));
    };
    for (int number = 0; number < 4; ++number) feed(half, number);
    const auto of_frame_3 = harness.patch_packet(3, 31);
    const auto of_next = harness.patch_packet(5 + 3 * 25 + 3, 71);
    // Half size, of frame 3: comes when the native rung is on.
    harness.set_caps(GST_VIDEO_FORMAT_I420, 128, 96);
    feed(native, 4);
    harness.push_patch_bytes(of_frame_3, 3);
    // It waits for its rung to come back, 3 s at most.
    const int given_up = 5 + 3 * 25 + 1;
    for (int number = 5; number < given_up; ++number) feed(native, number);
    CHECK(harness.count("patches-dropped-other-rung") == 0);
    feed(native, given_up);
    CHECK(harness.count("patches-dropped-other-rung") == 1);
    CHECK(harness.count("pairs-sent") == 0);
    // Half size again: comes before its frame.
    const int next = given_up + 2;
    harness.push_patch_bytes(of_next, next);
    feed(native, next - 1);
    harness.set_caps(GST_VIDEO_FORMAT_I420, 64, 48);
    for (int number = next; number < next + 5; ++number) {
        harness.push_patch_bytes(harness.announcement(128, 96), number);
        gst_buffer_unref(harness.enhance_low(number));
    }
    CHECK(harness.count("patches-dropped-other-rung") == 1);
    CHECK(harness.count("pairs-sent") == 1);
}

TEST_CASE("in full size the picture is as it came, but while weights are shown that were learned") {
    const TestEngine engine(common + R"js(
let pairs = 0;
function on(kind, head, blob) {
  if (head.type === 'enhancer.start') { begin(head, blob); note(head); swap(1, 'generic', generic); }
  if (head.type === 'patch.pair') note({ pair: head, bytes: blob.length });
  if (head.type !== 'time.tick') return;
  if (head.mediaTimeNs === 200e6) swap(2, 'online', generic.map((_, i) => Math.sin(i) / 9));
  if (head.mediaTimeNs === 400e6) swap(3, 'bicubic');
  send(3, { type: head.type, id: head.id });
}
)js");
    EnhancerHarness harness("lockstep=true");
    harness.push_patch_bytes(harness.announcement(128, 96), 0);
    harness.set_caps(GST_VIDEO_FORMAT_I420, native.width, native.height);
    const int learned_ms = 200, plain_ms = 400;
    for (int number = 0; number < 15; ++number) {
        CAPTURE(number);
        const auto ms = static_cast<int>(number * frame_duration / GST_MSECOND);
        const bool learned = ms >= learned_ms && ms < plain_ms;
        GstBuffer* in = numbered(native, number);
        const auto planes_in = planes(in, GST_VIDEO_FORMAT_I420, 128, 96);
        harness.push_patch_bytes(full_size_packet(planes_in[0], number), number);
        GstBuffer* out = harness.enhance(in);
        REQUIRE(out != nullptr);
        const auto shown = planes(out, GST_VIDEO_FORMAT_I420, 128, 96);
        CHECK((shown[0].pixels == planes_in[0].pixels) != learned);
        for (std::size_t p = 1; p < 3; ++p) CHECK(shown[p].pixels == planes_in[p].pixels);
        CHECK(harness.text("model-in-use") == (learned ? "online" : "native"));
        gst_buffer_unref(out);
    }
    CHECK(harness.count("frames-network") == 5);
    CHECK(harness.count("pairs-sent") == 15);
    const auto told = notes(engine);
    REQUIRE(told.size() >= 12);  // the last tick is of frame 10
    CHECK(told[0]["rung"] == 1);
    CHECK(told[0]["scale"] == 1);
    CHECK(told[0]["width"] == 128);
    CHECK(told[0]["height"] == 96);
    CHECK(told[1]["pair"]["width"] == 24);
    // With the margin that a network of scale 1 sees, two pixels a layer.
    const auto low = told[1]["bytes"].get<int>() - 24 * 20;
    CHECK(low == (24 + 4 * told[0]["layers"].get<int>()) * (20 + 4 * told[0]["layers"].get<int>()));
}

TEST_CASE("a stream that begins in full size has its engine, and passes as it is") {
    const TestEngine engine(common + R"js(
function on(kind, head, blob) {
  if (head.type === 'enhancer.start') {
    begin(head, blob);
    note({ scale: head.scale, width: head.width, height: head.height });
    swap(1, 'generic', generic);
    swap(2, 'online', halved());
  }
  if (head.type === 'time.tick') send(3, { type: head.type, id: head.id });
}
)js");
    EnhancerHarness harness("lockstep=true");
    harness.push_patch_bytes(harness.announcement(128, 96), 0);
    harness.set_caps(GST_VIDEO_FORMAT_I420, native.width, native.height);
    for (int number = 0; number < 12; ++number) {
        CAPTURE(number);
        harness.push_patch_bytes(harness.announcement(128, 96), number);
        GstBuffer* in = numbered(native, number);
        const auto planes_in = planes(in, GST_VIDEO_FORMAT_I420, 128, 96);
        GstBuffer* out = harness.enhance(in);
        REQUIRE(out != nullptr);
        const auto shown = planes(out, GST_VIDEO_FORMAT_I420, 128, 96);
        for (std::size_t p = 0; p < 3; ++p) CHECK(shown[p].pixels == planes_in[p].pixels);
        gst_buffer_unref(out);
    }
    CHECK(harness.text("model-in-use") == "native");
    CHECK(harness.count("frames-network") == 0);
    CHECK(harness.count("pairs-sent") == 0);
    const auto told = notes(engine);
    REQUIRE(told.size() == 1);
    CHECK(told[0]["scale"] == 1);
    CHECK(told[0]["width"] == 128);
    CHECK(told[0]["height"] == 96);
}

TEST_CASE("training goes on at a rung with the weights that were shown there last") {
    const TestEngine engine(common + R"js(
function on(kind, head, blob) {
  if (head.type === 'enhancer.start') {
    begin(head, blob);
    note({ rung: head.rung, scale: head.scale, live: head.liveParameters, source: head.liveSource, first: live[0] ?? 0 });
    swap(1, 'generic', generic);
    swap(2, 'online', halved());
  }
  if (head.type === 'time.tick') send(3, { type: head.type, id: head.id });
}
)js");
    const Folder models;
    for (const int scale : {1, 2, 3, 4}) {
        models.write_model("generic-x" + std::to_string(scale) + ".onnx", random_network(scale, 7));
    }
    const Environment where("LIVESR_MODELS", models.path().string());
    EnhancerHarness harness("lockstep=true");
    harness.push_patch_bytes(harness.announcement(128, 96), 0);
    int number = 0;
    for (const Low& low : {half, third, native, two_thirds, half}) {
        harness.set_caps(GST_VIDEO_FORMAT_I420, low.width, low.height);
        for (int i = 0; i < 12; ++i, ++number) {
            harness.push_patch_bytes(harness.announcement(128, 96), number);
            gst_buffer_unref(harness.enhance(numbered(low, number)));
        }
        CHECK(harness.text("model-in-use") == (low.scale == 1 ? "native" : "online"));
    }
    const auto told = notes(engine);
    REQUIRE(told.size() == 5);
    const double rungs[] = {2, 3, 1, 1.5, 2};
    for (std::size_t i = 0; i < 5; ++i) {
        CAPTURE(i);
        CHECK(told[i]["rung"] == rungs[i]);
        CHECK(told[i]["scale"] == std::floor(rungs[i]));
        // Two rungs share a scale, not what was learned.
        CHECK((told[i]["live"] == 0) == (i < 4));
    }
    CHECK(told[4]["source"] == "online");
    const float half_of_first = random_network(2, 7).parameters[0] * 0.5F;
    CHECK(told[4]["first"].get<float>() == doctest::Approx(half_of_first));
}
