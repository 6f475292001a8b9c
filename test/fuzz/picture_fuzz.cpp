// Coded pictures that carry patch packets, whole access units of any codec and framing: through the
// reader of user data and the assembly of parts into what reads packets. An input is a script of
// pictures: made up, or with parts put in where a sender puts them, and damaged afterwards.
#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "core/bitstream/access_unit.h"
#include "core/patch/carriage.h"
#include "core/patch/packet.h"
#include "gst/enhancer/patch_input.h"
#include "gst/enhancer/picture_reader.h"
#include "script.h"

namespace livesr::fuzz {
namespace {

using namespace livesr::gst;
using Bytes = std::vector<std::uint8_t>;

constexpr int max_steps = 64;
constexpr std::uint64_t frame_ns = 40'000'000;
constexpr std::array<StreamFormat, 8> formats{{{Codec::h264, 0},
                                               {Codec::h264, 1},
                                               {Codec::h264, 2},
                                               {Codec::h264, 4},
                                               {Codec::h265, 0},
                                               {Codec::h265, 2},
                                               {Codec::h265, 4},
                                               {Codec::av1, 0}}};

// A NAL unit with what stands before it.
Bytes framed(const StreamFormat& format, const Bytes& unit) {
    Bytes bytes;
    for (int i = format.length_bytes; i-- > 0;) {
        bytes.push_back(static_cast<std::uint8_t>(unit.size() >> (8 * i)));
    }
    if (format.length_bytes == 0) bytes = {0, 0, 1};
    for (const std::uint8_t byte : unit) bytes.push_back(byte);
    return bytes;
}

// Begins and ends of pictures, so that not each input has to find them.
Bytes begin_of(const StreamFormat& format) {
    if (format.codec == Codec::av1) return {0x12, 0x00, 0x0A, 0x01, 0x00};
    return framed(format, format.codec == Codec::h264 ? Bytes{0x67, 1} : Bytes{0x42, 1});
}

Bytes slice_of(const StreamFormat& format) {
    if (format.codec == Codec::av1) return {0x32, 0x02, 9, 9};
    return framed(format, format.codec == Codec::h264 ? Bytes{0x65, 7, 7} : Bytes{0x26, 3, 7});
}

void append(Bytes& to, Input more) { to.insert(to.end(), more.begin(), more.end()); }

// What goes in where a sender would put it comes out again, whatever the picture is.
void check_insertion(const StreamFormat& format, const Bytes& picture, const Bytes& payload) {
    const auto place = user_data_place(format, picture);
    if (!place) return;
    require(place->offset < picture.size(), "a place lies within the picture");
    if (format.length_bytes == 1 && 2 * payload.size() > 200) return;  // too long for its framing
    const Bytes data = write_user_data(format, carriage_uuid, payload, place->temporal_id);
    Bytes carrying = picture;
    carrying.insert(carrying.begin() + static_cast<std::ptrdiff_t>(place->offset), data.begin(),
                    data.end());
    const UserData found = read_user_data(format, carriage_uuid, carrying);
    if (found.left_out != 0) return;
    require(!found.payloads.empty() && found.payloads.back() == payload,
            "what was put into a picture is read again");
}

class Receiver {
  public:
    explicit Receiver(const StreamFormat& format) : format_(format) {}

    void picture(Script& script);
    void decoded(Script& script);
    void restart() {
        reader_.restart();
        input_.forget();
    }

  private:
    Bytes payload_of(Script& script);
    Bytes packet_of(Script& script);
    void take(const std::vector<CarriedPacket>& packets, std::optional<std::uint64_t> time_ns);

    const StreamFormat format_;
    PictureReader reader_;
    PatchInput input_{Scale()};
    std::uint32_t number_ = 0xFFFF'FFF0U;
    std::uint32_t sequence_ = 0;
    std::uint64_t taken_ = 0;
    std::uint64_t patches_ = 0;
    std::uint64_t pictures_ = 0;
};

Bytes Receiver::packet_of(Script& script) {
    PacketHeader header;
    header.sequence = script.byte() % 8 == 0 ? script.byte() : sequence_++;
    header.frame_width = 64;
    header.frame_height = 48;
    CodedPatch patch;
    patch.codec = PatchCodec::residual;
    patch.quality = 8;
    patch.width = 8;
    patch.height = 8;
    const Input bits = script.take(1U + script.byte() % 16);
    if (bits.empty()) return write_packet(header, {});
    patch.payload = bits;
    return write_packet(header, {&patch, 1});
}

// A part that a sender would write, but for what the script changes.
Bytes Receiver::payload_of(Script& script) {
    const Bytes packet = script.byte() % 4 == 0 ? Bytes(script.byte(), 0) : packet_of(script);
    CarriedPart part;
    part.picture = script.byte() % 8 == 0 ? static_cast<std::uint32_t>(script.word(4)) : number_;
    part.back =
        static_cast<std::int16_t>(script.byte() % 8 == 0 ? script.word(2) : script.byte() % 8 - 2U);
    part.message = script.byte();
    part.parts = std::max<std::uint8_t>(1, script.byte() % 4);
    part.part = script.byte() % part.parts;
    const std::size_t size = (packet.size() + part.parts - 1) / part.parts;
    const std::size_t begin = std::min(packet.size(), part.part * size);
    part.bytes = std::span(packet).subspan(begin, std::min(size, packet.size() - begin));
    return write_part(part);
}

void Receiver::picture(Script& script) {
    const std::uint8_t shape = script.byte();
    Bytes picture;
    if ((shape & 1U) != 0) picture = begin_of(format_);
    if ((shape & 2U) != 0) append(picture, script.take(script.byte()));
    if ((shape & 4U) != 0) append(picture, slice_of(format_));
    for (int i = 0; i < (shape >> 3 & 3); ++i) {
        const Bytes payload = payload_of(script);
        check_insertion(format_, picture, payload);
        const auto place = user_data_place(format_, picture);
        if (!place || format_.length_bytes == 1) continue;
        const Bytes data = write_user_data(format_, carriage_uuid, payload, place->temporal_id);
        picture.insert(picture.begin() + static_cast<std::ptrdiff_t>(place->offset), data.begin(),
                       data.end());
    }
    for (int i = 0; i < (shape >> 5 & 3) && !picture.empty(); ++i) {
        picture[script.word(2) % picture.size()] = script.byte();
    }
    if ((shape & 128U) != 0) picture.resize(picture.size() * script.byte() / 255);

    std::optional<std::uint64_t> time_ns;
    if (script.byte() % 8 != 0) time_ns = ++pictures_ * frame_ns;
    const auto packets = reader_.read_coded(format_, picture, time_ns);
    require(packets.size() <= max_payloads, "a picture gives no more than its bound");
    take(packets, time_ns);
    ++number_;
}

void Receiver::decoded(Script& script) {
    const bool is_raw = script.byte() % 4 == 0;
    const Bytes payload = is_raw ? Bytes() : payload_of(script);
    const Input raw = is_raw ? script.take(script.byte()) : Input(payload);
    const std::uint64_t time_ns = pictures_ * frame_ns;
    const auto packets = reader_.read_decoded(raw, time_ns);
    require(packets.size() <= 1, "a part completes one packet at most");
    take(packets, time_ns);
}

void Receiver::take(const std::vector<CarriedPacket>& packets,
                    std::optional<std::uint64_t> time_ns) {
    for (const CarriedPacket& packet : packets) {
        ++taken_;
        require(packet.bytes.size() <= max_klv_bytes, "a packet is no longer than one may be");
        require(packet.carrier.has_value() == time_ns.has_value(), "a carrier has a time");
        if (packet.carrier) {
            require(packet.carrier->running_time_ns == *time_ns, "it is of the picture that came");
            require(packet.carrier->back >= -32768 && packet.carrier->back <= 32767,
                    "how far back is what a part can say");
        }
        PatchInput::Moment moment;
        moment.now_ns = pictures_ * frame_ns;
        moment.carrier = packet.carrier;
        for (const ReceivedPatch& patch : input_.read(packet.bytes, moment).patches) {
            ++patches_;
            require(patch.carrier == packet.carrier, "patches keep their carrier");
            require(!patch.hint_ns, "the transport says nothing of them");
        }
    }
    require(reader_.counts().packets == taken_, "each packet is counted once");
    const double seconds = static_cast<double>(pictures_ * frame_ns) / 1e9;
    require(static_cast<double>(patches_) <=
                PatchInput::max_patches_per_second * (PatchInput::burst_seconds + seconds) + 1,
            "patches stay within their budget");
}

}  // namespace

void picture(Input input) {
    Script script(input);
    Receiver receiver(script.one_of(formats));
    for (int step = 0; step < max_steps && !script.done(); ++step) {
        const std::uint8_t kind = script.byte();
        if (kind < 200) {
            receiver.picture(script);
        } else if (kind < 250) {
            receiver.decoded(script);
        } else {
            receiver.restart();
        }
    }
}

}  // namespace livesr::fuzz
