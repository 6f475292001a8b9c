// srenhancer with real engines, small ones written here: weights that come, engines that die, hang,
// talk nonsense or are not there. Patches and lockstep: srenhancer_lockstep_test.cpp.
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "engine_fixture.h"

using livesr::Network;
using namespace livesr::test;

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
    CHECK(count_warnings(harness, "engine") == 1);
    CHECK(count_messages(harness, GST_MESSAGE_ERROR) == 0);
}

TEST_CASE("with engine=off the picture is bicubic and the state says so") {
    const Models models;
    EnhancerHarness harness("scale=2 engine=off");
    harness.set_caps(GST_VIDEO_FORMAT_I420, width, height);
    CHECK(shows(harness, 0, nullptr));
    CHECK(harness.text("training-state") == "stopped: engine=off");
    CHECK(count_warnings(harness, "engine") == 1);
}

TEST_CASE("live, weights are adopted when they come and nothing waits for them") {
    const Models models;
    const TestEngine engine(shows_generic);
    EnhancerHarness harness("scale=2");
    harness.set_caps(GST_VIDEO_FORMAT_I420, width, height);
    int number = 0;
    CHECK(eventually([&] { return shows(harness, number++, &models.generic); }));
    CHECK(shows(harness, number++, &models.generic));
    CHECK(harness.text("model-in-use") == "generic");
    CHECK(eventually([&] { return harness.text("training-state") == "waiting"; }));
}

TEST_CASE(
    "an engine that is stopped is named, ended and replaced, and video passes all the while") {
    const Models models;
    const TestEngine engine(common + R"js(
function on(kind, head, blob) {
  if (head.type !== 'enhancer.start') return;
  begin(head, blob);
  note({ pid: process.pid });
  swap(1, 'online', halved(), 2);
  report({ gainDb: 2 });
}
)js");
    EnhancerHarness harness("scale=2");
    harness.set_caps(GST_VIDEO_FORMAT_I420, width, height);
    const Network online = halved(models.generic);
    int number = 0;
    REQUIRE(eventually([&] { return shows(harness, number++, &online); }));
    REQUIRE(eventually([&] { return harness.text("training-state") == "training"; }));
    REQUIRE(kill(notes(engine).back()["pid"].get<pid_t>(), SIGSTOP) == 0);
    bool was_named = false;
    REQUIRE(eventually([&] {
        CHECK(shows(harness, number++, &online));
        was_named = was_named || harness.text("training-state") == "unresponsive";
        return notes(engine).size() == 2;
    }));
    CHECK(was_named);
    CHECK(eventually([&] { return harness.text("training-state") == "training"; }));
    CHECK(harness.count("engine-unresponsive") == 1);
    CHECK(harness.count("engine-restarts") == 1);
    CHECK(count_warnings(harness, "engine") == 1);
}

TEST_CASE("video without patches is said after ten seconds, once, with cause and remedy") {
    const Models models;
    const TestEngine engine(common + R"js(
function on(kind, head, blob) {
  if (head.type === 'enhancer.start') { begin(head, blob); swap(1, 'generic', generic); }
}
)js");
    EnhancerHarness harness("scale=2");
    harness.set_caps(GST_VIDEO_FORMAT_I420, width, height);
    int number = 0;
    const auto play = [&](int frames, bool patches) {
        for (const int last = number + frames; number < last; ++number) {
            if (patches)
                harness.push_patch_bytes(harness.announcement(2 * width, 2 * height), number);
            gst_buffer_unref(harness.enhance(number));
        }
    };
    play(9 * 25, false);
    CHECK(count_warnings(harness, "no patch packet") == 0);
    play(40 * 25, false);
    CHECK(count_warnings(harness, "no patch packet") == 1);
    play(25, true);
    play(9 * 25, false);
    CHECK(count_warnings(harness, "packet") == 0);
    play(5 * 25, false);
    CHECK(count_warnings(harness, "No patch packet has come for 10 s") == 1);
}

TEST_CASE("a node that says nothing leaves the state at starting") {
    const Models models;
    const TestEngine engine(shows_generic);
    const auto node = engine.folder() / "node";
    std::ofstream(node) << "#!/bin/sh\nexec sleep 1000\n";
    std::filesystem::permissions(node, std::filesystem::perms::owner_all);
    const Environment environment("LIVESR_NODE", node.string());
    EnhancerHarness harness("scale=2");
    harness.set_caps(GST_VIDEO_FORMAT_I420, width, height);
    for (int number = 0; number < 10; ++number) {
        CHECK(shows(harness, number, nullptr));
        CHECK(harness.text("training-state") == "starting");
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
}

TEST_CASE("a stream that has run for 104 days and more tells the engine times that JSON can say") {
    const Models models;
    const TestEngine engine(common + R"js(
function on(kind, head, blob) {
  if (head.type === 'enhancer.start') { begin(head, blob); swap(1, 'generic', generic); }
  if (head.type === 'time.tick') {
    note({ time: head.mediaTimeNs });
    send(3, { type: head.type, id: head.id });
  }
}
)js");
    EnhancerHarness harness("scale=2 lockstep=true");
    harness.set_caps(GST_VIDEO_FORMAT_I420, width, height);
    // In frames: the end of 2^53 ns, then the end of 100 days.
    const auto days = [](double n) { return n * 24 * 3600 * GST_SECOND / frame_duration; };
    for (const double start : {9'007'199'254'740'992.0 / frame_duration, days(100), days(300)}) {
        const auto first = static_cast<GstClockTime>(start) - 5;
        for (GstClockTime i = 0; i < 12; ++i) {
            GstBuffer* in = video_buffer(GST_VIDEO_FORMAT_I420, width, height, 1,
                                         (first + i) * frame_duration, frame_duration);
            gst_harness_push_event(harness.patches(),
                                   gst_event_new_gap(GST_BUFFER_PTS(in), GST_CLOCK_TIME_NONE));
            gst_buffer_unref(harness.enhance(in));
        }
    }
    const auto ticks = notes(engine);
    CHECK(ticks.size() >= 6);
    for (const json& tick : ticks) {
        CHECK(tick["time"].get<double>() < 9'007'199'254'740'992.0);
    }
    CHECK(harness.count("engine-restarts") == 0);
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
    CHECK(count_warnings(harness, "engine") == 1);
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
    // Two seconds' worth at once, of which 128 may wait for a frame.
    CHECK(harness.count("patches-dropped-budget") == 800);
    CHECK(harness.count("patches-dropped-overflow") == 72);
    CHECK(harness.count("patches-aligned") == 128);
    CHECK(harness.count("patches-dropped-misaligned") == 1);
    CHECK(harness.count("pairs-sent") == 128);
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
    CHECK(count_warnings(harness, "engine") == 1);
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
