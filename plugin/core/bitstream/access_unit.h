// Coded pictures (access units of H.264 and HEVC, temporal units of AV1), as far as it takes to put
// data of a user into them and to find it again: SEI user_data_unregistered, and metadata OBUs of
// AV1. Every function treats the bytes as hostile. No GStreamer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace livesr {

enum class Codec : std::uint8_t { h264, h265, av1 };

// How a coded picture is written down.
struct StreamFormat {
    Codec codec = Codec::h264;
    // Bytes of the length before each NAL unit (1, 2 or 4); 0: start codes. AV1: ignored, OBUs
    // carry their sizes.
    int length_bytes = 0;

    bool operator==(const StreamFormat&) const = default;
};

using Uuid = std::array<std::uint8_t, 16>;

// The bytes that carry `payload` under `uuid`, to be inserted into a coded picture at
// user_data_place(). temporal_id: of the picture (HEVC).
std::vector<std::uint8_t> write_user_data(const StreamFormat& format, const Uuid& uuid,
                                          std::span<const std::uint8_t> payload,
                                          int temporal_id = 0);

// Where data of a user goes: behind parameter sets, in front of the first slice. nullopt: the bytes
// hold no slice, or are damaged before the first one.
struct UserDataPlace {
    std::size_t offset = 0;
    int temporal_id = 0;
};
std::optional<UserDataPlace> user_data_place(const StreamFormat& format,
                                             std::span<const std::uint8_t> picture);

// What one coded picture, or a part of it, carries.
struct UserData {
    std::vector<std::vector<std::uint8_t>> payloads;  // under the UUID that was asked for
    std::size_t damaged = 0;                          // messages under it that are cut off
    // Messages under it beyond max_payloads, and one when more than max_units come first.
    std::size_t left_out = 0;
};
// Reads up to the first slice, within these bounds.
constexpr std::size_t max_payloads = 64;
constexpr std::size_t max_units = 256;  // NAL units or OBUs before the first slice
UserData read_user_data(const StreamFormat& format, const Uuid& uuid,
                        std::span<const std::uint8_t> picture);

}  // namespace livesr
