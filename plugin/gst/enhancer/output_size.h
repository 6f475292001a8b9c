// How large the picture becomes: the true sizes that a sender announces, against what is decoded. A
// claim holds only where the decoded picture is of that size by a scale that there is, and within
// the limits of the element; until one does, the picture becomes twice as large, where that is
// within the limits. A size that held goes on for pictures that it does not fit, so that the output
// keeps its caps. Pure: no GStreamer, no clock, no threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "core/picture/scale.h"
#include "gst/enhancer/allowance.h"

namespace livesr::gst {

// The true size of the stream, as a packet has it.
struct AnnouncedSize {
    // Running time from which on it holds, by the transport; absent: it does not say.
    std::optional<std::uint64_t> hint_ns;
    int width = 0;
    int height = 0;

    bool same_size(const AnnouncedSize& other) const {
        return width == other.width && height == other.height;
    }
};

struct SizeLimits {
    int width = 4096;
    int height = 2304;

    bool allow(int w, int h) const { return w <= width && h <= height; }
};

class OutputSize {
  public:
    // scale: that pictures are sent at; none: whatever the sender chooses.
    OutputSize(const Scale& scale, const SizeLimits& limits) : scale_(scale), limits_(limits) {}

    void announce(const AnnouncedSize& size);
    // Pictures of this size are decoded from now on.
    void set_picture(int width, int height);
    // The picture of this time is next: takes up what holds from there on. True when the output's
    // size has changed.
    bool adopt(std::uint64_t running_time_ns, std::uint64_t interval_ns);
    // A flush: times of before mean nothing.
    void forget_times();

    // Scale of a decoded picture of this size; none: of no sender of ours, or it is not enlarged.
    Scale scale_of(int width, int height) const;
    // Size of the output for such a picture; absent where the limits refuse it. Padding that the
    // scale asks for does not count: it is cropped at the limit.
    std::optional<std::pair<int, int>> output_for(int width, int height) const;

    const std::optional<AnnouncedSize>& announced() const { return size_; }
    // Whether one was announced that may still become the size.
    bool has_pending() const { return !pending_.empty(); }
    bool fits_pending(int width, int height) const;
    // The latest claim that was refused; absent: none was.
    const std::optional<AnnouncedSize>& last_refused() const { return last_refused_; }
    std::uint64_t refused() const { return refused_; }

  private:
    static constexpr std::size_t max_pending = 16;

    struct Claim {
        AnnouncedSize size;
        std::optional<std::uint64_t> due_since_ns;  // and no picture that it fits has come
    };

    Scale scale_by(int width, int height, const AnnouncedSize& size) const;
    void refuse(const AnnouncedSize& size);
    void take(std::deque<Claim>::iterator claim);
    void refuse_unfit(std::uint64_t running_time_ns);
    bool is_due(const Claim& claim, std::uint64_t running_time_ns, std::uint64_t interval_ns) const;

    Scale scale_;
    SizeLimits limits_;
    int width_ = 0, height_ = 0;  // of the decoded picture
    std::optional<AnnouncedSize> size_;
    // Announced ahead of the picture from which on they hold, each different from the one before.
    std::deque<Claim> pending_;
    // Each change of the output's size makes every element downstream begin again.
    Allowance changes_{0.1, 4.0};
    std::uint64_t refused_ = 0;
    std::optional<AnnouncedSize> last_refused_;
};

}  // namespace livesr::gst
