// The protobuf wire format, as much as ONNX files need: written forward, read without copying or
// allocating. https://protobuf.dev/programming-guides/encoding
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace livesr::protobuf {

using Bytes = std::span<const std::uint8_t>;

class Writer {
  public:
    void integer(int field, std::int64_t value);
    void real(int field, float value);
    void text(int field, std::string_view value);
    void bytes(int field, Bytes value);
    void message(int field, const Writer& value) { bytes(field, value.data()); }

    Bytes data() const { return out_; }
    std::vector<std::uint8_t> take() && { return std::move(out_); }

  private:
    void varint(std::uint64_t value);

    std::vector<std::uint8_t> out_;
};

struct Field {
    enum class Kind { varint, fixed64, bytes, fixed32 };

    int number = 0;
    Kind kind = Kind::varint;
    std::uint64_t value = 0;  // varint, fixed32, fixed64
    Bytes data;               // bytes

    std::int64_t integer() const { return static_cast<std::int64_t>(value); }
    std::string_view text() const {
        return {reinterpret_cast<const char*>(data.data()), data.size()};
    }
};

// Walks the fields of one message. Malformed input ends the walk with failed() set.
class Reader {
  public:
    explicit Reader(Bytes message) : rest_(message) {}

    std::optional<Field> next();
    bool failed() const { return failed_; }
    // For packed repeated integers.
    std::optional<std::uint64_t> varint();

  private:
    std::optional<std::uint64_t> fixed(std::size_t size);

    Bytes rest_;
    bool failed_ = false;
};

}  // namespace livesr::protobuf
