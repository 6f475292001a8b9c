// Holds back what comes to a sink pad as a WirePacer says; a list of packets goes one by one.
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <cstdint>
#include <memory>

namespace livesr::gst {

class PacedPad {
  public:
    PacedPad() = default;
    ~PacedPad() { release(); }
    PacedPad(const PacedPad&) = delete;
    PacedPad& operator=(const PacedPad&) = delete;

    // Paces this pad from now on, instead of the one before. hold() and release() come from one
    // thread at a time.
    void hold(GstPad* pad);
    // Does not wait for a packet that is being held back.
    void release();
    // See WirePacer::set_rate. Any thread.
    void set_rate(std::uint32_t rate_bps) { *rate_bps_ = rate_bps; }

  private:
    using Rate = std::atomic<std::uint32_t>;

    const std::shared_ptr<Rate> rate_bps_ = std::make_shared<Rate>(0);
    GstPad* pad_ = nullptr;
    gulong probe_ = 0;
};

}  // namespace livesr::gst
