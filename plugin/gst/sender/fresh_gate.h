// Lets through what a live stream has to show now, and drops what has become stale: after an outage
// of the link, or where the machine or the link is too slow for all of it. Pictures that build on a
// dropped one are dropped too, up to the next key frame. No clock: times are handed in (ns). Not
// thread-safe.
//
// How late something is counts from how soon the stream's data comes at best, so that a stream's
// own delay is none. Lateness that stays while data comes no faster than in real time is the
// stream's own from then on (a source that was paused, say): a backlog comes faster than that.
#pragma once

#include <cstdint>
#include <optional>

namespace livesr::gst {

class FreshGate {
  public:
    // No time of its own: it is of the data before it.
    static constexpr std::uint64_t no_time = UINT64_MAX;
    // Dropping goes on until data is this fresh: what had waited is not to make all the rest late.
    static constexpr std::uint64_t max_fresh_ns = 100'000'000;
    // Lateness that stays this long without being made up for is the stream's own.
    static constexpr std::uint64_t max_backlog_ns = 1'000'000'000;
    // So long a key frame is waited for; an encoder that makes none gets its pictures through
    // anyway.
    static constexpr std::uint64_t max_key_wait_ns = 3'000'000'000;
    // One that was asked for and did not come is asked for again.
    static constexpr std::uint64_t key_wish_interval_ns = 500'000'000;

    // What is later than this is stale; 0: nothing is.
    void set_bound(std::uint64_t bound_ns) { bound_ns_ = bound_ns; }
    // Something behind the gate was lost: nothing is of use before the next key frame.
    void await_key(std::uint64_t now_ns);
    // Whether this goes on. is_key: decodable without what went before.
    bool lets_through(std::uint64_t now_ns, std::uint64_t media_ns, bool is_key);
    // Whether a key frame is to be asked for now.
    bool takes_wish_for_key();
    bool is_stale() const { return is_stale_; }
    // Of the data seen last.
    std::uint64_t late_ns() const { return late_ns_; }

  private:
    void measure(std::uint64_t now_ns, std::uint64_t media_ns);
    void judge(std::uint64_t now_ns, std::uint64_t media_ns);
    void wish_for_key(std::uint64_t now_ns);

    std::uint64_t bound_ns_ = 0;
    // How far the media time is behind the clock at best; nothing: not known yet.
    std::optional<double> best_offset_ns_;
    double offset_ns_ = 0;
    std::uint64_t seen_ns_ = 0;
    std::uint64_t media_ns_ = 0;
    std::uint64_t late_ns_ = 0;
    bool is_stale_ = false;
    // Where the backlog was when it was last looked at.
    std::uint64_t mark_ns_ = 0;
    std::uint64_t mark_media_ns_ = 0;
    std::optional<std::uint64_t> key_awaited_since_ns_;
    bool wishes_key_ = false;
    std::uint64_t wished_ns_ = 0;
};

}  // namespace livesr::gst
