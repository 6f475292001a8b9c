// See packet_writer.h.
#include "gst/sender/packet_writer.h"

#include <algorithm>
#include <optional>
#include <span>
#include <stdexcept>
#include <utility>

namespace livesr::gst {

namespace {

constexpr GstClockTime announcement_interval = GST_SECOND;

// Patches of one frame share a triplet and its 46 bytes. No more than these: JPEG patches of 8 kB
// each still fit MPEG-TS (core/patch/packet.h), and one lost buffer does not cost a whole round.
constexpr std::size_t most_cells_together = 5;

bool is_padded(const LumaFrame& frame, const Scale& scale) {
    return padded_side(frame.width, scale) != frame.width ||
           padded_side(frame.height, scale) != frame.height;
}

}  // namespace

void PacketWriter::start(std::uint32_t stream_id) {
    const std::lock_guard lock(mutex_);
    stamp_ = {stream_id, 0};
    begin_ = 0;
    next_announcement_ = 0;
    announced_width_ = announced_height_ = 0;
    announced_scale_ = 0;
    carrying_ = announcements_ = {};
    dropped_ = 0;
}

void PacketWriter::begin_again(GstClockTime running_time) {
    PacketOutlet* outlet = nullptr;
    {
        const std::lock_guard lock(mutex_);
        begin_ = running_time;
        outlet = outlet_;
    }
    if (outlet) outlet->drop_before(running_time);
}

bool PacketWriter::has_receiver(const LumaFrame& frame) const {
    const std::lock_guard lock(mutex_);
    return frame.running_time >= begin_;
}

PacketStamp PacketWriter::next_stamp() {
    const std::lock_guard lock(mutex_);
    const PacketStamp stamp = stamp_;
    ++stamp_.sequence;
    return stamp;
}

void PacketWriter::set_outlet(PacketOutlet* outlet) {
    if (outlet) {
        outlet->set_on_sent(
            [this](const OutgoingPacket& packet, std::size_t bytes) { on_sent(packet, bytes); });
    }
    const std::lock_guard lock(mutex_);
    outlet_ = outlet;
}

PacketOutlet* PacketWriter::outlet() const {
    const std::lock_guard lock(mutex_);
    return outlet_;
}

void PacketWriter::send(const LumaFrame& frame, std::vector<std::uint8_t> packet,
                        std::size_t patches) {
    PacketOutlet* const outlet = this->outlet();
    if (!outlet) return;
    // An announcement is needed, and its 46 bytes are in the ledger's margin.
    const auto room = patches == 0 ? std::nullopt : session_.patch_room_bits();
    const bool fits = !room || static_cast<double>(packet.size()) * 8 <= *room;
    if (fits && has_receiver(frame) &&
        outlet->push({std::move(packet), frame.running_time, frame.pts, patches})) {
        return;
    }
    const std::lock_guard lock(mutex_);
    ++dropped_;
}

void PacketWriter::on_sent(const OutgoingPacket& packet, std::size_t bytes) {
    session_.sent(packet.running_time, bytes, packet.patches);
    const std::lock_guard lock(mutex_);
    Count& count = packet.patches == 0 ? announcements_ : carrying_;
    ++count.packets;
    count.patches += packet.patches;
    count.bytes += bytes;
}

// As many as share a buffer without holding up the video, as far as the patches so far tell.
std::size_t PacketWriter::cells_together() const {
    PacketOutlet* const outlet = this->outlet();
    if (!outlet) return most_cells_together;
    const std::size_t easy = outlet->easy_bytes();
    const std::lock_guard lock(mutex_);
    if (carrying_.patches == 0) return most_cells_together;
    const std::size_t mean = std::max<std::size_t>(1, carrying_.bytes / carrying_.patches);
    return std::clamp<std::size_t>(easy / mean, 1, most_cells_together);
}

void PacketWriter::send_cells(const LumaFrame& frame, const std::vector<std::uint32_t>& cells,
                              const PatchCoding& coding) {
    constexpr int cell = SenderSession::cell;
    const auto grid = static_cast<std::size_t>(frame.width / cell) *
                      static_cast<std::size_t>(frame.height / cell);
    if (cells.size() > grid) throw std::runtime_error("patch.select has more cells than the grid");
    for (const std::uint32_t index : cells) {
        if (index >= grid) throw std::runtime_error("patch.select has a cell outside the grid");
    }
    const std::size_t most = cells_together();
    for (std::span<const std::uint32_t> rest(cells); !rest.empty();) {
        const auto together = rest.first(std::min(rest.size(), most));
        send(frame, cells_packet(frame, cell, together, coding, next_stamp()), together.size());
        rest = rest.subspan(together.size());
    }
}

void PacketWriter::announce_if_due(const LumaFrame& frame, bool repeats) {
    {
        const std::lock_guard lock(mutex_);
        const bool changed = frame.width != announced_width_ || frame.height != announced_height_ ||
                             frame.scale != announced_scale_;
        // A flush may have set time back.
        const bool due = frame.running_time >= next_announcement_ ||
                         frame.running_time + announcement_interval < next_announcement_;
        if (!changed && !(due && (repeats || is_padded(frame, frame.scale)))) return;
        next_announcement_ = frame.running_time + announcement_interval;
        announced_width_ = frame.width;
        announced_height_ = frame.height;
        announced_scale_ = frame.scale;
    }
    send(frame, cells_packet(frame, SenderSession::cell, {}, {}, next_stamp()), 0);
}

void PacketWriter::add_stats(GstStructure* stats) const {
    const std::lock_guard lock(mutex_);
    const auto add = [stats](const char* name, std::uint64_t value) {
        gst_structure_set(stats, name, G_TYPE_UINT64, static_cast<guint64>(value), nullptr);
    };
    add("patches", carrying_.patches);
    add("patch-packets", carrying_.packets);
    add("patch-bytes", carrying_.bytes);
    add("announcements", announcements_.packets);
    add("announcement-bytes", announcements_.bytes);
    add("packets-dropped", dropped_);
}

}  // namespace livesr::gst
