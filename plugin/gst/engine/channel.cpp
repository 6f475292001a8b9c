// Channel frames: the byte layout and its rules. See channel.h.
#include "gst/engine/channel.h"

#include <algorithm>
#include <string>

namespace livesr::gst {

namespace {

constexpr std::size_t prefix_size = 4;   // the length field
constexpr std::size_t header_size = 12;  // length, kind, version, flags, head length
constexpr std::uint8_t channel_version = 1;
constexpr int max_depth = 32;  // of a head; copying and destroying JSON values recurses

void put_u32(std::uint8_t* to, std::size_t value) {
    for (int i = 0; i < 4; ++i) to[i] = static_cast<std::uint8_t>(value >> (8 * i));
}

std::uint32_t get_u32(const std::uint8_t* from) {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) value |= static_cast<std::uint32_t>(from[i]) << (8 * i);
    return value;
}

void check_head(FrameKind kind, const nlohmann::json& head) {
    if (!head.is_object()) throw ChannelError("the head is not a JSON object");
    const auto type = head.find("type");
    if (type == head.end() || !type->is_string()) {
        throw ChannelError("the head has no string \"type\"");
    }
    if (kind == FrameKind::notification) return;
    const auto id = head.find("id");
    if (id == head.end() || !id->is_number_integer()) {
        throw ChannelError("a request or response has no integer \"id\"");
    }
}

void check_length(std::size_t length) {
    if (length < min_frame_length) {
        throw ChannelError("frame length " + std::to_string(length) + " is below 8");
    }
    if (length > max_frame_length) {
        throw ChannelError("frame length " + std::to_string(length) + " is above 16 MiB");
    }
}

}  // namespace

std::vector<std::uint8_t> write_frame(FrameKind kind, const nlohmann::json& head,
                                      std::span<const std::uint8_t> blob) {
    check_head(kind, head);
    std::string text;
    try {
        text = head.dump();
    } catch (const nlohmann::json::exception& error) {
        throw ChannelError(std::string("the head is not UTF-8: ") + error.what());
    }
    const std::size_t length = header_size - prefix_size + text.size() + blob.size();
    check_length(length);

    std::vector<std::uint8_t> bytes(header_size);
    bytes.reserve(prefix_size + length);
    put_u32(bytes.data(), length);
    bytes[4] = static_cast<std::uint8_t>(kind);
    bytes[5] = channel_version;
    put_u32(bytes.data() + 8, text.size());
    bytes.insert(bytes.end(), text.begin(), text.end());
    bytes.insert(bytes.end(), blob.begin(), blob.end());
    return bytes;
}

void FrameReader::feed(std::span<const std::uint8_t> bytes) {
    if (begin_ == bytes_.size()) {
        bytes_.clear();
        begin_ = 0;
    } else if (begin_ > bytes_.size() / 2) {
        bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(begin_));
        begin_ = 0;
    }
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

std::optional<ChannelFrame> FrameReader::next() {
    const std::uint8_t* at = bytes_.data() + begin_;
    if (buffered() < prefix_size) return std::nullopt;
    const std::size_t length = get_u32(at);
    // Checked before the frame is complete: a wrong length must not make us wait for 4 GiB.
    check_length(length);
    if (buffered() < header_size) return std::nullopt;
    const std::uint8_t kind = at[4];
    if (kind < 1 || kind > 3) {
        throw ChannelError("frame kind " + std::to_string(kind) + " is not 1, 2 or 3");
    }
    if (at[5] != channel_version) {
        throw ChannelError("channel version " + std::to_string(at[5]) + " is not 1");
    }
    if (at[6] != 0 || at[7] != 0) throw ChannelError("frame flags are not 0");
    const std::size_t head_length = get_u32(at + 8);
    if (head_length > length - (header_size - prefix_size)) {
        throw ChannelError("head length " + std::to_string(head_length) +
                           " does not fit in frame length " + std::to_string(length));
    }
    if (buffered() < prefix_size + length) return std::nullopt;

    ChannelFrame frame;
    frame.kind = static_cast<FrameKind>(kind);
    const std::uint8_t* head = at + header_size;
    const auto check_depth = [](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
        if (depth > max_depth) throw ChannelError("the head is nested deeper than 32");
        return true;
    };
    frame.head = nlohmann::json::parse(head, head + head_length, check_depth, false);
    if (frame.head.is_discarded()) throw ChannelError("the head is not JSON in UTF-8");
    check_head(frame.kind, frame.head);
    frame.blob.assign(head + head_length, at + prefix_size + length);
    begin_ += prefix_size + length;
    return frame;
}

}  // namespace livesr::gst
