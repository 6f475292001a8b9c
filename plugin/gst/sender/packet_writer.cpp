// See packet_writer.h.
#include "gst/sender/packet_writer.h"

#include <stdexcept>
#include <utility>

namespace livesr::gst {

namespace {

constexpr GstClockTime announcement_interval = GST_SECOND;

GstBuffer* klv_buffer(const std::vector<std::uint8_t>& packet, GstClockTime pts) {
    GstBuffer* buffer = gst_buffer_new_memdup(packet.data(), packet.size());
    GST_BUFFER_PTS(buffer) = pts;
    GST_BUFFER_DTS(buffer) = pts;
    return buffer;
}

bool is_padded(const LumaFrame& frame, int scale) {
    return padded_side(frame.width, scale) != frame.width ||
           padded_side(frame.height, scale) != frame.height;
}

}  // namespace

void PacketWriter::start(std::uint32_t stream_id, int scale) {
    const std::lock_guard lock(mutex_);
    stamp_ = {stream_id, 0, scale};
    next_announcement_ = 0;
    announced_width_ = announced_height_ = 0;
    patches_ = announcements_ = {};
    dropped_ = 0;
}

PacketStamp PacketWriter::next_stamp() {
    const std::lock_guard lock(mutex_);
    const PacketStamp stamp = stamp_;
    ++stamp_.sequence;
    return stamp;
}

void PacketWriter::send(const LumaFrame& frame, const std::vector<std::uint8_t>& packet,
                        bool announcement) {
    const bool taken = output_.push(klv_buffer(packet, frame.pts));
    if (taken) session_.sent(frame.running_time, packet.size(), announcement);
    const std::lock_guard lock(mutex_);
    if (taken) {
        Count& count = announcement ? announcements_ : patches_;
        ++count.packets;
        count.bytes += packet.size();
    } else {
        ++dropped_;
    }
}

void PacketWriter::send_cells(const LumaFrame& frame, const std::vector<std::uint32_t>& cells,
                              int quality) {
    const int columns = frame.width / SenderSession::cell;
    const int rows = frame.height / SenderSession::cell;
    const auto grid = static_cast<std::size_t>(columns) * static_cast<std::size_t>(rows);
    if (cells.size() > grid) throw std::runtime_error("patch.select has more cells than the grid");
    for (const std::uint32_t cell : cells) {
        if (cell >= grid) throw std::runtime_error("patch.select has a cell outside the grid");
        const auto index = static_cast<int>(cell);
        send(frame,
             patch_packet(frame, SenderSession::cell, index % columns, index / columns, quality,
                          next_stamp()),
             false);
    }
}

void PacketWriter::announce_if_due(const LumaFrame& frame) {
    {
        const std::lock_guard lock(mutex_);
        const bool changed = frame.width != announced_width_ || frame.height != announced_height_;
        // A flush may have set time back.
        const bool due = frame.running_time >= next_announcement_ ||
                         frame.running_time + announcement_interval < next_announcement_;
        if (!changed && !(due && is_padded(frame, stamp_.scale))) return;
        next_announcement_ = frame.running_time + announcement_interval;
        announced_width_ = frame.width;
        announced_height_ = frame.height;
    }
    send(frame, announcement_packet(frame.width, frame.height, frame.running_time, next_stamp()),
         true);
}

void PacketWriter::add_stats(GstStructure* stats) const {
    const std::lock_guard lock(mutex_);
    const auto add = [stats](const char* name, std::uint64_t value) {
        gst_structure_set(stats, name, G_TYPE_UINT64, static_cast<guint64>(value), nullptr);
    };
    add("patches", patches_.packets);
    add("patch-bytes", patches_.bytes);
    add("announcements", announcements_.packets);
    add("announcement-bytes", announcements_.bytes);
    add("packets-dropped", dropped_);
}

}  // namespace livesr::gst
