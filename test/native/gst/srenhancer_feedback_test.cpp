// srenhancer and the feedback port: what its engine is given for it, and what came there.
#include "engine_fixture.h"

using namespace livesr::test;

namespace {

const std::string notes_start = common + R"js(
function on(kind, head, blob) {
  if (head.type === 'enhancer.start') { note(head); begin(head, blob); swap(1, 'generic', generic); }
  if (head.type === 'time.tick' && kind === 2) send(3, { type: head.type, id: head.id });
}
)js";

json start_of(const std::string& properties) {
    const Models models;
    const TestEngine engine(notes_start);
    EnhancerHarness harness("scale=2 lockstep=true " + properties);
    harness.set_caps(GST_VIDEO_FORMAT_I420, width, height);
    push_gap(harness, 0);
    gst_buffer_unref(harness.enhance_low(0));
    const auto told = notes(engine);
    REQUIRE(!told.empty());
    return told[0];
}

bool is_readable(EnhancerHarness& harness, const char* property) {
    const GParamSpec* spec =
        g_object_class_find_property(G_OBJECT_GET_CLASS(harness.element()), property);
    REQUIRE(spec != nullptr);
    return (spec->flags & G_PARAM_READABLE) != 0;
}

}  // namespace

TEST_CASE("srenhancer: token and stream key come from the environment where no property has them") {
    const Environment token("LIVESR_TOKEN", "from outside");
    const Environment stream_key("LIVESR_STREAM_KEY", "key from outside");
    const json start = start_of("tokens-file=/etc/tokens");
    CHECK(start["token"] == "from outside");
    CHECK(start["streamKey"] == "key from outside");
    CHECK(start["tokensFile"] == "/etc/tokens");
    const json own = start_of("token=mine stream-key=key");
    CHECK(own["token"] == "mine");
    CHECK(own["streamKey"] == "key");
    CHECK(own["tokensFile"] == "");
}

TEST_CASE("srenhancer: secrets cannot be read from its properties") {
    const Models models;
    EnhancerHarness harness("scale=2 engine=off");
    CHECK(!is_readable(harness, "token"));
    CHECK(!is_readable(harness, "stream-key"));
    CHECK(is_readable(harness, "tokens-file"));
}

TEST_CASE("srenhancer: what came to the feedback port is in its statistics") {
    const Models models;
    const TestEngine engine(common + R"js(
function on(kind, head, blob) {
  if (head.type === 'enhancer.start') {
    begin(head, blob);
    swap(1, 'generic', generic);
    send(1, { type: 'feedback.counts', connections: 9, clients: 2, wrongTokens: 3, wrongHellos: 4,
      late: 5, evicted: 6, tooMuch: 7, packets: 8, packetsRefused: 1 });
  }
  if (head.type === 'time.tick' && kind === 2) send(3, { type: head.type, id: head.id });
}
)js");
    EnhancerHarness harness("scale=2 lockstep=true");
    harness.set_caps(GST_VIDEO_FORMAT_I420, width, height);
    push_gap(harness, 0);
    gst_buffer_unref(harness.enhance_low(0));
    CHECK(harness.count("feedback-connections") == 9);
    CHECK(harness.count("feedback-clients") == 2);
    CHECK(harness.count("feedback-wrong-tokens") == 3);
    CHECK(harness.count("feedback-wrong-hellos") == 4);
    CHECK(harness.count("feedback-late") == 5);
    CHECK(harness.count("feedback-evicted") == 6);
    CHECK(harness.count("feedback-too-much") == 7);
    CHECK(harness.count("feedback-packets") == 8);
    CHECK(harness.count("feedback-packets-refused") == 1);
}
