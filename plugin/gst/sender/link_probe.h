// Watches the element that takes the stream to the network, and tells what an estimate of the
// uplink is made from: an srtsink's counters, or the transport-wide feedback that an rtpsession
// receives. Guards what goes to it (PacedPad): a srtsink sends whatever it gets at once. Where no
// element is named that is the network's element that the stream leads to. Has a thread of its own.
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
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

    // on_key_wanted: see PacedPad::Hooks.
    explicit LinkProbe(Sink sink, std::function<void()> on_key_wanted = {});
    ~LinkProbe() { stop(); }
    LinkProbe(const LinkProbe&) = delete;
    LinkProbe& operator=(const LinkProbe&) = delete;

    // Looks for the element in the pipeline that `inside` is in, and says so on it when there is
    // none. Neither an unknown name nor an element that goes away is an error: it may come later.
    // guards: the encoder is ours, so that pictures may be dropped and a key frame asked for.
    void start(GstElement* inside, LinkChoice choice, bool guards = false);
    void stop();
    // How fast packets are to follow one another at a srtsink (bit/s); 0: as they come.
    void set_pace(std::uint32_t rate_bps) { paced_.set_rate(rate_bps); }
    // What video and patches may take in any second, where this guards (bit/s).
    void set_cap(std::uint32_t cap_bps) { cap_bps_ = cap_bps; }
    // What is later than this before the encoder would be stale on the network (ns); 0: nothing is,
    // since nothing is guarded.
    std::uint64_t raw_bound_ns() const;
    const PacedPad& outlet() const { return paced_; }

  private:
    struct Watched {
        GstPad* pad;
        gulong probe;
    };

    void run();
    bool look();
    GstElement* find() const;
    bool sample_srt();
    bool read_srt(GstElement* element, bool tells);
    void watch_outlet();
    GstPad* find_outlet() const;
    void guard(std::uint64_t latency_ns);
    void note_connection(GstElement* element, const nlohmann::json& counters);
    void note_acks(const GstStructure* stats, const nlohmann::json& counters);
    std::uint64_t stream_now_ns() const;
    void warn_of_no_element() const;
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
    bool guards_ = false;
    std::atomic<std::uint32_t> cap_bps_ = 0;
    // Of the thread.
    std::vector<Watched> watched_;
    GstPad* outlet_ = nullptr;  // where no element is named
    bool is_connected_ = false;
    bool was_connected_ = false;
    std::uint64_t bytes_sent_ = 0;  // of the connection
    double acks_ = -1;
    std::uint64_t acked_ns_ = 0;
    std::uint64_t packets_at_ack_ = 0;  // that had been sent then
    bool is_silent_ = false;
    std::uint64_t silent_ns_ = 0;  // when it was last
    std::uint64_t sent_again_ = 0;
    PacedPad paced_;  // held and released by the thread
};

// The counters of one connection; null when `stats` (a structure that srtsink gives) has none.
nlohmann::json srt_message(const GstStructure* stats, guint64 time_ns);
// What a rtpsession's event tells of its packets; null when it is another event.
nlohmann::json twcc_message(const GstStructure* event, guint64 time_ns);

}  // namespace livesr::gst
