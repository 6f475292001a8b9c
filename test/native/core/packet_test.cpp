// The patch packet: golden bytes, several in a buffer, and every way of being wrong.
#include "core/patch/packet.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "../bytes.h"

namespace livesr {
namespace {

using nlohmann::json;
using test::Bytes;
using test::from_hex;
using Span = std::span<const std::uint8_t>;

const json& golden() {
    static const json document = [] {
        const Bytes text = test::read_file(LIVESR_TEST_DIR "/golden/packet.json");
        return json::parse(text.begin(), text.end());
    }();
    return document;
}

PatchHeader header_of(const json& j) {
    PatchHeader h;
    h.codec = j["codec"].get<PatchCodec>();
    h.quality = j["quality"];
    h.scale = j["scale"];
    h.stream_id = j["streamId"];
    h.sequence = j["sequence"];
    h.running_time_ns = j["runningTimeNs"];
    h.frame_width = j["frameWidth"];
    h.frame_height = j["frameHeight"];
    h.x = j["x"];
    h.y = j["y"];
    h.width = j["width"];
    h.height = j["height"];
    return h;
}

bool same(const PatchHeader& a, const PatchHeader& b) {
    return a.codec == b.codec && a.quality == b.quality && a.scale == b.scale &&
           a.stream_id == b.stream_id && a.sequence == b.sequence &&
           a.running_time_ns == b.running_time_ns && a.frame_width == b.frame_width &&
           a.frame_height == b.frame_height && a.x == b.x && a.y == b.y && a.width == b.width &&
           a.height == b.height;
}

PatchHeader some_header() {
    PatchHeader h;
    h.codec = PatchCodec::jpeg_luma;
    h.quality = 95;
    h.scale = 2;
    h.stream_id = 99;
    h.sequence = 3;
    h.running_time_ns = 5'000'000'000;
    h.frame_width = 1280;
    h.frame_height = 720;
    h.x = 240;
    h.y = 120;
    h.width = h.height = 120;
    return h;
}

Bytes some_packet(std::size_t payload = 100) {
    return write_packet(some_header(), Bytes(payload, 0x5A));
}

// Reads one packet that is all there is.
PacketError read_only(Span bytes) {
    PatchPacket packet;
    return read_packet(bytes, packet);
}

}  // namespace

TEST_CASE("packet: packets are written as the golden bytes, and the golden bytes read as them") {
    for (const json& want : golden()["packets"]) {
        CAPTURE(want["name"].get<std::string>());
        const Bytes payload = from_hex(want["payload"]), bytes = from_hex(want["packet"]);
        CHECK(write_packet(header_of(want["header"]), payload) == bytes);
        PatchPacket packet;
        Span rest(bytes);
        REQUIRE(read_packet(rest, packet) == PacketError::none);
        CHECK(rest.empty());
        CHECK(same(packet.header, header_of(want["header"])));
        CHECK(std::equal(packet.payload.begin(), packet.payload.end(), payload.begin(),
                         payload.end()));
    }
}

TEST_CASE("packet: broken golden bytes are refused as what they are") {
    for (const json& want : golden()["refused"]) {
        CAPTURE(want["name"].get<std::string>());
        CHECK(name(read_only(from_hex(want["packet"]))) == want["error"].get<std::string>());
    }
}

TEST_CASE("packet: a buffer of several is read one after the other, past the bad ones") {
    Bytes foreign = some_packet();
    foreign[5] = 0x0B;
    Bytes damaged = some_packet();
    damaged.back() ^= 1;
    Bytes buffer;
    for (const Bytes& part :
         {some_packet(10), foreign, some_packet(500), damaged, some_packet(1)}) {
        buffer.insert(buffer.end(), part.begin(), part.end());
    }
    Span rest(buffer);
    std::vector<PacketError> results;
    std::vector<std::size_t> payloads;
    while (!rest.empty()) {
        PatchPacket packet;
        results.push_back(read_packet(rest, packet));
        if (results.back() == PacketError::none) payloads.push_back(packet.payload.size());
    }
    CHECK(results == std::vector{PacketError::none, PacketError::foreign, PacketError::none,
                                 PacketError::checksum, PacketError::none});
    CHECK(payloads == std::vector<std::size_t>{10, 500, 1});
}

TEST_CASE("packet: cut off anywhere it is truncated, and nothing is left to read") {
    for (const std::size_t payload :
         {std::size_t{1}, std::size_t{60}, std::size_t{100}, std::size_t{300}}) {
        const Bytes whole = some_packet(payload);
        for (std::size_t size = 0; size < whole.size(); ++size) {
            // A copy of its own, so that the sanitizer sees a read beyond it.
            const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
            Span rest(part);
            PatchPacket packet;
            REQUIRE(read_packet(rest, packet) == PacketError::truncated);
            REQUIRE(rest.empty());
        }
    }
}

TEST_CASE("packet: every flipped bit is noticed") {
    for (const std::size_t payload :
         {std::size_t{1}, std::size_t{87}, std::size_t{88}, std::size_t{215}, std::size_t{216}}) {
        const Bytes whole = some_packet(payload);
        for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
            Bytes damaged = whole;
            damaged[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
            CAPTURE(bit);
            REQUIRE(read_only(damaged) != PacketError::none);
        }
    }
}

TEST_CASE("packet: reading random bytes ends, and never goes beyond them") {
    std::mt19937 random(1);
    const Bytes whole = some_packet();
    for (int round = 0; round < 20000; ++round) {
        Bytes bytes = test::random_bytes(random() % 200, random);
        // Half of them start as ours, so that what lies behind the label is reached.
        if (round % 2 == 0) {
            std::copy_n(whole.begin(), std::min<std::size_t>(bytes.size(), 16 + random() % 4),
                        bytes.begin());
        }
        Span rest(bytes);
        while (!rest.empty()) {
            const std::size_t before = rest.size();
            PatchPacket packet;
            REQUIRE(read_packet(rest, packet) != PacketError::none);
            REQUIRE(rest.size() < before);
        }
    }
}

TEST_CASE("packet: any header within the rules survives the wire") {
    std::mt19937 random(2);
    const auto upto = [&](unsigned most) { return random() % (most + 1); };
    for (int round = 0; round < 5000; ++round) {
        PatchHeader h;
        h.codec = PatchCodec::jpeg_luma;
        h.quality = static_cast<std::uint8_t>(1 + upto(99));
        const unsigned scale = 1 + upto(3);
        h.scale = static_cast<std::uint8_t>(scale);
        h.stream_id = static_cast<std::uint32_t>(random());
        h.sequence = static_cast<std::uint32_t>(random());
        h.running_time_ns = std::uint64_t{random()} << 32 | random();
        const auto axis = [&](std::uint16_t& frame, std::uint16_t& position, std::uint16_t& side) {
            const unsigned size = 1 + upto(8000);
            const unsigned padded = (size + 2 * scale - 1) / (2 * scale) * 2 * scale;
            const unsigned length = scale * (1 + upto(std::min(padded, 512U) / scale - 1));
            frame = static_cast<std::uint16_t>(size);
            side = static_cast<std::uint16_t>(length);
            position = static_cast<std::uint16_t>(scale * upto((padded - length) / scale));
        };
        axis(h.frame_width, h.x, h.width);
        axis(h.frame_height, h.y, h.height);
        const Bytes payload = test::random_bytes(1 + upto(400), random);
        const Bytes bytes = write_packet(h, payload);
        Span rest(bytes);
        PatchPacket packet;
        REQUIRE(read_packet(rest, packet) == PacketError::none);
        REQUIRE(same(packet.header, h));
        REQUIRE(std::equal(packet.payload.begin(), packet.payload.end(), payload.begin(),
                           payload.end()));

        PatchHeader outside = h;
        outside.x = static_cast<std::uint16_t>(outside.x + 512 + 2 * scale * 4001);
        outside.x = static_cast<std::uint16_t>(outside.x - outside.x % scale);
        REQUIRE(read_only(write_packet(outside, payload)) == PacketError::bad_header);
    }
}

TEST_CASE("packet: the largest that MPEG-TS carries is written, a larger one is not") {
    const std::size_t overhead = 16 + 3 + 40;
    const Bytes most(max_klv_bytes - overhead);
    CHECK(write_packet(some_header(), most).size() == max_klv_bytes);
    CHECK(read_only(write_packet(some_header(), most)) == PacketError::none);
    CHECK_THROWS_AS(write_packet(some_header(), Bytes(most.size() + 1)), std::length_error);
}

}  // namespace livesr
