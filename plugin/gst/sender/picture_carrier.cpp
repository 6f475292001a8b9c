// See picture_carrier.h.
#include "gst/sender/picture_carrier.h"

#include <algorithm>
#include <utility>

#include "core/patch/carriage.h"

namespace livesr::gst {

namespace {

// Waiting packets, in bytes: some seconds of patches at any rate that the scheduler plans.
constexpr std::size_t max_queued_bytes = 256U << 10U;
// What a look-ahead or a decoder's delay can lie between a picture and a packet of it.
constexpr std::size_t max_pictures = 512;
// A part below this would be mostly header.
constexpr std::size_t min_part_bytes = 256;
// Far beyond what a picture's share of a link is; keeps NAL units small where nothing limits them.
constexpr std::size_t max_part_bytes = 16'000;
// Time of the coded stream that steps by more begins anew.
constexpr std::uint64_t max_step_ns = GST_SECOND;

}  // namespace

void PictureCarrier::restart() {
    const std::lock_guard lock(mutex_);
    queue_.clear();
    queued_bytes_ = 0;
    pictures_.clear();
    next_number_ = 0;
    last_carrier_ = GST_CLOCK_TIME_NONE;
    now_ns_ = 0;
    pacer_.restart();
}

void PictureCarrier::set_format(std::optional<StreamFormat> format) {
    const std::lock_guard lock(mutex_);
    format_ = format;
}

void PictureCarrier::set_rate(std::uint32_t rate_bps) {
    const std::lock_guard lock(mutex_);
    pacer_.set_rate(rate_bps);
}

std::size_t PictureCarrier::easy_bytes() const {
    const std::lock_guard lock(mutex_);
    return pacer_.easy_bytes();
}

std::uint64_t PictureCarrier::dropped_late() const {
    const std::lock_guard lock(mutex_);
    return dropped_late_;
}

bool PictureCarrier::push(OutgoingPacket packet) {
    const std::lock_guard lock(mutex_);
    if (queued_bytes_ + packet.bytes.size() > max_queued_bytes) return false;
    queued_bytes_ += packet.bytes.size();
    Waiting& waiting = queue_.emplace_back();
    waiting.packet = std::move(packet);
    waiting.message = next_message_++;
    waiting.since_ns = now_ns_;
    return true;
}

void PictureCarrier::count_by(std::uint64_t interval_ns) {
    const std::lock_guard lock(mutex_);
    interval_ns_ = interval_ns;
}

void PictureCarrier::picture_in(GstClockTime running_time) {
    if (!GST_CLOCK_TIME_IS_VALID(running_time)) return;
    const std::lock_guard lock(mutex_);
    if (!pictures_.empty() && running_time <= pictures_.back().running_time) pictures_.clear();
    pictures_.push_back({running_time, next_number_++});
    if (pictures_.size() > max_pictures) pictures_.pop_front();
}

// With the mutex held. Encoders may round times; a picture that was left out counts as the one
// behind it.
std::uint32_t PictureCarrier::number_of(GstClockTime running_time) const {
    if (interval_ns_ != 0) {
        return static_cast<std::uint32_t>((running_time + interval_ns_ / 2) / interval_ns_);
    }
    if (pictures_.empty()) return next_number_;
    const auto at = std::ranges::lower_bound(pictures_, running_time, {}, &Picture::running_time);
    if (at == pictures_.begin()) return at->number;
    if (at == pictures_.end()) return std::prev(at)->number;
    const auto before = std::prev(at);
    const bool is_nearer = running_time - before->running_time < at->running_time - running_time;
    return is_nearer ? before->number : at->number;
}

// With the mutex held. Where time begins anew, nothing has waited in it yet.
void PictureCarrier::advance(std::uint64_t now_ns) {
    if (now_ns < now_ns_ || now_ns > now_ns_ + max_step_ns) {
        pacer_.restart();
        for (Waiting& waiting : queue_) waiting.since_ns = now_ns;
    }
    now_ns_ = now_ns;
}

// With the mutex held: how many bytes may go with a picture now, of `most`.
std::size_t PictureCarrier::room(std::uint64_t now_ns, std::size_t most) const {
    if (pacer_.may_send(now_ns, most)) return most;
    std::size_t fits = 0;
    for (std::size_t beyond = most; beyond - fits > 16;) {
        const std::size_t middle = fits + (beyond - fits) / 2;
        (pacer_.may_send(now_ns, middle) ? fits : beyond) = middle;
    }
    return fits;
}

// With the mutex held: the packets of which `which` is true.
template <typename Which>
void PictureCarrier::drop(Which which) {
    std::erase_if(queue_, [&](const Waiting& waiting) {
        if (!which(waiting)) return false;
        queued_bytes_ -= waiting.packet.bytes.size();
        ++dropped_late_;
        return true;
    });
}

// With the mutex held.
void PictureCarrier::drop_late(std::uint64_t now_ns) {
    drop([&](const Waiting& waiting) {
        // What has begun to leave would be of no use without its rest.
        return waiting.left == 0 && now_ns > waiting.since_ns &&
               now_ns - waiting.since_ns > PatchPacer::longest_wait_ns;
    });
}

void PictureCarrier::drop_before(GstClockTime running_time) {
    const std::lock_guard lock(mutex_);
    drop([&](const Waiting& waiting) { return waiting.packet.running_time < running_time; });
}

// With the mutex held. False when there is no room for it now.
bool PictureCarrier::add_part(Waiting& waiting, std::uint32_t number, int temporal_id,
                              std::uint64_t now_ns, std::vector<std::uint8_t>& data) {
    const std::vector<std::uint8_t>& bytes = waiting.packet.bytes;
    const std::size_t rest = bytes.size() - waiting.left;
    const std::size_t fits = room(now_ns, std::min(rest, max_part_bytes));
    if (waiting.part_bytes == 0) {
        const std::size_t min_size =
            std::max(min_part_bytes, (bytes.size() + max_parts - 1) / max_parts);
        if (fits < std::min(rest, min_size)) return false;
        waiting.part_bytes = std::max(fits, std::min(rest, min_size));
    }
    const std::size_t size = std::min(rest, waiting.part_bytes);
    if (fits < size) return false;
    CarriedPart part;
    part.picture = number;
    part.back = static_cast<std::int16_t>(number - number_of(waiting.packet.running_time));
    part.message = waiting.message;
    part.part = static_cast<std::uint8_t>(waiting.left / waiting.part_bytes);
    part.parts =
        static_cast<std::uint8_t>((bytes.size() + waiting.part_bytes - 1) / waiting.part_bytes);
    part.bytes = std::span(bytes).subspan(waiting.left, size);
    const auto written = write_user_data(*format_, carriage_uuid, write_part(part), temporal_id);
    data.insert(data.end(), written.begin(), written.end());
    pacer_.patch_sent(now_ns, written.size());
    waiting.left += size;
    waiting.wire_bytes += written.size();
    return true;
}

// With the mutex held: what goes with this picture, in the order in which it came.
PictureCarrier::Carried PictureCarrier::collect(std::uint32_t number, int temporal_id,
                                                std::uint64_t now_ns) {
    Carried carried;
    drop_late(now_ns);
    while (!queue_.empty()) {
        Waiting& waiting = queue_.front();
        if (!add_part(waiting, number, temporal_id, now_ns, carried.data)) break;
        if (waiting.left < waiting.packet.bytes.size()) continue;
        queued_bytes_ -= waiting.packet.bytes.size();
        carried.complete.push_back(std::move(waiting));
        queue_.pop_front();
    }
    return carried;
}

GstBuffer* PictureCarrier::carry(GstBuffer* picture, GstClockTime running_time, GstClockTime time) {
    GstMapInfo map;
    if (!GST_CLOCK_TIME_IS_VALID(running_time) || !GST_CLOCK_TIME_IS_VALID(time) ||
        !gst_buffer_map(picture, &map, GST_MAP_READ)) {
        return picture;
    }
    const std::span<const std::uint8_t> bytes(map.data, map.size);
    Carried carried;
    std::size_t offset = 0;
    {
        const std::lock_guard lock(mutex_);
        advance(std::max<std::uint64_t>(time, 1));
        pacer_.video_sent(now_ns_, map.size);
        // Of a picture in several buffers only the first slice has a place in front of it.
        const bool may_carry = format_ && !queue_.empty() && running_time != last_carrier_;
        const auto place = may_carry ? user_data_place(*format_, bytes) : std::nullopt;
        if (place) {
            last_carrier_ = running_time;
            offset = place->offset;
            carried = collect(number_of(running_time), place->temporal_id, now_ns_);
        }
    }
    GstBuffer* result = picture;
    if (!carried.data.empty()) {
        result = gst_buffer_new_and_alloc(map.size + carried.data.size());
        gst_buffer_fill(result, 0, map.data, offset);
        gst_buffer_fill(result, offset, carried.data.data(), carried.data.size());
        gst_buffer_fill(result, offset + carried.data.size(), map.data + offset, map.size - offset);
        gst_buffer_copy_into(
            result, picture,
            static_cast<GstBufferCopyFlags>(GST_BUFFER_COPY_FLAGS | GST_BUFFER_COPY_TIMESTAMPS |
                                            GST_BUFFER_COPY_META),
            0, -1);
    }
    gst_buffer_unmap(picture, &map);
    if (result != picture) gst_buffer_unref(picture);
    for (const Waiting& waiting : carried.complete) sent(waiting.packet, waiting.wire_bytes);
    return result;
}

}  // namespace livesr::gst
