// srenhancer with small engines: patches that become pairs, and waiting for them in lockstep.
#include <signal.h>

#include <atomic>
#include <thread>

#include "engine_fixture.h"

using livesr::Network;
using namespace livesr::test;

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
    const TestEngine engine(shows_generic);
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
    // Patches are matched on a thread of their own.
    CHECK(eventually([&] { return harness.count("patches-dropped-no-frame") == 1; }));
    CHECK(harness.count("patches-aligned") == 0);
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
