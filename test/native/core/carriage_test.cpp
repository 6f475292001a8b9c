// Patch packets in parts: written, read, put together in any order, and bounded.
#include "core/patch/carriage.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "../bytes.h"
#include "core/patch/packet.h"

namespace livesr {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes packet_of(std::size_t size, unsigned seed) {
    std::mt19937 random(seed);
    Bytes bytes(size);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
    return bytes;
}

// `bytes` in parts, carried by pictures from `picture` on; made of the frame `back` before the
// first.
std::vector<Bytes> parts_of(const Bytes& bytes, std::size_t parts, std::uint32_t picture,
                            std::int16_t back, std::uint16_t message) {
    std::vector<Bytes> written;
    const std::size_t size = (bytes.size() + parts - 1) / parts;
    for (std::size_t i = 0; i < parts; ++i) {
        CarriedPart part;
        part.picture = picture + static_cast<std::uint32_t>(i);
        part.back = static_cast<std::int16_t>(back + static_cast<int>(i));
        part.message = message;
        part.part = static_cast<std::uint8_t>(i);
        part.parts = static_cast<std::uint8_t>(parts);
        part.bytes = std::span(bytes).subspan(i * size, std::min(size, bytes.size() - i * size));
        written.push_back(write_part(part));
    }
    return written;
}

TEST_CASE("a part comes back as it was written") {
    const Bytes bytes = {1, 2, 3};
    CarriedPart part;
    part.picture = 0xFFFF'FFFE;
    part.back = -3;
    part.message = 65'535;
    part.part = 4;
    part.parts = 9;
    part.bytes = bytes;
    const Bytes written = write_part(part);
    CHECK(written == Bytes{1, 0xFF, 0xFF, 0xFF, 0xFE, 0xFF, 0xFD, 0xFF, 0xFF, 4, 9, 1, 2, 3});
    const auto read = read_part(written);
    REQUIRE(read);
    CHECK(read->picture == part.picture);
    CHECK(read->back == part.back);
    CHECK(read->message == part.message);
    CHECK(read->part == part.part);
    CHECK(read->parts == part.parts);
    CHECK(std::ranges::equal(read->bytes, bytes));
}

TEST_CASE("parts that contradict themselves are refused") {
    const Bytes good = write_part({.picture = 1, .bytes = Bytes{5}});
    CHECK(read_part(good));
    CHECK_FALSE(read_part({}));
    CHECK_FALSE(read_part(std::span(good).first(part_header_bytes)));
    Bytes version = good;
    version[0] = 2;
    CHECK_FALSE(read_part(version));
    Bytes beyond = good;
    beyond[9] = 1;
    CHECK_FALSE(read_part(beyond));
    Bytes none = good;
    none[10] = 0;
    CHECK_FALSE(read_part(none));
}

TEST_CASE("parts in any order, twice each, make one packet of one frame") {
    std::mt19937 random(7);
    for (int round = 0; round < 50; ++round) {
        PartAssembler assembler;
        const Bytes packet = packet_of(500 + random() % 5000, random());
        auto parts = parts_of(packet, 1 + random() % 8, 0xFFFF'FFF0 + random() % 32, 5,
                              static_cast<std::uint16_t>(random()));
        const std::uint32_t frame = read_part(parts[0])->picture - 5;
        std::ranges::shuffle(parts, random);
        std::size_t complete = 0;
        for (const Bytes& part : parts) {
            const auto read = read_part(part);
            REQUIRE(read);
            if (const auto whole = assembler.add(*read)) {
                ++complete;
                CHECK(whole->bytes == packet);
                CHECK(whole->frame == frame);
            } else {
                CHECK_FALSE(assembler.add(*read));
            }
        }
        CHECK(complete == 1);
        CHECK(assembler.incomplete() == 0);
    }
}

TEST_CASE("packets that are never completed are bounded and counted") {
    PartAssembler assembler;
    const Bytes piece(2000, 1);
    for (std::uint32_t i = 0; i < 10'000; ++i) {
        CarriedPart part;
        part.picture = i;
        part.message = static_cast<std::uint16_t>(i);
        part.parts = 3;
        part.bytes = piece;
        CHECK_FALSE(assembler.add(part));
    }
    CHECK(assembler.incomplete() >= 10'000 - PartAssembler::max_messages);
    // Not beyond what a packet may hold.
    PartAssembler large;
    const Bytes huge(max_klv_bytes, 1);
    CarriedPart part;
    part.parts = 2;
    part.bytes = huge;
    CHECK_FALSE(large.add(part));
    part.part = 1;
    CHECK_FALSE(large.add(part));
    CHECK(large.incomplete() == 1);
}

TEST_CASE("golden pictures carry their parts, byte for byte") {
    using nlohmann::json;
    const Bytes text = test::read_file(LIVESR_TEST_DIR "/golden/carriage.json");
    const json golden = json::parse(text.begin(), text.end());
    std::vector<Bytes> payloads;
    for (const json& given : golden["parts"]) {
        const Bytes bytes = test::from_hex(given["bytes"].get<std::string>());
        CarriedPart part;
        part.picture = given["picture"];
        part.back = given["back"];
        part.message = given["message"];
        part.part = given["part"];
        part.parts = given["parts"];
        part.bytes = bytes;
        payloads.push_back(write_part(part));
    }
    for (const json& given : golden["pictures"]) {
        const std::string codec = given["codec"];
        CAPTURE(codec);
        const StreamFormat format{codec == "h264"   ? Codec::h264
                                  : codec == "h265" ? Codec::h265
                                                    : Codec::av1,
                                  given["lengthBytes"]};
        const Bytes picture = test::from_hex(given["picture"].get<std::string>());
        CHECK(read_user_data(format, carriage_uuid, picture).payloads == payloads);
        Bytes written = test::from_hex(given["without"].get<std::string>());
        for (const Bytes& payload : payloads) {
            const auto place = user_data_place(format, written);
            REQUIRE(place);
            const Bytes data = write_user_data(format, carriage_uuid, payload, place->temporal_id);
            written.insert(written.begin() + static_cast<std::ptrdiff_t>(place->offset),
                           data.begin(), data.end());
        }
        CHECK(written == picture);
    }
    for (const json& given : golden["refused"]) {
        CHECK_FALSE(read_part(test::from_hex(given["part"].get<std::string>())));
    }
}

}  // namespace
}  // namespace livesr
