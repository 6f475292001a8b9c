// The patch packet: golden bytes, several in a buffer, and every way of being wrong.
#include "core/patch/packet.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
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

PacketHeader header_of(const json& j) {
    PacketHeader h;
    h.scale = scale_of_value(j["scale"].get<double>());
    h.stream_id = j["streamId"];
    h.sequence = j["sequence"];
    h.running_time_ns = j["runningTimeNs"];
    h.frame_width = j["frameWidth"];
    h.frame_height = j["frameHeight"];
    return h;
}

// The payload lies in `payloads`.
CodedPatch patch_of(const json& j, std::deque<Bytes>& payloads) {
    CodedPatch p;
    p.codec = j["codec"].get<PatchCodec>();
    p.quality = j["quality"];
    p.x = j["x"];
    p.y = j["y"];
    p.width = j["width"];
    p.height = j["height"];
    p.payload = payloads.emplace_back(from_hex(j["payload"]));
    return p;
}

bool same(const CodedPatch& a, const CodedPatch& b) {
    return a.codec == b.codec && a.quality == b.quality && a.x == b.x && a.y == b.y &&
           a.width == b.width && a.height == b.height &&
           std::equal(a.payload.begin(), a.payload.end(), b.payload.begin(), b.payload.end());
}

PacketHeader some_header() {
    PacketHeader h;
    h.scale = 2;
    h.stream_id = 99;
    h.sequence = 3;
    h.running_time_ns = 5'000'000'000;
    h.frame_width = 1280;
    h.frame_height = 720;
    return h;
}

CodedPatch some_patch(Span payload) {
    CodedPatch p;
    p.quality = 95;
    p.x = 240;
    p.y = 120;
    p.width = p.height = 120;
    p.payload = payload;
    return p;
}

Bytes some_packet(std::size_t payload = 100) {
    const Bytes bytes(payload, 0x5A);
    const CodedPatch patch = some_patch(bytes);
    return write_packet(some_header(), {&patch, 1});
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
        std::deque<Bytes> payloads;
        std::vector<CodedPatch> patches;
        for (const json& patch : want["patches"]) patches.push_back(patch_of(patch, payloads));
        const Bytes bytes = from_hex(want["packet"]);
        CHECK(write_packet(header_of(want["header"]), patches) == bytes);
        PatchPacket packet;
        Span rest(bytes);
        REQUIRE(read_packet(rest, packet) == PacketError::none);
        CHECK(rest.empty());
        CHECK(packet.header == header_of(want["header"]));
        CHECK(std::ranges::equal(packet.patches, patches, same));
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
        if (results.back() == PacketError::none) {
            payloads.push_back(packet.patches.at(0).payload.size());
        }
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

TEST_CASE("packet: anything within the rules survives the wire") {
    std::mt19937 random(2);
    const auto upto = [&](unsigned most) { return random() % (most + 1); };
    for (int round = 0; round < 3000; ++round) {
        PacketHeader h;
        const unsigned scale = 1 + upto(3);
        h.scale = static_cast<std::uint8_t>(scale);
        h.stream_id = static_cast<std::uint32_t>(random());
        h.sequence = static_cast<std::uint32_t>(random());
        h.running_time_ns = std::uint64_t{random()} << 32 | random();
        h.frame_width = static_cast<std::uint16_t>(1 + upto(8000));
        h.frame_height = static_cast<std::uint16_t>(1 + upto(8000));
        std::deque<Bytes> payloads;
        std::vector<CodedPatch> patches(upto(4));
        for (CodedPatch& patch : patches) {
            const bool jpeg = upto(1) == 0;
            patch.codec = jpeg ? PatchCodec::jpeg_luma : PatchCodec::residual;
            patch.quality = static_cast<std::uint8_t>(jpeg ? 1 + upto(99) : 4 + upto(251));
            const auto axis = [&](unsigned size, std::uint16_t& position, std::uint16_t& side) {
                const unsigned padded = (size + 2 * scale - 1) / (2 * scale) * 2 * scale;
                const auto unit = static_cast<unsigned>(h.scale.patch_unit());
                const unsigned length = unit * (1 + upto(std::min(padded, 512U) / unit - 1));
                side = static_cast<std::uint16_t>(length);
                position = static_cast<std::uint16_t>(unit * upto((padded - length) / unit));
            };
            axis(h.frame_width, patch.x, patch.width);
            axis(h.frame_height, patch.y, patch.height);
            patch.payload = payloads.emplace_back(test::random_bytes(1 + upto(400), random));
        }
        const Bytes bytes = write_packet(h, patches);
        Span rest(bytes);
        PatchPacket packet;
        REQUIRE(read_packet(rest, packet) == PacketError::none);
        REQUIRE(packet.header == h);
        REQUIRE(std::ranges::equal(packet.patches, patches, same));

        if (patches.empty()) continue;
        CodedPatch& outside = patches[upto(static_cast<unsigned>(patches.size()) - 1)];
        outside.x = static_cast<std::uint16_t>(outside.x + 512 + 2 * scale * 4001);
        outside.x = static_cast<std::uint16_t>(outside.x - outside.x % scale);
        REQUIRE(read_only(write_packet(h, patches)) == PacketError::bad_header);
    }
}

TEST_CASE("packet: the largest that MPEG-TS carries is written, a larger one is not") {
    const Bytes most(max_klv_bytes - packet_overhead_bytes - patch_header_bytes);
    CodedPatch patch = some_patch(most);
    const Bytes written = write_packet(some_header(), {&patch, 1});
    CHECK(written.size() == max_klv_bytes);
    CHECK(read_only(written) == PacketError::none);
    const Bytes more(most.size() + 1);
    patch.payload = more;
    CHECK_THROWS_AS(write_packet(some_header(), {&patch, 1}), std::length_error);
    const std::vector<CodedPatch> many(most_patches_in_packet + 1, some_patch(Span(most).first(1)));
    CHECK_THROWS_AS(write_packet(some_header(), many), std::length_error);
    CHECK(read_only(write_packet(some_header(), std::span(many).first(most_patches_in_packet))) ==
          PacketError::none);
}

}  // namespace livesr
