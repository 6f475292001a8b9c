// What the stream would look like at another size: the frames of a few seconds encoded beside the
// stream at a bit rate, decoded, enlarged as a receiver does that has learned nothing yet, and
// compared with the original, and so is the stream itself in the same frames. Not a decision: that
// is the engine's.
#pragma once

#include <gst/gst.h>
#include <gst/video/video.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "gst/sender/frame_store.h"

namespace livesr::gst {

// dB of luma over the whole frame, whose decoded picture is of this scale.
double shown_psnr_db(const LumaFrame& frame);

// One chain of scaler, encoder and decoder with a thread of its own, of low priority. add_frame is
// for the streaming thread of the originals, the rest for any.
class RungTrial {
  public:
    struct Order {
        std::uint64_t number = 0;  // the engine's
        Scale scale = 1;
        std::uint32_t video_bitrate_bps = 0;
        GstClockTime warm_up = 0;   // until the rate control has found its rate
        GstClockTime measured = 0;  // after that
    };
    struct Outcome {
        std::uint64_t number = 0;
        std::string failure;  // empty: all that follows holds
        std::size_t pictures = 0;
        double psnr_db = 0.0;       // mean over the pictures
        double live_psnr_db = 0.0;  // of the stream, over the same
        std::uint64_t video_bytes = 0;
        std::uint64_t live_video_bytes = 0;
        GstClockTime measured = 0;
    };
    // Called once, from the trial's thread; in lockstep from add_frame.
    using Done = std::function<void(const Outcome&)>;

    // caps: of the frames, I420. encoder: a launch fragment.
    RungTrial(const Order& order, const std::string& encoder, GstCaps* caps, bool lockstep,
              Done done);
    ~RungTrial();
    RungTrial(const RungTrial&) = delete;
    RungTrial& operator=(const RungTrial&) = delete;

    // caps: of this buffer; with other caps than the first one's the trial ends without a result.
    // may_measure: the stream's own picture of this frame will be given to add_live. Returns
    // whether it is wanted. video_bytes: of the stream up to here.
    bool add_frame(GstBuffer* buffer, GstCaps* caps, GstClockTime running_time, bool may_measure,
                   std::uint64_t video_bytes);
    void add_live(const LumaFrame& frame);
    // Nothing more is wanted.
    bool over() const;

  private:
    struct Queued {
        GstBuffer* buffer;  // a copy of ours; null: the end
        GstClockTime running_time;
        bool measured;
    };
    struct Chain;

    void run();
    std::string push_all(Chain& chain);
    void take_picture(GstBuffer* buffer, GstClockTime running_time, const GstVideoInfo& info);
    void conclude(std::string failure);
    GstClockTime end() const { return *begin_ + order_.warm_up + order_.measured; }

    const Order order_;
    const std::string encoder_;
    GstCaps* const caps_;  // a reference of ours
    GstVideoInfo info_{};
    const bool lockstep_;
    const Done done_;

    // Streaming thread of the originals only.
    std::optional<GstClockTime> begin_;
    std::optional<GstClockTime> last_slot_;
    std::optional<std::uint64_t> bytes_at_begin_;  // of the stream, when measuring began

    // Thread of the trial only.
    std::map<GstClockTime, LumaFrame> originals_;
    std::uint64_t frames_to_warm_up_ = 0;

    mutable std::mutex mutex_;  // guards all below
    std::condition_variable changed_;
    std::deque<Queued> queue_;
    std::map<GstClockTime, double> tried_db_;
    std::map<GstClockTime, double> live_db_;
    std::uint64_t video_bytes_ = 0;
    std::uint64_t live_video_bytes_ = 0;
    std::uint64_t warm_up_frames_ = 0;
    bool stopping_ = false;
    bool too_slow_ = false;
    bool complete_ = false;  // all frames are in
    bool worked_off_ = false;
    std::string failure_;
    bool over_ = false;

    std::thread thread_;  // last: uses all of the above
};

}  // namespace livesr::gst
