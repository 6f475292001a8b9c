// Where the tracks of a transport stream stand in the time of the pipeline. All tracks share one
// mapping, so that picture, sound and patches keep their distance whatever happens: a sender that
// comes back, times that jump, a clock that runs faster than ours. What leaves never steps back.
//
// The mapping is a function of the stream's time alone (piecewise linear): a patch and its frame
// get the same time, although they arrive at different moments. No clock: arrivals are handed in.
// Times are ns. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>

namespace livesr::gst {

class Timeline {
  public:
    // A step of a track's time by more than this is another stream's time, unless it fits the
    // mapping (what was lost on the way).
    static constexpr std::int64_t jump_ns = 1'000'000'000;

    struct Placed {
        std::int64_t time_ns;
        bool restarted;         // the mapping began again with this one
        bool leftover = false;  // of before a restart: place() knows no more of its time
    };

    // The next buffer of a track of sound or pictures, in decoding order. `arrival` is the running
    // time at which it came; nothing where the source has no clock (a file): then only jumps count.
    Placed observe(int track, std::int64_t stream_ns, std::optional<std::int64_t> arrival_ns);
    // The same mapping for other times of the stream; nothing before the first observation, and for
    // a time that is not of this stream.
    std::optional<std::int64_t> place(std::int64_t stream_ns) const;
    // A track that has ended; its number may be given to another.
    void forget(int track) { tracks_.erase(track); }

    // How far the output has come.
    std::int64_t position_ns() const { return position_ns_; }
    // How much later than its time the quickest buffer of the last window arrived.
    std::int64_t lateness_ns() const { return lateness_ns_; }
    std::uint64_t restarts() const { return restarts_; }

  private:
    struct Knot {
        std::int64_t from_ns;  // of the stream
        std::int64_t offset_ns;
        double rate;
    };

    using Mapping = std::deque<Knot>;
    struct Track {
        std::int64_t last_ns;   // in the stream
        std::uint64_t restart;  // how many restarts it has taken part in
        int leftovers = 0;
    };

    static std::int64_t offset_at(const Mapping& mapping, std::int64_t stream_ns);
    bool is_leftover(Track& track, bool jumped, std::int64_t late_ns) const;
    void anchor(std::int64_t stream_ns, std::int64_t time_ns);
    bool watch_clock(std::int64_t stream_ns, std::int64_t arrival_ns, std::int64_t late_ns);
    void steer(std::int64_t error_ns);

    Mapping knots_;
    Mapping before_;  // the last restart
    std::map<int, Track> tracks_;
    std::int64_t newest_ns_ = 0;  // stream time, of all tracks
    std::int64_t position_ns_ = 0;
    std::int64_t lateness_ns_ = 0;
    std::uint64_t restarts_ = 0;
    // The window in which the quickest buffer is looked for.
    std::optional<std::int64_t> window_began_ns_;
    std::int64_t quickest_ns_ = INT64_MAX;
};

}  // namespace livesr::gst
