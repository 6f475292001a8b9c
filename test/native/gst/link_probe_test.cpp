// What is read out of an srtsink's statistics and a rtpsession's feedback.
#include "gst/sender/link_probe.h"

#include <doctest/doctest.h>

#include "gst/sender/settings.h"

namespace livesr::gst {
namespace {

GstStructure* stats_of(const char* text) {
    GstStructure* stats = gst_structure_from_string(text, nullptr);
    REQUIRE(stats != nullptr);
    return stats;
}

const char* const caller_stats =
    "application/x-srt-statistics, packets-sent=(gint64)100, packets-sent-lost=(int)3, "
    "packets-retransmitted=(int)2, packet-ack-received=(int)50, packet-nack-received=(int)1, "
    "bytes-sent=(guint64)130000, bytes-retransmitted=(guint64)2600, rtt-ms=(double)41.5";

}  // namespace

TEST_CASE("the element of a measured uplink is read out of the property") {
    CHECK(parse_link_choice("srt:sink") == LinkChoice{LinkChoice::Kind::srt, "sink"});
    CHECK(parse_link_choice("twcc:bin") == LinkChoice{LinkChoice::Kind::twcc, "bin"});
    CHECK(parse_link_choice("srt:").kind == LinkChoice::Kind::none);
    CHECK(parse_link_choice("auto").kind == LinkChoice::Kind::none);
}

TEST_CASE("a caller's statistics become counters") {
    GstStructure* stats = stats_of(caller_stats);
    const nlohmann::json message = srt_message(stats, 7);
    CHECK(message == nlohmann::json{{"type", "link.srt"},
                                    {"timeNs", 7},
                                    {"bytesSent", 130000},
                                    {"bytesRetransmitted", 2600},
                                    {"packetsSent", 100},
                                    {"packetsLost", 3},
                                    {"nacks", 1},
                                    {"rttMs", 41.5}});
    gst_structure_free(stats);
}

TEST_CASE("statistics without a connection, or with what cannot be, are nothing") {
    for (const char* text : {"s, bytes-sent-total=(guint64)0", "s, rtt-ms=(double)3",
                             "s, packets-sent=(gint64)-1, packets-sent-lost=(int)0, "
                             "packet-nack-received=(int)0, bytes-sent=(guint64)0, "
                             "bytes-retransmitted=(guint64)0, rtt-ms=(double)1"}) {
        GstStructure* stats = stats_of(text);
        CHECK(srt_message(stats, 0).is_null());
        gst_structure_free(stats);
    }
}

TEST_CASE("feedback becomes a list of packets, and other events are nothing") {
    GstStructure* event = stats_of(
        "RTPTWCCPackets, packets=(structure)< \"RTPTWCCPacket\\,\\ seqnum\\=\\(uint\\)70000\\,\\ "
        "local-ts\\=\\(guint64\\)1000\\,\\ remote-ts\\=\\(guint64\\)5000\\,\\ "
        "size\\=\\(uint\\)1200\\,\\ lost\\=\\(boolean\\)false\\;\" , "
        "\"RTPTWCCPacket\\,\\ seqnum\\=\\(uint\\)2\\,\\ local-ts\\=\\(guint64\\)2000\\,\\ "
        "size\\=\\(uint\\)900\\,\\ lost\\=\\(boolean\\)true\\;\" >");
    const nlohmann::json message = twcc_message(event, 9);
    REQUIRE(message["packets"].size() == 2);
    CHECK(message["packets"][0] == nlohmann::json{{"sequence", 70000 & 0xffff},
                                                  {"sentNs", 1000},
                                                  {"arrivedNs", 5000},
                                                  {"bytes", 1200}});
    CHECK(message["packets"][1]["arrivedNs"].is_null());
    gst_structure_free(event);

    GstStructure* other = stats_of("GstForceKeyUnit");
    CHECK(twcc_message(other, 9).is_null());
    CHECK(twcc_message(nullptr, 9).is_null());
    gst_structure_free(other);
}

TEST_CASE("an uplink that is measured begins with 500 kbit/s, or what an application has said") {
    SenderSettings settings;
    settings.max_bitrate_bps = 3'000'000;
    settings.uplink = "srt:sink";
    CHECK(initial_plan(settings).estimated_uplink_bps == 500'000);
    settings.uplink = "external";
    CHECK(initial_plan(settings).estimated_uplink_bps == 500'000);
    settings.uplink_bitrate_bps = 800'000;
    CHECK(initial_plan(settings).estimated_uplink_bps == 800'000);
    settings.uplink_bitrate_bps = 8'000'000;
    CHECK(initial_plan(settings).estimated_uplink_bps == 3'000'000);
}

TEST_CASE("what cannot be a feedback server or a schedule is refused with what to set") {
    SenderSettings settings;
    settings.feedback_uri = "http://host:1";
    CHECK(describe_problem(settings).find("wss://HOST:PORT") != std::string::npos);
    settings.feedback_uri = "ws://host:1";
    CHECK(describe_problem(settings).empty());
    settings.schedule = "best";
    CHECK(describe_problem(settings).find("residual or livenas") != std::string::npos);
}

}  // namespace livesr::gst
