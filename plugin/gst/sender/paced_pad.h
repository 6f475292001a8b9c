// The last pad before the network, where it is decided what goes out and when: nothing that is
// stale (FreshGate), never more than the cap in any second (WireLimit), and one packet after the
// other as fast as the link is thought to be (WirePacer). A list of packets goes one by one. While
// the other end is silent only an empty packet now and then goes out, to find out whether it still
// is: what went would be sent again, all at once, when the link is back.
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

namespace livesr::gst {

class PacedPad {
  public:
    struct Hooks {
        // Pictures were lost or dropped: the encoder is to begin afresh. From the streaming thread.
        std::function<void()> on_key_wanted;
        // The stream's clock, which stands while the pipeline is paused (ns). Not there: a steady
        // one.
        std::function<std::uint64_t()> now_ns;
    };

    explicit PacedPad(Hooks hooks = {});
    ~PacedPad() { release(); }
    PacedPad(const PacedPad&) = delete;
    PacedPad& operator=(const PacedPad&) = delete;

    // Paces this pad from now on, instead of the one before. hold() and release() come from one
    // thread at a time.
    void hold(GstPad* pad);
    // Does not wait for a packet that is being held back, but for a hook that runs.
    void release();
    bool holds() const { return pad_ != nullptr; }

    // --- any thread ---
    // See WirePacer::set_rate.
    void set_rate(std::uint32_t rate_bps) { shared_->rate_bps = rate_bps; }
    // See WireLimit::set_cap.
    void set_cap(std::uint32_t cap_bps) { shared_->cap_bps = cap_bps; }
    // See FreshGate::set_bound.
    void set_bound(std::uint64_t bound_ns) { shared_->bound_ns = bound_ns; }
    std::uint64_t bound_ns() const { return shared_->bound_ns; }
    // What went out of late did not arrive: nothing more goes before the next key frame.
    void await_key() { shared_->awaits_key = true; }
    // Whether the other end acknowledges nothing.
    void set_silent(bool is_silent) { shared_->is_silent = is_silent; }
    // The transport has sent so much again, on top of what came through here.
    void add_sent_again(std::uint64_t bytes) { shared_->bytes_sent_again += bytes; }
    // So many pictures, and bytes, were dropped.
    std::uint64_t pictures_dropped() const { return shared_->pictures_dropped; }
    std::uint64_t bytes_dropped() const { return shared_->bytes_dropped; }

    // Outlives the pad's probe, which may still run when it has been removed.
    struct Shared {
        std::mutex hooks_mutex;  // held while a hook runs; none runs after release()
        Hooks hooks;
        std::atomic<std::uint32_t> rate_bps = 0;
        std::atomic<std::uint32_t> cap_bps = 0;
        std::atomic<std::uint64_t> bound_ns = 0;
        std::atomic<bool> awaits_key = false;
        std::atomic<bool> is_silent = false;
        std::atomic<std::uint64_t> bytes_sent_again = 0;  // not counted yet
        std::atomic<std::uint64_t> pictures_dropped = 0;
        std::atomic<std::uint64_t> bytes_dropped = 0;
    };

  private:
    const std::shared_ptr<Shared> shared_;
    std::shared_ptr<std::atomic<bool>> is_released_;  // of the pad that is held now
    GstPad* pad_ = nullptr;
    gulong probe_ = 0;
};

}  // namespace livesr::gst
