// Reading of patch packets.
#include "gst/enhancer/patch_input.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "gst/enhancer/media_time.h"

namespace livesr::gst {

namespace {

// A gap beyond this is no loss: the sender has restarted, or the packet lies.
constexpr std::uint32_t max_lost_at_once = 10'000;

// Beyond what any encoder looks ahead, and frames last.
constexpr int max_early_pictures = 250;
constexpr std::uint64_t max_interval_ns = 1'000'000'000;

// Of streams that do not say their frame rate.
constexpr std::uint64_t assumed_interval_ns = 1'000'000'000 / 30;

}  // namespace

void PacketLoss::received(std::uint32_t stream_id, std::uint32_t sequence) {
    const bool is_new = stream_id_ != stream_id;
    const std::uint32_t ahead = sequence - next_;
    stream_id_ = stream_id;
    if (!is_new && ahead >= 0x8000'0000U) {
        if (lost_ > 0) --lost_;
        return;
    }
    if (!is_new && ahead <= max_lost_at_once) lost_ += ahead;
    next_ = sequence + 1;
}

bool SeenPackets::add(std::uint32_t stream_id, std::uint32_t sequence) {
    const std::uint32_t ahead = sequence - newest_;
    const std::uint32_t behind = newest_ - sequence;
    if (stream_id_ != stream_id || (ahead >= remembered && behind >= remembered)) {
        stream_id_ = stream_id;
        newest_ = sequence;
        seen_.reset();
    } else if (ahead < remembered) {
        for (; newest_ != sequence; ++newest_) seen_.reset((newest_ + 1) % remembered);
    }
    const bool is_new = !seen_.test(sequence % remembered);
    seen_.set(sequence % remembered);
    return is_new;
}

bool TransportTimes::agree(std::uint64_t hint_ns, std::uint64_t sender_time_ns,
                           std::uint64_t interval_ns) {
    const std::int64_t offset =
        static_cast<std::int64_t>(hint_ns) - static_cast<std::int64_t>(sender_time_ns);
    const auto tolerance =
        static_cast<std::int64_t>((interval_ns != 0 ? interval_ns : assumed_interval_ns) / 2);
    const bool agrees = !offset_ns_ || std::abs(offset - *offset_ns_) <= tolerance;
    offset_ns_ = offset;
    return agrees;
}

bool PatchInput::afford(const CodedPatch& patch) {
    const double pixels = static_cast<double>(patch.width) * patch.height;
    if (!patches_.covers(1) || !pixels_.covers(pixels)) {
        ++counts_.over_budget;
        return false;
    }
    patches_.spend(1);
    pixels_.spend(pixels);
    return true;
}

PatchInput::Arrivals PatchInput::read(std::span<const std::uint8_t> bytes, const Moment& moment) {
    Arrivals arrivals;
    counts_.bytes += bytes.size();
    patches_.refill(moment.now_ns);
    pixels_.refill(moment.now_ns);
    while (!bytes.empty()) {
        const std::size_t size_before = bytes.size();
        PatchPacket packet;
        const PacketError error = read_packet(bytes, packet);
        ++counts_.received;
        if (error != PacketError::none) {
            ++counts_.packet_errors[static_cast<std::size_t>(error)];
            // Nothing was skipped: where the next triplet begins is unknown.
            if (bytes.size() == size_before) break;
            continue;
        }
        const PacketHeader& header = packet.header;
        if (!seen_.add(header.stream_id, header.sequence)) {
            ++counts_.repeated;
            continue;
        }
        loss_.received(header.stream_id, header.sequence);
        if (scale_ != 0 && header.scale != scale_) {
            ++counts_.other_scale;
            foreign_scale_ = header.scale;
            continue;
        }
        auto holds_from_ns = moment.hint_ns;
        if (moment.carrier) {
            // A look-ahead may have let it leave with an earlier picture than its own.
            const int early = std::clamp(-moment.carrier->back, 0, max_early_pictures);
            holds_from_ns =
                moment.carrier->running_time_ns +
                static_cast<std::uint64_t>(early) * std::min(moment.interval_ns, max_interval_ns);
        }
        arrivals.size = {holds_from_ns, header.frame_width, header.frame_height};
        if (packet.patches.empty()) {
            ++counts_.announcements;
        } else {
            read_patches(packet, moment, arrivals);
        }
    }
    return arrivals;
}

void PatchInput::read_patches(const PatchPacket& packet, const Moment& moment, Arrivals& arrivals) {
    const PacketHeader& header = packet.header;
    const auto sender_time_ns = possible_time(header.running_time_ns);
    if (!sender_time_ns) ++counts_.bad_time;
    const bool may_trust = !moment.hint_ns || !sender_time_ns ||
                           times_.agree(*moment.hint_ns, *sender_time_ns, moment.interval_ns);
    if (!may_trust) ++counts_.distrusted_times;
    for (const CodedPatch& coded : packet.patches) {
        ++counts_.patches;
        if (!afford(coded)) continue;
        ReceivedPatch patch;
        if (may_trust) patch.hint_ns = moment.hint_ns;
        patch.carrier = moment.carrier;
        patch.sequence = header.sequence;
        patch.stream_id = header.stream_id;
        patch.sender_time_ns = sender_time_ns;
        patch.scale = header.scale;
        patch.x = coded.x;
        patch.y = coded.y;
        patch.width = coded.width;
        patch.height = coded.height;
        if (coded.codec == PatchCodec::residual) {
            patch.residual_step = coded.quality;
            patch.residual.assign(coded.payload.begin(), coded.payload.end());
        } else if (auto pixels = decode_jpeg_luma(coded.payload, coded.width, coded.height)) {
            patch.high = std::move(*pixels);
        } else {
            ++counts_.bad_image;
            continue;
        }
        arrivals.patches.push_back(std::move(patch));
    }
}

}  // namespace livesr::gst
