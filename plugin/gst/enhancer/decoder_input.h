// What enters the decoder in front of the enhancer: its bytes are counted, since they are what the
// server really received, and its pictures are read for the patch packets that they carry.
#pragma once

#include <gst/gst.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "gst/enhancer/picture_reader.h"

namespace livesr::gst {

class DecoderInput {
  public:
    // Called on the streaming thread of the decoder's input; not for long.
    using OnPacket = std::function<void(const CarriedPacket&)>;
    explicit DecoderInput(OnPacket on_packet = {});
    ~DecoderInput();
    DecoderInput(const DecoderInput&) = delete;
    DecoderInput& operator=(const DecoderInput&) = delete;

    // Looks for the decoder upstream of `raw`, which may be another one than before.
    void watch(GstPad* raw);
    // Once it has returned no packet comes any more. Not from within OnPacket.
    void stop();
    // Packets of pictures that had entered the decoder before it was found, from what h264parse and
    // h265parse leave on the decoded picture.
    std::vector<CarriedPacket> read_decoded(GstBuffer* picture,
                                            std::optional<std::uint64_t> running_time_ns);

    // Since the decoder was found; nullopt before, and where there is none.
    std::optional<std::uint64_t> bytes() const;
    struct Counts : PictureReader::Counts {
        std::uint64_t incomplete = 0;
    };
    Counts counts() const;

  private:
    // Shared with the probe, which may still run when it is taken away.
    struct State;
    static GstPadProbeReturn on_item(GstPad* pad, GstPadProbeInfo* info, gpointer state);
    void release();

    const std::shared_ptr<State> state_;
    mutable std::mutex mutex_;  // guards what follows; taken before any of the state's
    GstPad* pad_ = nullptr;     // owned
    gulong probe_ = 0;
};

}  // namespace livesr::gst
