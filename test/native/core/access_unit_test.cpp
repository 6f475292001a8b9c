// Data of a user inside coded pictures: where it goes, that it comes back, and every way of being
// wrong.
#include "core/bitstream/access_unit.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "core/patch/carriage.h"

namespace livesr {
namespace {

using Bytes = std::vector<std::uint8_t>;

// Payloads that need every kind of emulation prevention.
Bytes payload_of(std::size_t size, unsigned seed) {
    std::mt19937 random(seed);
    Bytes bytes(size);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random() % 4 == 0 ? random() % 5 : 0);
    return bytes;
}

void append_nal(Bytes& picture, const StreamFormat& format, const Bytes& nal) {
    if (format.length_bytes == 0) {
        picture.insert(picture.end(), {0, 0, 0, 1});
    } else {
        for (int i = format.length_bytes - 1; i >= 0; --i) {
            picture.push_back(static_cast<std::uint8_t>(nal.size() >> (8 * i)));
        }
    }
    picture.insert(picture.end(), nal.begin(), nal.end());
}

// A picture with parameter sets, another's SEI and a slice.
Bytes picture_of(const StreamFormat& format) {
    if (format.codec == Codec::av1) {
        return {0x12, 0x00, 0x0A, 0x03, 1, 2, 3, 0x32, 0x04, 9, 9, 9, 9};
    }
    const bool is_h264 = format.codec == Codec::h264;
    Bytes picture;
    append_nal(picture, format, is_h264 ? Bytes{0x67, 1, 2} : Bytes{0x42, 1, 1, 2});
    append_nal(picture, format, is_h264 ? Bytes{0x68, 3} : Bytes{0x44, 1, 3});
    const Bytes head = is_h264 ? Bytes{6, 5, 18} : Bytes{0x4E, 1, 5, 18};
    Bytes sei(head.size() + 18 + 1, 0x11);
    std::ranges::copy(head, sei.begin());
    sei.back() = 0x80;
    append_nal(picture, format, sei);
    append_nal(picture, format, is_h264 ? Bytes{0x65, 7, 7, 7} : Bytes{0x26, 3, 7, 7});
    append_nal(picture, format, is_h264 ? Bytes{0x65, 8, 8} : Bytes{0x26, 3, 8, 8});
    return picture;
}

const StreamFormat formats[] = {{Codec::h264, 0}, {Codec::h264, 4}, {Codec::h264, 2},
                                {Codec::h265, 0}, {Codec::h265, 4}, {Codec::av1, 0}};

Bytes inserted(const StreamFormat& format, Bytes picture, const Bytes& payload) {
    const auto place = user_data_place(format, picture);
    REQUIRE(place);
    const Bytes data = write_user_data(format, carriage_uuid, payload, place->temporal_id);
    picture.insert(picture.begin() + static_cast<std::ptrdiff_t>(place->offset), data.begin(),
                   data.end());
    return picture;
}

TEST_CASE("user data goes behind the parameter sets and comes back as it was") {
    for (const StreamFormat& format : formats) {
        CAPTURE(static_cast<int>(format.codec));
        CAPTURE(format.length_bytes);
        Bytes picture = picture_of(format);
        std::vector<Bytes> payloads;
        for (const std::size_t size : {std::size_t{1}, std::size_t{238}, std::size_t{239},
                                       std::size_t{255}, std::size_t{4000}}) {
            payloads.push_back(payload_of(size, static_cast<unsigned>(size)));
            picture = inserted(format, picture, payloads.back());
        }
        const UserData found = read_user_data(format, carriage_uuid, picture);
        CHECK(found.payloads == payloads);
        CHECK(found.damaged == 0);
    }
}

TEST_CASE("user data holds no start code") {
    const StreamFormat format{Codec::h264, 0};
    const Bytes data = write_user_data(format, carriage_uuid, Bytes(3000, 0));
    for (std::size_t i = 4; i + 3 <= data.size(); ++i) {
        CHECK_FALSE((data[i] == 0 && data[i + 1] == 0 && data[i + 2] <= 2));
    }
}

TEST_CASE("user data of HEVC has the temporal layer of its picture") {
    const StreamFormat format{Codec::h265, 0};
    const auto place = user_data_place(format, picture_of(format));
    REQUIRE(place);
    CHECK(place->temporal_id == 2);
    CHECK(write_user_data(format, carriage_uuid, Bytes{1}, 2)[5] == 3);
}

TEST_CASE("a picture without a slice has no place") {
    for (const StreamFormat& format : formats) {
        CHECK_FALSE(user_data_place(format, {}));
        CHECK_FALSE(user_data_place(format, Bytes(40, 0)));
    }
    const StreamFormat format{Codec::h264, 4};
    CHECK_FALSE(user_data_place(format, Bytes{0, 0, 0, 200, 0x65, 1}));
}

TEST_CASE("user data of others is left alone, and what is cut off is counted") {
    const StreamFormat format{Codec::h264, 0};
    CHECK(read_user_data(format, carriage_uuid, picture_of(format)).payloads.empty());
    Bytes nal = {0, 0, 0, 1, 6, 5, 200};
    nal.insert(nal.end(), carriage_uuid.begin(), carriage_uuid.end());
    nal.insert(nal.end(), {1, 2, 3, 0x80});
    const UserData found = read_user_data(format, carriage_uuid, nal);
    CHECK(found.payloads.empty());
    CHECK(found.damaged == 1);
}

TEST_CASE("a picture of many messages is read up to a bound") {
    for (const StreamFormat& format : formats) {
        Bytes picture = picture_of(format);
        for (std::size_t i = 0; i < 2 * max_payloads; ++i) {
            picture = inserted(format, picture, {1, 2, 3});
        }
        const UserData found = read_user_data(format, carriage_uuid, picture);
        CHECK(found.payloads.size() == max_payloads);
        CHECK(found.left_out == max_payloads);
    }
}

TEST_CASE("a picture of units without end is read up to a bound") {
    const Bytes empty_units[] = {{0, 0, 1, 6, 0x80}, {0, 0, 0, 2, 6, 0x80}, {0x2A, 1, 0x80}};
    const StreamFormat with_units[] = {{Codec::h264, 0}, {Codec::h264, 4}, {Codec::av1, 0}};
    for (std::size_t i = 0; i < std::size(with_units); ++i) {
        Bytes picture;
        for (std::size_t unit = 0; unit < max_units; ++unit) {
            picture.insert(picture.end(), empty_units[i].begin(), empty_units[i].end());
        }
        CHECK(read_user_data(with_units[i], carriage_uuid, picture).left_out == 0);
        const Bytes data = write_user_data(with_units[i], carriage_uuid, Bytes{1, 2});
        picture.insert(picture.end(), data.begin(), data.end());
        const UserData found = read_user_data(with_units[i], carriage_uuid, picture);
        CHECK(found.payloads.empty());
        CHECK(found.left_out == 1);
    }
}

TEST_CASE("any bytes are read without harm") {
    std::mt19937 random(1);
    for (int round = 0; round < 3000; ++round) {
        const StreamFormat& format = formats[random() % std::size(formats)];
        Bytes picture = inserted(format, picture_of(format), payload_of(random() % 60, random()));
        for (unsigned change = 0; change < 1 + random() % 4; ++change) {
            picture[random() % picture.size()] = static_cast<std::uint8_t>(random());
        }
        picture.resize(random() % (picture.size() + 1));
        read_user_data(format, carriage_uuid, picture);
        const auto place = user_data_place(format, picture);
        if (place) CHECK(place->offset < picture.size());
    }
}

}  // namespace
}  // namespace livesr
