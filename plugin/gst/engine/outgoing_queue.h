// Frames that wait to be written to the engine, in order, within a budget. Where it is exhausted
// the oldest frames that can be spared (patch pairs) go first. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace livesr::gst {

enum class Delivery {
    certain,     // refused when there is no room
    can_be_lost  // gives way to whatever comes later
};

class OutgoingQueue {
  public:
    using Frame = std::vector<std::uint8_t>;

    explicit OutgoingQueue(std::size_t max_bytes) : max_bytes_(max_bytes) {}

    // False: there is no room, even without all that can be lost.
    bool push(Frame frame, Delivery delivery);
    // The first message of a connection: of any size.
    void push_hello(Frame frame);
    bool empty() const { return entries_.empty(); }
    Frame take();  // the oldest; there is one
    void clear();

    // Frames that gave way, since the start.
    std::uint64_t lost() const { return lost_; }

  private:
    struct Entry {
        Frame frame;
        Delivery delivery;
    };
    void make_room(std::size_t bytes);

    const std::size_t max_bytes_;
    std::deque<Entry> entries_;
    std::size_t bytes_ = 0;
    std::size_t losable_bytes_ = 0;
    std::uint64_t lost_ = 0;
};

}  // namespace livesr::gst
