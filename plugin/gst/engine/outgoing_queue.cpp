// See outgoing_queue.h.
#include "gst/engine/outgoing_queue.h"

#include <algorithm>
#include <utility>

namespace livesr::gst {

bool OutgoingQueue::push(Frame frame, Delivery delivery) {
    if (bytes_ - losable_bytes_ + frame.size() > max_bytes_) return false;
    make_room(frame.size());
    bytes_ += frame.size();
    if (delivery == Delivery::can_be_lost) losable_bytes_ += frame.size();
    entries_.push_back({std::move(frame), delivery});
    return true;
}

void OutgoingQueue::push_hello(Frame frame) {
    bytes_ += frame.size();
    entries_.push_back({std::move(frame), Delivery::certain});
}

void OutgoingQueue::make_room(std::size_t bytes) {
    if (bytes_ + bytes <= max_bytes_) return;
    std::deque<Entry> kept;
    for (Entry& entry : entries_) {
        if (bytes_ + bytes > max_bytes_ && entry.delivery == Delivery::can_be_lost) {
            bytes_ -= entry.frame.size();
            losable_bytes_ -= entry.frame.size();
            ++lost_;
        } else {
            kept.push_back(std::move(entry));
        }
    }
    entries_ = std::move(kept);
}

OutgoingQueue::Frame OutgoingQueue::take() {
    Entry entry = std::move(entries_.front());
    entries_.pop_front();
    bytes_ -= entry.frame.size();
    if (entry.delivery == Delivery::can_be_lost) losable_bytes_ -= entry.frame.size();
    return std::move(entry.frame);
}

void OutgoingQueue::clear() {
    entries_.clear();
    bytes_ = 0;
    losable_bytes_ = 0;
}

}  // namespace livesr::gst
