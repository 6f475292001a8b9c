// See rungs.h.
#include "gst/sender/rungs.h"

#include <utility>

namespace livesr::gst {
namespace {

// A change costs a key frame. To wait longer for the encoder's own costs more of the better size.
constexpr GstClockTime longest_wait = GST_SECOND;

bool key_is_near(const Rungs::Encoder& encoder) {
    if (!encoder.time_to_key) return false;
    const GstClockTime time = encoder.time_to_key();
    return time > 0 && GST_CLOCK_TIME_IS_VALID(time) && time <= longest_wait;
}

}  // namespace

void Rungs::start(const Scale& first_scale, bool lockstep) {
    const std::lock_guard lock(mutex_);
    lockstep_ = lockstep;
    scale_ = wanted_ = first_scale;
    may_wait_ = false;
    refused_ = false;
    order_.reset();
    changes_ = trials_ = 0;
}

void Rungs::stop() {
    std::shared_ptr<RungTrial> trial;
    const std::lock_guard lock(mutex_);
    order_.reset();
    trial.swap(trial_);
}

void Rungs::set_encoder(Encoder encoder) {
    const std::lock_guard lock(mutex_);
    encoder_ = std::move(encoder);
}

void Rungs::want(const Scale& scale) {
    const std::lock_guard lock(mutex_);
    wanted_ = scale;
    may_wait_ = false;
}

void Rungs::want_at_key_frame(const Scale& scale) {
    const std::lock_guard lock(mutex_);
    wanted_ = scale;
    may_wait_ = true;
}

void Rungs::order(const RungTrial::Order& order) {
    const std::lock_guard lock(mutex_);
    order_ = order;
}

Scale Rungs::scale() const {
    const std::lock_guard lock(mutex_);
    return scale_;
}

bool Rungs::can_switch() const {
    const std::lock_guard lock(mutex_);
    return encoder_.on_switch != nullptr;
}

std::uint64_t Rungs::changes() const {
    const std::lock_guard lock(mutex_);
    return changes_;
}

std::uint64_t Rungs::trials() const {
    const std::lock_guard lock(mutex_);
    return trials_;
}

Scale Rungs::take_up() {
    Encoder encoder;
    Scale wanted;
    bool may_wait = false;
    {
        const std::lock_guard lock(mutex_);
        if (wanted_ == scale_) return scale_;
        wanted = wanted_;
        may_wait = may_wait_;
        encoder = encoder_;
    }
    if (may_wait && key_is_near(encoder)) return scale();
    const bool switched = encoder.on_switch && encoder.on_switch(wanted);
    bool tell = false;
    Scale scale;
    {
        const std::lock_guard lock(mutex_);
        if (switched) {
            scale_ = wanted;
            ++changes_;
        } else {
            if (wanted_ == wanted) wanted_ = scale_;
            tell = !std::exchange(refused_, true);
        }
        scale = scale_;
    }
    if (tell) callbacks_.on_refused(wanted);
    return scale;
}

bool Rungs::add_frame(GstBuffer* buffer, GstCaps* caps, GstClockTime running_time, bool may_measure,
                      std::uint64_t video_bytes) {
    std::shared_ptr<RungTrial> trial;
    std::shared_ptr<RungTrial> gone;  // ends without the lock
    {
        const std::lock_guard lock(mutex_);
        if (trial_ && (order_ || trial_->over())) gone = std::move(trial_);
        if (order_ && !encoder_.fragment.empty()) {
            trial_ = std::make_shared<RungTrial>(*order_, encoder_.fragment, caps, lockstep_,
                                                 callbacks_.on_outcome);
            ++trials_;
        }
        order_.reset();
        trial = trial_;
    }
    return trial && trial->add_frame(buffer, caps, running_time, may_measure, video_bytes);
}

void Rungs::add_live(const LumaFrame& frame) {
    std::shared_ptr<RungTrial> trial;
    {
        const std::lock_guard lock(mutex_);
        trial = trial_;
    }
    if (trial && !trial->over()) trial->add_live(frame);
}

}  // namespace livesr::gst
