// Frames of the channel between an element and its engine: bytes to frames and back, no I/O. Layout
// in docs/protocol.md, golden bytes in test/golden/channel.json. What is read is treated as
// hostile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <stdexcept>
#include <vector>

namespace livesr::gst {

enum class FrameKind : std::uint8_t { notification = 1, request = 2, response = 3 };

struct ChannelFrame {
    FrameKind kind = FrameKind::notification;
    nlohmann::json
        head;  // an object with a string "type"; requests and responses have an integer "id"
    std::vector<std::uint8_t> blob;
};

// What the length field may say: everything after it, 8 bytes to 16 MiB.
constexpr std::size_t min_frame_length = 8;
constexpr std::size_t max_frame_length = std::size_t{16} << 20;

// A rule of the format is broken; the message names the rule. Fatal to the connection.
struct ChannelError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Throws ChannelError when the frame would break a rule.
std::vector<std::uint8_t> write_frame(FrameKind kind, const nlohmann::json& head,
                                      std::span<const std::uint8_t> blob = {});

// Cuts a byte stream into frames, under any chunking.
class FrameReader {
  public:
    void feed(std::span<const std::uint8_t> bytes);
    // The next whole frame; nullopt when more bytes are needed. Throws ChannelError, after which
    // the reader is of no more use.
    std::optional<ChannelFrame> next();
    // Bytes fed and not yet returned in a frame.
    std::size_t buffered() const { return bytes_.size() - begin_; }

  private:
    std::vector<std::uint8_t> bytes_;
    std::size_t begin_ = 0;
};

}  // namespace livesr::gst
