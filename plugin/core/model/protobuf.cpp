#include "core/model/protobuf.h"

#include <bit>

namespace livesr::protobuf {
namespace {

enum WireType : std::uint32_t {
    wire_varint = 0,
    wire_fixed64 = 1,
    wire_bytes = 2,
    wire_fixed32 = 5
};

constexpr std::uint64_t tag(int field, WireType type) {
    return static_cast<std::uint64_t>(field) << 3 | type;
}

}  // namespace

void Writer::varint(std::uint64_t value) {
    while (value > 0x7F) {
        out_.push_back(static_cast<std::uint8_t>(value | 0x80));
        value >>= 7;
    }
    out_.push_back(static_cast<std::uint8_t>(value));
}

void Writer::integer(int field, std::int64_t value) {
    varint(tag(field, wire_varint));
    varint(static_cast<std::uint64_t>(value));
}

void Writer::real(int field, float value) {
    varint(tag(field, wire_fixed32));
    const auto bits = std::bit_cast<std::uint32_t>(value);
    for (int shift = 0; shift < 32; shift += 8) {
        out_.push_back(static_cast<std::uint8_t>(bits >> shift));
    }
}

void Writer::bytes(int field, Bytes value) {
    varint(tag(field, wire_bytes));
    varint(value.size());
    out_.insert(out_.end(), value.begin(), value.end());
}

void Writer::text(int field, std::string_view value) {
    bytes(field, {reinterpret_cast<const std::uint8_t*>(value.data()), value.size()});
}

std::optional<std::uint64_t> Reader::varint() {
    std::uint64_t value = 0;
    for (int i = 0; i < 10 && !rest_.empty(); ++i) {
        const std::uint8_t b = rest_[0];
        rest_ = rest_.subspan(1);
        value |= static_cast<std::uint64_t>(b & 0x7F) << (7 * i);
        if ((b & 0x80) == 0) return value;
    }
    failed_ = true;
    return std::nullopt;
}

std::optional<std::uint64_t> Reader::fixed(std::size_t size) {
    if (rest_.size() < size) {
        failed_ = true;
        return std::nullopt;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value |= std::uint64_t{rest_[i]} << (8 * i);
    rest_ = rest_.subspan(size);
    return value;
}

std::optional<Field> Reader::next() {
    if (rest_.empty() || failed_) return std::nullopt;
    const auto head = varint();
    if (!head) return std::nullopt;
    constexpr std::uint64_t highest_field = (1U << 29) - 1;
    const std::uint64_t number = *head >> 3;
    Field field;
    std::optional<std::uint64_t> value;
    if (number >= 1 && number <= highest_field) {
        field.number = static_cast<int>(number);
        switch (*head & 7) {
            case wire_varint:
                value = varint();
                field.kind = Field::Kind::varint;
                break;
            case wire_fixed64:
                value = fixed(8);
                field.kind = Field::Kind::fixed64;
                break;
            case wire_fixed32:
                value = fixed(4);
                field.kind = Field::Kind::fixed32;
                break;
            case wire_bytes:
                value = varint();
                field.kind = Field::Kind::bytes;
                if (value && *value <= rest_.size()) {
                    field.data = rest_.first(static_cast<std::size_t>(*value));
                    rest_ = rest_.subspan(field.data.size());
                } else {
                    value.reset();
                }
                break;
            default:  // groups, which ONNX does not use
                break;
        }
    }
    if (!value) {
        failed_ = true;
        return std::nullopt;
    }
    field.value = *value;
    return field;
}

}  // namespace livesr::protobuf
