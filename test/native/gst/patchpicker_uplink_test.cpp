// What patchpicker tells its engine of the uplink, and what the engine tells of feedback.
#include <doctest/doctest.h>
#include <gst/gst.h>

#include <string>

#include "picker_fixture.h"

namespace {

using livesr::test::log_of;
using livesr::test::PickerFixture;
using livesr::test::picking_engine;
using livesr::test::TestEngine;

}  // namespace

TEST_CASE("patchpicker: a new uplink-bitrate is a message of its own, not a new start") {
    const TestEngine engine(picking_engine("return [];"));
    PickerFixture picker("lockstep=true uplink=external uplink-bitrate=800000");
    picker.push(0, 0);
    g_object_set(picker.element(), "uplink-bitrate", 700'000U, nullptr);
    g_object_set(picker.element(), "uplink-bitrate", 700'000U, nullptr);
    picker.push(5, 5);
    const auto starts = log_of(engine, "sender.start");
    REQUIRE(starts.size() == 1);
    CHECK(starts[0]["uplink"] == "external");
    CHECK(starts[0]["uplinkBitrateBps"] == 800'000);
    const auto rates = log_of(engine, "link.rate");
    REQUIRE(rates.size() == 1);
    CHECK(rates[0]["rateBps"] == 700'000);
}

TEST_CASE("patchpicker: a property set to what it is already leaves the engine in peace") {
    const TestEngine engine(picking_engine("return [];"));
    PickerFixture picker("lockstep=true max-bitrate=500000");
    picker.push(0, 0);
    g_object_set(picker.element(), "max-bitrate", 500'000U, nullptr);
    picker.push(5, 5);
    CHECK(log_of(engine, "sender.start").size() == 1);
}

TEST_CASE(
    "patchpicker: the start says where feedback comes from, and no property gives a secret away") {
    const TestEngine engine(picking_engine("return [];"));
    PickerFixture picker(
        "lockstep=true feedback-uri=ws://host:7002 token=secret stream-key=k stream-class=talk "
        "schedule=livenas");
    picker.push(0, 0);
    const auto starts = log_of(engine, "sender.start");
    REQUIRE(starts.size() == 1);
    CHECK(starts[0]["feedbackUri"] == "ws://host:7002");
    CHECK(starts[0]["token"] == "secret");
    CHECK(starts[0]["streamKey"] == "k");
    CHECK(starts[0]["streamClass"] == "talk");
    CHECK(starts[0]["schedule"] == "livenas");
    for (const char* secret : {"token", "stream-key"}) {
        const GParamSpec* spec =
            g_object_class_find_property(G_OBJECT_GET_CLASS(picker.element()), secret);
        CHECK((spec->flags & G_PARAM_READABLE) == 0);
    }
}

TEST_CASE(
    "patchpicker: token and stream key come from the environment where no property has them") {
    const livesr::test::Environment token("LIVESR_TOKEN", "from outside");
    const livesr::test::Environment stream_key("LIVESR_STREAM_KEY", "key from outside");
    const TestEngine engine(picking_engine("return [];"));
    PickerFixture picker("lockstep=true token=own");
    picker.push(0, 0);
    const auto starts = log_of(engine, "sender.start");
    REQUIRE(starts.size() == 1);
    CHECK(starts[0]["token"] == "own");
    CHECK(starts[0]["streamKey"] == "key from outside");
}

TEST_CASE("patchpicker: how feedback stands is in its statistics") {
    const TestEngine engine(
        picking_engine("send(1, { type: 'feedback.state', connected: true, received: 7, ignored: "
                       "2, connections: 3, goodputBps: 480000, packetLoss: null }); return [];"));
    PickerFixture picker("lockstep=true");
    picker.push(0, 0);
    CHECK(picker.wait_for_stat("feedback-received", 7));
    CHECK(picker.stat("feedback-ignored") == 2);
    CHECK(picker.stat("feedback-connections") == 3);
    CHECK(picker.real_stat("feedback-goodput-bps") == 480000);
    CHECK(picker.real_stat("feedback-packet-loss") == -1);
}

TEST_CASE("patchpicker: an uplink that names no element of the pipeline is no reason to stop") {
    const TestEngine engine(picking_engine("return [];"));
    PickerFixture picker("lockstep=true uplink=srt:nowhere");
    picker.push(0, 10);
    CHECK(picker.stat("frames") == 11);
    CHECK(log_of(engine, "link.srt").empty());
}
