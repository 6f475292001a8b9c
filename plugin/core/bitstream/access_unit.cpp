#include "core/bitstream/access_unit.h"

#include <algorithm>
#include <stdexcept>

namespace livesr {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::uint8_t user_data_unregistered = 5;  // SEI payload type
constexpr std::size_t start_code_bytes = 4;

// One NAL unit or OBU.
struct Unit {
    std::size_t offset = 0;  // of its framing
    Bytes bytes;             // without framing
};

// --- NAL units ---

// Offset of the next 00 00 01 from `from` on; size() when there is none.
std::size_t find_start_code(Bytes bytes, std::size_t from) {
    for (std::size_t i = from; i + 3 <= bytes.size(); ++i) {
        if (bytes[i + 2] > 1) {
            i += 2;
        } else if (bytes[i] == 0 && bytes[i + 1] == 0 && bytes[i + 2] == 1) {
            return i;
        }
    }
    return bytes.size();
}

class NalReader {
  public:
    NalReader(Bytes bytes, int length_bytes)
        : bytes_(bytes), length_bytes_(static_cast<std::size_t>(length_bytes)) {
        if (length_bytes_ == 0) at_ = find_start_code(bytes_, 0);
    }

    std::optional<Unit> next() { return length_bytes_ == 0 ? by_start_code() : by_length(); }

  private:
    std::optional<Unit> by_start_code() {
        if (at_ + 3 >= bytes_.size()) return std::nullopt;
        Unit unit;
        // A zero before the code belongs to it.
        unit.offset = at_ > 0 && bytes_[at_ - 1] == 0 ? at_ - 1 : at_;
        const std::size_t begin = at_ + 3;
        at_ = find_start_code(bytes_, begin);
        std::size_t end = at_;
        while (end > begin && bytes_[end - 1] == 0) --end;
        unit.bytes = bytes_.subspan(begin, end - begin);
        return unit;
    }

    std::optional<Unit> by_length() {
        if (bytes_.size() - at_ < length_bytes_) return std::nullopt;
        std::size_t length = 0;
        for (std::size_t i = 0; i < length_bytes_; ++i) length = length << 8 | bytes_[at_ + i];
        const std::size_t begin = at_ + length_bytes_;
        if (length > bytes_.size() - begin) return std::nullopt;
        const Unit unit{at_, bytes_.subspan(begin, length)};
        at_ = begin + length;
        return unit;
    }

    Bytes bytes_;
    std::size_t length_bytes_;
    std::size_t at_ = 0;
};

enum class NalKind { slice, sei, other };

NalKind kind_of(Codec codec, Bytes nal) {
    if (nal.empty()) return NalKind::other;
    if (codec == Codec::h264) {
        const int type = nal[0] & 0x1F;
        // 14: what precedes a slice of a base layer and belongs to it.
        if ((type >= 1 && type <= 5) || type == 14) return NalKind::slice;
        return type == 6 ? NalKind::sei : NalKind::other;
    }
    const int type = nal[0] >> 1 & 0x3F;
    if (type < 32) return NalKind::slice;
    return type == 39 ? NalKind::sei : NalKind::other;
}

std::size_t header_bytes(Codec codec) { return codec == Codec::h264 ? 1 : 2; }

void append_escaped(std::vector<std::uint8_t>& out, Bytes raw) {
    int zeros = 0;
    for (const std::uint8_t byte : raw) {
        if (zeros >= 2 && byte <= 3) {
            out.push_back(3);
            zeros = 0;
        }
        out.push_back(byte);
        zeros = byte == 0 ? zeros + 1 : 0;
    }
}

std::vector<std::uint8_t> unescaped(Bytes bytes) {
    std::vector<std::uint8_t> raw;
    raw.reserve(bytes.size());
    int zeros = 0;
    for (const std::uint8_t byte : bytes) {
        if (zeros >= 2 && byte == 3) {
            zeros = 0;
            continue;
        }
        raw.push_back(byte);
        zeros = byte == 0 ? zeros + 1 : 0;
    }
    return raw;
}

// A number as SEI has it: 255 for each byte that follows. nullopt: cut off.
std::optional<std::size_t> take_sei_number(Bytes& bytes) {
    std::size_t value = 0;
    while (!bytes.empty()) {
        const std::uint8_t byte = bytes[0];
        bytes = bytes.subspan(1);
        value += byte;
        if (byte != 0xFF) return value;
    }
    return std::nullopt;
}

// Takes one payload under `uuid` into what was found.
void take_payload(Bytes payload, bool is_whole, const Uuid& uuid, UserData& found) {
    if (payload.size() < uuid.size() || !std::equal(uuid.begin(), uuid.end(), payload.begin())) {
        return;
    }
    if (!is_whole) {
        ++found.damaged;
        return;
    }
    payload = payload.subspan(uuid.size());
    if (found.payloads.size() == max_payloads) {
        ++found.left_out;
        return;
    }
    found.payloads.emplace_back(payload.begin(), payload.end());
}

void read_sei(Bytes nal, Codec codec, const Uuid& uuid, UserData& found) {
    if (nal.size() <= header_bytes(codec)) return;
    const std::vector<std::uint8_t> raw = unescaped(nal.subspan(header_bytes(codec)));
    Bytes rest = raw;
    // The last byte is the stop bit.
    while (rest.size() > 2) {
        const auto type = take_sei_number(rest);
        const auto size = take_sei_number(rest);
        if (!type || !size) return;
        const bool is_whole = *size <= rest.size();
        const Bytes payload = rest.first(std::min(*size, rest.size()));
        rest = rest.subspan(payload.size());
        if (*type == user_data_unregistered) take_payload(payload, is_whole, uuid, found);
    }
}

// --- OBUs ---

constexpr int obu_metadata = 5;
// ITU-T T.35, with a country code that no country has. The types that are left to users would be
// for this, but av1parse of GStreamer 1.22 throws a picture away that has one of them.
constexpr std::array<std::uint8_t, 3> metadata_head = {4, 0xFF, 0xFF};

std::optional<std::size_t> take_leb128(Bytes& bytes) {
    std::size_t value = 0;
    for (int i = 0; i < 4 && !bytes.empty(); ++i) {
        const std::uint8_t byte = bytes[0];
        bytes = bytes.subspan(1);
        value |= static_cast<std::size_t>(byte & 0x7FU) << (7 * i);
        if ((byte & 0x80U) == 0) return value;
    }
    return std::nullopt;
}

void put_leb128(std::vector<std::uint8_t>& out, std::size_t value) {
    for (; value >= 0x80; value >>= 7) out.push_back(static_cast<std::uint8_t>(value | 0x80U));
    out.push_back(static_cast<std::uint8_t>(value));
}

struct Obu {
    std::size_t offset = 0;
    int type = 0;
    Bytes payload;
};

// Only OBUs with a size can be followed; the last one may have none.
std::optional<Obu> take_obu(Bytes all, Bytes& rest) {
    if (rest.empty()) return std::nullopt;
    Obu obu;
    obu.offset = all.size() - rest.size();
    obu.type = rest[0] >> 3 & 0x0F;
    const bool has_extension = (rest[0] & 0x04U) != 0;
    const bool has_size = (rest[0] & 0x02U) != 0;
    const std::size_t header = has_extension ? 2 : 1;
    if (rest.size() < header) return std::nullopt;
    rest = rest.subspan(header);
    std::size_t size = rest.size();
    if (has_size) {
        const auto told = take_leb128(rest);
        if (!told || *told > rest.size()) return std::nullopt;
        size = *told;
    }
    obu.payload = rest.first(size);
    rest = rest.subspan(size);
    return obu;
}

// Frame headers, frames, tile groups, redundant headers, tile lists.
bool is_frame(int type) { return type == 3 || type == 4 || (type >= 6 && type <= 8); }

void read_metadata(Bytes payload, const Uuid& uuid, UserData& found) {
    if (payload.size() < metadata_head.size() ||
        !std::ranges::equal(payload.first(metadata_head.size()), metadata_head)) {
        return;
    }
    payload = payload.subspan(metadata_head.size());
    // Trailing bits: a one and zeros.
    while (!payload.empty() && payload.back() == 0) payload = payload.first(payload.size() - 1);
    if (!payload.empty()) payload = payload.first(payload.size() - 1);
    take_payload(payload, true, uuid, found);
}

}  // namespace

std::vector<std::uint8_t> write_user_data(const StreamFormat& format, const Uuid& uuid,
                                          Bytes payload, int temporal_id) {
    if (format.codec == Codec::av1) {
        std::vector<std::uint8_t> body(metadata_head.begin(), metadata_head.end());
        body.insert(body.end(), uuid.begin(), uuid.end());
        body.insert(body.end(), payload.begin(), payload.end());
        body.push_back(0x80);
        std::vector<std::uint8_t> out = {obu_metadata << 3 | 2};
        put_leb128(out, body.size());
        out.insert(out.end(), body.begin(), body.end());
        return out;
    }
    std::vector<std::uint8_t> raw = {user_data_unregistered};
    std::size_t size = uuid.size() + payload.size();
    for (; size >= 0xFF; size -= 0xFF) raw.push_back(0xFF);
    raw.push_back(static_cast<std::uint8_t>(size));
    raw.insert(raw.end(), uuid.begin(), uuid.end());
    raw.insert(raw.end(), payload.begin(), payload.end());
    raw.push_back(0x80);

    const auto framing = static_cast<std::size_t>(format.length_bytes);
    std::vector<std::uint8_t> out(framing == 0 ? start_code_bytes : framing);
    if (format.codec == Codec::h264) {
        out.push_back(6);
    } else {
        out.push_back(39 << 1);
        out.push_back(static_cast<std::uint8_t>(temporal_id + 1));
    }
    append_escaped(out, raw);
    if (framing == 0) {
        out[start_code_bytes - 1] = 1;
        return out;
    }
    const std::size_t length = out.size() - framing;
    if (framing < 4 && length >> (8 * framing) != 0) {
        throw std::length_error("a NAL unit is longer than its stream can say");
    }
    for (std::size_t i = 0; i < framing; ++i) {
        out[i] = static_cast<std::uint8_t>(length >> (8 * (framing - 1 - i)));
    }
    return out;
}

std::optional<UserDataPlace> user_data_place(const StreamFormat& format, Bytes picture) {
    if (format.codec == Codec::av1) {
        Bytes rest = picture;
        while (const auto obu = take_obu(picture, rest)) {
            if (is_frame(obu->type)) return UserDataPlace{obu->offset, 0};
        }
        return std::nullopt;
    }
    NalReader nals(picture, format.length_bytes);
    while (const auto nal = nals.next()) {
        if (kind_of(format.codec, nal->bytes) != NalKind::slice) continue;
        UserDataPlace place{nal->offset, 0};
        if (format.codec == Codec::h265 && nal->bytes.size() > 1) {
            place.temporal_id = std::max(0, (nal->bytes[1] & 7) - 1);
        }
        return place;
    }
    return std::nullopt;
}

UserData read_user_data(const StreamFormat& format, const Uuid& uuid, Bytes picture) {
    UserData found;
    // True when another unit may be looked at.
    auto may_go_on = [&found, units = std::size_t{0}]() mutable {
        if (units++ < max_units) return true;
        ++found.left_out;
        return false;
    };
    if (format.codec == Codec::av1) {
        Bytes rest = picture;
        while (const auto obu = take_obu(picture, rest)) {
            if (is_frame(obu->type) || !may_go_on()) break;
            if (obu->type == obu_metadata) read_metadata(obu->payload, uuid, found);
        }
        return found;
    }
    NalReader nals(picture, format.length_bytes);
    while (const auto nal = nals.next()) {
        const NalKind kind = kind_of(format.codec, nal->bytes);
        if (kind == NalKind::slice || !may_go_on()) break;
        if (kind == NalKind::sei) read_sei(nal->bytes, format.codec, uuid, found);
    }
    return found;
}

}  // namespace livesr
