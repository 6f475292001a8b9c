// Patch packets out of pictures: whole, in parts, twice, damaged and without end.
#include "gst/enhancer/picture_reader.h"

#include <doctest/doctest.h>

#include <random>

#include "core/patch/packet.h"

namespace livesr::gst {
namespace {

using Bytes = std::vector<std::uint8_t>;

constexpr StreamFormat format{Codec::h264, 0};
constexpr std::uint64_t frame_ns = 40'000'000;

Bytes random_bytes(std::size_t size, unsigned seed) {
    std::mt19937 random(seed);
    Bytes bytes(size);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
    return bytes;
}

void append(Bytes& to, const Bytes& more) { to.insert(to.end(), more.begin(), more.end()); }

Bytes payload_of(std::uint32_t picture, int back, const Bytes& packet, std::uint16_t message = 0,
                 std::uint8_t part = 0, std::uint8_t parts = 1) {
    CarriedPart carried;
    carried.picture = picture;
    carried.back = static_cast<std::int16_t>(back);
    carried.message = message;
    carried.part = part;
    carried.parts = parts;
    const std::size_t size = (packet.size() + parts - 1) / parts;
    const std::size_t begin = part * size;
    carried.bytes = std::span(packet).subspan(begin, std::min(size, packet.size() - begin));
    return write_part(carried);
}

// A picture that carries these payloads, and ends in a slice.
Bytes picture_of(const std::vector<Bytes>& payloads, const Uuid& uuid = carriage_uuid) {
    Bytes picture = {0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3};
    for (const Bytes& payload : payloads) append(picture, write_user_data(format, uuid, payload));
    append(picture, {0, 0, 0, 1, 0x65, 7, 7, 7});
    return picture;
}

}  // namespace

TEST_CASE("picture reader: a packet comes out with its carrier's time and how far back it is") {
    PictureReader reader;
    const Bytes packet = random_bytes(600, 1);
    const auto read =
        reader.read_coded(format, picture_of({payload_of(7, 3, packet)}), 9 * frame_ns);
    REQUIRE(read.size() == 1);
    CHECK(read[0].bytes == packet);
    CHECK(read[0].carrier == Carrier{9 * frame_ns, 3});
    // A frame that is shown after its carrier, at the end of the sender's count.
    const auto early =
        reader.read_coded(format, picture_of({payload_of(0xFFFF'FFFF, -2, packet)}), 0);
    REQUIRE(early.size() == 1);
    CHECK(early[0].carrier == Carrier{0, -2});
    const auto timeless =
        reader.read_coded(format, picture_of({payload_of(8, 3, packet)}), std::nullopt);
    REQUIRE(timeless.size() == 1);
    CHECK_FALSE(timeless[0].carrier);
    CHECK(reader.counts().packets == 3);
    CHECK(reader.counts().damaged == 0);
}

TEST_CASE("picture reader: a packet in parts is of the picture that completes it") {
    const Bytes packet = random_bytes(5000, 2);
    for (const auto& order : {std::array{0, 1, 2}, {2, 0, 1}}) {
        PictureReader reader;
        std::vector<CarriedPacket> read;
        for (const int part : order) {
            CHECK(read.empty());
            // Part p is carried by picture 0xFFFFFFFE + p, beyond the end of the count.
            const auto payload =
                payload_of(0xFFFF'FFFEU + static_cast<std::uint32_t>(part), 5 + part, packet, 3,
                           static_cast<std::uint8_t>(part), 3);
            read = reader.read_coded(format, picture_of({payload}),
                                     static_cast<std::uint64_t>(10 + part) * frame_ns);
        }
        REQUIRE(read.size() == 1);
        CHECK(read[0].bytes == packet);
        const int last = order[2];
        CHECK(read[0].carrier ==
              Carrier{static_cast<std::uint64_t>(10 + last) * frame_ns, 5 + last});
    }
}

TEST_CASE("picture reader: pictures that come in pieces, one NAL unit a buffer, are read alike") {
    PictureReader reader;
    const Bytes packet = random_bytes(100, 3);
    CHECK(reader.read_coded(format, Bytes{0, 0, 0, 1, 0x67, 1, 2}, 0).empty());
    const Bytes unit = write_user_data(format, carriage_uuid, payload_of(1, 0, packet));
    CHECK(reader.read_coded(format, unit, 0).size() == 1);
    CHECK(reader.read_coded(format, Bytes{0, 0, 0, 1, 0x65, 7, 7}, 0).empty());
}

TEST_CASE("picture reader: what others put into pictures is left alone") {
    PictureReader reader;
    Uuid other = carriage_uuid;
    other[15] ^= 1;
    CHECK(reader.read_coded(format, picture_of({payload_of(1, 0, {1, 2})}, other), 0).empty());
    CHECK(reader.counts().packets == 0);
    CHECK(reader.counts().damaged == 0);
}

TEST_CASE("picture reader: parts that are cut off or contradict themselves are counted") {
    PictureReader reader;
    const Bytes good = payload_of(1, 0, random_bytes(200, 4));
    Bytes other_version = good;
    other_version[0] = 99;
    const Bytes head(good.begin(), good.begin() + part_header_bytes);
    CHECK(reader.read_coded(format, picture_of({other_version, head, {}}), 0).empty());
    CHECK(reader.counts().damaged == 3);
    // The message says that it is longer than its unit.
    const Bytes whole = write_user_data(format, carriage_uuid, good);
    Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(whole.size() / 2));
    append(cut, {0, 0, 0, 1, 0x65, 7, 7, 7});
    CHECK(reader.read_coded(format, cut, 0).empty());
    CHECK(reader.counts().damaged == 4);
    // The next picture is read.
    CHECK(reader.read_coded(format, picture_of({good}), 0).size() == 1);
}

TEST_CASE("picture reader: packets that are never completed are bounded and counted") {
    PictureReader reader;
    const Bytes packet = random_bytes(3000, 5);
    for (int i = 0; i < 2000; ++i) {
        const auto payload = payload_of(static_cast<std::uint32_t>(i), 0, packet,
                                        static_cast<std::uint16_t>(i), 0, 2);
        CHECK(reader.read_coded(format, picture_of({payload}), 0).empty());
    }
    CHECK(reader.incomplete() == 2000 - PartAssembler::max_messages);
}

TEST_CASE("picture reader: a count that jumps changes nothing of how far back a packet is") {
    PictureReader reader;
    std::mt19937 random(6);
    for (int i = 0; i < 2000; ++i) {
        const auto back = static_cast<std::int16_t>(random());
        const auto read = reader.read_coded(
            format, picture_of({payload_of(static_cast<std::uint32_t>(random()), back, {1, 2, 3})}),
            5);
        REQUIRE(read.size() == 1);
        CHECK(read[0].carrier == Carrier{5, back});
    }
}

TEST_CASE("picture reader: of a million of empty messages few are read, and the rest is counted") {
    Bytes units;
    Bytes one_unit = {0, 0, 0, 1, 6};
    for (int i = 0; i < 1'000'000; ++i) {
        append(units, {0, 0, 1, 6, 5, 0, 0x80});
        append(one_unit, {5, 0});
    }
    const Bytes full = write_user_data(format, carriage_uuid, payload_of(1, 0, {1}));
    append(units, full);
    append(one_unit, {0x80});
    append(one_unit, full);
    PictureReader reader;
    CHECK(reader.read_coded(format, units, 0).empty());
    CHECK(reader.counts().left_out == 1);
    CHECK(reader.read_coded(format, one_unit, 0).size() == 1);
    const std::vector<Bytes> many(100'000, payload_of(1, 0, {1}));
    CHECK(reader.read_coded(format, picture_of(many), 0).size() == max_payloads);
    CHECK(reader.counts().left_out > 1);
}

TEST_CASE("picture reader: decoded pictures are read where their coded form was not") {
    PictureReader reader;
    const auto decoded = [&](std::uint32_t picture) {
        return reader.read_decoded(payload_of(picture, 1, {1, 2, 3}), frame_ns).size();
    };
    CHECK(decoded(4) == 1);
    CHECK(reader.read_decoded(Bytes{1, 2}, 0).empty());
    CHECK(reader.counts().damaged == 1);
    for (std::uint32_t picture = 5; picture < 40; ++picture) {
        reader.read_coded(format, picture_of({payload_of(picture, 1, {1, 2, 3})}), 0);
    }
    CHECK(decoded(3) == 1);
    for (std::uint32_t picture = 5; picture < 40; ++picture) CHECK(decoded(picture) == 0);
    // A part of a packet was in a picture that only the decoder saw.
    const Bytes packet = random_bytes(500, 7);
    CHECK(reader.read_coded(format, picture_of({payload_of(41, 1, packet, 9, 1, 2)}), 41 * frame_ns)
              .empty());
    const auto whole = reader.read_decoded(payload_of(40, 0, packet, 9, 0, 2), 40 * frame_ns);
    REQUIRE(whole.size() == 1);
    CHECK(whole[0].bytes == packet);
    CHECK(whole[0].carrier == Carrier{40 * frame_ns, 0});
    reader.restart();
    CHECK(decoded(39) == 1);
}

}  // namespace livesr::gst
