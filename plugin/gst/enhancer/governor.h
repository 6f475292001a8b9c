// Which way a frame is enlarged, so that none is late: the network while there is time for it, else
// the next cheaper way that there is time for. Pure: times are handed in, no clock, no threads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

namespace livesr::gst {

// From the dearest to the cheapest: the network and remembered detail, the network alone, the small
// network, which knows nothing of the stream, and none.
enum class Way { memory, network, small, bicubic };
constexpr std::size_t way_count = 4;

// How much later frames come in than the earliest of the last seconds: what they waited for us (and
// what a decoder or a network delivers unevenly, which cannot be told from it).
class WaitEstimate {
  public:
    // lateness_ms: of a frame's arrival against its running time, at any constant offset. Returns
    // how much of it is above the least of the last ten seconds.
    double add(double now_ms, double lateness_ms);
    void clear() { least_.clear(); }

  private:
    struct Entry {
        double time_ms;
        double lateness_ms;
    };
    std::deque<Entry> least_;  // rising in both
};

class Governor {
  public:
    struct Limits {
        double interval_ms = 0.0;  // between frames, 0 when it is not known
        double most_ms = 0.0;      // the longest that a frame may take
        double left_ms = 0.0;      // from now until this frame must be out; less when it has waited
    };

    // The network and bicubic are always there.
    struct Extras {
        bool memory = false;
        bool small = false;
    };
    Governor() : Governor(Extras{}) {}
    explicit Governor(const Extras& extras)
        : has_{extras.memory, true, extras.small, true},
          way_(extras.memory ? Way::memory : Way::network) {}

    // The way for the frame that comes in now.
    Way choose(double now_ms, const Limits& limits);
    // How long a frame took that way.
    void done(Way way, double took_ms);
    // A sink says that frames reach it too late (QoS).
    void told_late(double now_ms);
    // What is shown, without a question.
    Way way() const { return way_; }
    // Times that it went to a cheaper way.
    std::uint64_t retreats() const { return retreats_; }

  private:
    // What the latest frames took.
    class Cost {
      public:
        void add(double took_ms);
        void clear() { latest_ms_.clear(); }
        double mean_ms() const;
        // The second highest: one frame that the system held up says nothing of the next.
        double likely_most_ms() const;

      private:
        std::deque<double> latest_ms_;
    };

    Cost& cost(Way way) { return costs_[static_cast<std::size_t>(way)]; }
    Way cheaper() const;
    Way dearer() const;
    bool at_best() const;
    void retreat(double now_ms);
    void rise(double now_ms);
    bool too_dear(const Limits& limits);

    std::array<bool, way_count> has_;
    std::array<Cost, way_count> costs_;
    Way way_;
    double hold_ms_ = 0.0;  // how long the present stay at a cheaper way is at the least
    double changed_ms_ = 0.0;
    std::uint64_t retreats_ = 0;
    // Being late did not end when we were cheap: it is not ours to mend.
    std::optional<double> last_told_ms_;
    bool lateness_is_not_ours_ = false;
    bool retreated_for_sink_ = false;
};

}  // namespace livesr::gst
