// The channel's frames: golden bytes shared with the TypeScript tests, chunking, hostile bytes.
#include "gst/engine/channel.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <string>

using livesr::gst::ChannelError;
using livesr::gst::ChannelFrame;
using livesr::gst::FrameKind;
using livesr::gst::FrameReader;
using livesr::gst::write_frame;
using nlohmann::json;

namespace {

using Bytes = std::vector<std::uint8_t>;

const json& golden() {
    static const json document = [] {
        std::ifstream file(LIVESR_TEST_DIR "/golden/channel.json");
        REQUIRE(file.good());
        return json::parse(file);
    }();
    return document;
}

Bytes from_hex(const std::string& hex) {
    Bytes bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
        bytes.push_back(static_cast<std::uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    }
    return bytes;
}

FrameKind kind_of(const std::string& name) {
    if (name == "request") return FrameKind::request;
    return name == "response" ? FrameKind::response : FrameKind::notification;
}

void check_same(const ChannelFrame& frame, const json& want) {
    CHECK(frame.kind == kind_of(want["kind"]));
    CHECK(frame.head == want["head"]);
    CHECK(frame.blob == from_hex(want["blob"]));
}

}  // namespace

TEST_CASE("channel: frames are written as the golden bytes") {
    for (const json& want : golden()["frames"]) {
        CAPTURE(want["name"].get<std::string>());
        CHECK(write_frame(kind_of(want["kind"]), want["head"], from_hex(want["blob"])) ==
              from_hex(want["frame"]));
    }
}

TEST_CASE("channel: golden bytes are read as their frames") {
    for (const json& want : golden()["frames"]) {
        CAPTURE(want["name"].get<std::string>());
        FrameReader reader;
        reader.feed(from_hex(want["frame"]));
        const auto frame = reader.next();
        REQUIRE(frame);
        check_same(*frame, want);
        CHECK_FALSE(reader.next());
        CHECK(reader.buffered() == 0);
    }
}

TEST_CASE("channel: broken golden bytes are refused, and the error names the rule") {
    for (const json& want : golden()["broken"]) {
        CAPTURE(want["name"].get<std::string>());
        FrameReader reader;
        reader.feed(from_hex(want["frame"]));
        try {
            reader.next();
            FAIL_CHECK("the frame was read");
        } catch (const ChannelError& error) {
            CAPTURE(error.what());
            CHECK(std::string(error.what()).find(want["rule"].get<std::string>()) !=
                  std::string::npos);
        }
    }
}

TEST_CASE("channel: frames survive any chunking") {
    const json& frames = golden()["frames"];
    Bytes stream;
    for (const json& want : frames) {
        const Bytes bytes = from_hex(want["frame"]);
        stream.insert(stream.end(), bytes.begin(), bytes.end());
    }
    std::mt19937 random(7);
    for (int round = 0; round < 50; ++round) {
        FrameReader reader;
        std::size_t read = 0;
        for (std::size_t at = 0; at < stream.size();) {
            const std::size_t most = round == 0 ? 1 : 1 + random() % 200;
            const std::size_t size = std::min(most, stream.size() - at);
            reader.feed(std::span(stream).subspan(at, size));
            at += size;
            while (const auto frame = reader.next()) check_same(*frame, frames[read++]);
        }
        CHECK(read == frames.size());
    }
}

TEST_CASE("channel: a hostile length is refused before its bytes have come") {
    FrameReader reader;
    reader.feed(Bytes{0xff, 0xff, 0xff, 0xff});
    CHECK_THROWS_AS(reader.next(), ChannelError);
}

TEST_CASE("channel: random damage is refused or read, never worse") {
    const json& frames = golden()["frames"];
    std::mt19937 random(11);
    int refused = 0;
    for (int round = 0; round < 5000; ++round) {
        Bytes bytes = from_hex(frames[random() % frames.size()]["frame"]);
        for (int hits = 1 + static_cast<int>(random() % 3); hits > 0; --hits) {
            bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
        }
        FrameReader reader;
        reader.feed(bytes);
        try {
            while (reader.next()) {
            }
        } catch (const ChannelError&) {
            ++refused;
        }
    }
    CHECK(refused > 0);
}

TEST_CASE("channel: deep nesting is no way to bring the reader down") {
    const std::string head =
        R"({"type":"x","deep":)" + std::string(1'000'000, '[') + std::string(1'000'000, ']') + "}";
    Bytes bytes(12);
    const std::size_t length = 8 + head.size();
    for (int i = 0; i < 4; ++i) {
        bytes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(length >> (8 * i));
        bytes[static_cast<std::size_t>(8 + i)] = static_cast<std::uint8_t>(head.size() >> (8 * i));
    }
    bytes[4] = 1;
    bytes[5] = 1;
    bytes.insert(bytes.end(), head.begin(), head.end());
    FrameReader reader;
    reader.feed(bytes);
    CHECK_THROWS_WITH_AS(reader.next(), "the head is nested deeper than 32", ChannelError);
}

TEST_CASE("channel: a frame that would break a rule is not written") {
    CHECK_THROWS_AS(write_frame(FrameKind::notification, json::array()), ChannelError);
    CHECK_THROWS_AS(write_frame(FrameKind::notification, {{"id", 1}}), ChannelError);
    CHECK_THROWS_AS(write_frame(FrameKind::request, {{"type", "time.tick"}}), ChannelError);
    CHECK_THROWS_AS(write_frame(FrameKind::notification, {{"type", "\xff"}}), ChannelError);
    const Bytes blob(livesr::gst::max_frame_length);
    CHECK_THROWS_AS(write_frame(FrameKind::notification, {{"type", "x"}}, blob), ChannelError);
}
