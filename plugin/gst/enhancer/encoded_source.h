// How much video the server really received: the encoded bytes that enter the decoder before the
// enhancer.
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>

namespace livesr::gst {

// The first source pad upstream of a sink pad for raw video that gives none: what the decoder is
// fed with. Owned by the caller; null where there is no decoder.
GstPad* find_encoded_source(GstPad* raw);

// Counts what flows into the decoder that is upstream of a pad of raw video.
class EncodedVideoCounter {
  public:
    ~EncodedVideoCounter() { stop(); }

    // Looks for the decoder, which may be another one than before; for the streaming thread. `raw`
    // has a peer.
    void watch(GstPad* raw);
    void stop();
    // Since the decoder was found; nullopt before, and where there is none.
    std::optional<std::uint64_t> bytes() const;

  private:
    void release();

    mutable std::mutex mutex_;
    GstPad* pad_ = nullptr;  // owned
    gulong probe_ = 0;
    std::atomic<std::uint64_t> bytes_{0};
};

}  // namespace livesr::gst
