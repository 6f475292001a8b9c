// Watches the element that takes the stream to the network, and tells what an estimate of the
// uplink is made from: an srtsink's counters, or the transport-wide feedback that an rtpsession
// receives. Paces what goes to a srtsink, which sends whatever it gets at once. Has a thread of its
// own.
#pragma once

#include <gst/gst.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "gst/sender/paced_pad.h"

namespace livesr::gst {

// Which element, out of the text of the property `uplink`.
struct LinkChoice {
    enum class Kind { none, srt, twcc };
    Kind kind = Kind::none;
    std::string element;  // its name

    bool operator==(const LinkChoice&) const = default;
};

// Kind::none for everything that is neither srt:NAME nor twcc:NAME.
LinkChoice parse_link_choice(const std::string& uplink);

class LinkProbe {
  public:
    // Takes a message for the engine (docs/protocol.md: link.srt, link.twcc). Called from several
    // threads, one at a time, and no more after stop(), which it must not call.
    using Sink = std::function<void(const nlohmann::json&)>;

    explicit LinkProbe(Sink sink) : sink_(std::move(sink)) {}
    ~LinkProbe() { stop(); }
    LinkProbe(const LinkProbe&) = delete;
    LinkProbe& operator=(const LinkProbe&) = delete;

    // Looks for the element in the pipeline that `inside` is in, and says so on it when there is
    // none. Neither an unknown name nor an element that goes away is an error: it may come later.
    void start(GstElement* inside, LinkChoice choice);
    void stop();
    // How fast packets are to follow one another at a srtsink (bit/s); 0: as they come.
    void set_pace(std::uint32_t rate_bps) { paced_.set_rate(rate_bps); }

  private:
    struct Watched {
        GstPad* pad;
        gulong probe;
    };

    void run();
    GstElement* find() const;
    bool sample_srt();
    bool watch_sessions();
    void unwatch();
    void tell(const nlohmann::json& message);
    static GstPadProbeReturn on_event(GstPad*, GstPadProbeInfo* info, gpointer self);

    const Sink sink_;
    std::mutex mutex_;  // guards stopping_; held while the sink is called
    std::condition_variable changed_;
    bool stopping_ = true;
    std::thread thread_;
    // Set before the thread starts.
    GstElement* inside_ = nullptr;
    LinkChoice choice_;
    std::vector<Watched> watched_;  // of the thread
    PacedPad paced_;                // held and released by the thread
};

// The counters of one connection; null when `stats` (a structure that srtsink gives) has none.
nlohmann::json srt_message(const GstStructure* stats, guint64 time_ns);
// What a rtpsession's event tells of its packets; null when it is another event.
nlohmann::json twcc_message(const GstStructure* event, guint64 time_ns);

}  // namespace livesr::gst
