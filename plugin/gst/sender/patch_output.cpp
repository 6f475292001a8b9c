// See patch_output.h.
#include "gst/sender/patch_output.h"

#include <algorithm>
#include <utility>

namespace livesr::gst {

namespace {

// How soon a buffer that has to wait is asked for again.
constexpr auto retry_interval = std::chrono::milliseconds(5);
// Between two frames the stream's time goes on with the clock, up to here.
constexpr std::uint64_t longest_frame_ns = 100 * GST_MSECOND;
constexpr std::uint64_t longest_step_ns = GST_SECOND;

bool is_gap(GstMiniObject* object) {
    return GST_IS_EVENT(object) && GST_EVENT_TYPE(object) == GST_EVENT_GAP;
}

// Neither patches nor gaps: what nothing may overtake.
bool is_ordered(GstMiniObject* object) { return GST_IS_EVENT(object) && !is_gap(object); }

// Of the stream, whatever is in it: a pad without data may have it.
bool describes(GstMiniObject* object) {
    return is_ordered(object) && GST_EVENT_IS_STICKY(GST_EVENT_CAST(object)) &&
           GST_EVENT_TYPE(object) != GST_EVENT_EOS;
}

}  // namespace

void PatchOutput::run(gpointer self) { static_cast<PatchOutput*>(self)->step(); }

void PatchOutput::start() {
    {
        const std::lock_guard lock(mutex_);
        flushing_ = false;
        has_video_ = !waits_for_video_;
    }
    gst_pad_start_task(pad_, &PatchOutput::run, this, nullptr);
}

void PatchOutput::stop() {
    {
        const std::lock_guard lock(mutex_);
        flushing_ = true;
        changed_.notify_all();
    }
    gst_pad_stop_task(pad_);
    clear();
}

void PatchOutput::wait_for_video() {
    const std::lock_guard lock(mutex_);
    waits_for_video_ = true;
}

void PatchOutput::video_left() {
    const std::lock_guard lock(mutex_);
    if (std::exchange(has_video_, true)) return;
    changed_.notify_all();
}

void PatchOutput::flush_start(GstEvent* event) {
    gst_pad_push_event(pad_, event);
    {
        const std::lock_guard lock(mutex_);
        flushing_ = true;
        changed_.notify_all();
    }
    gst_pad_pause_task(pad_);
    clear();
}

void PatchOutput::flush_stop(GstEvent* event) {
    gst_pad_push_event(pad_, event);
    start();
}

void PatchOutput::clear() {
    const std::lock_guard lock(mutex_);
    for (const Item& item : queue_) gst_mini_object_unref(item.object);
    queue_.clear();
    buffers_ = 0;
    ending_ = false;
    media_ns_ = 0;
    dropped_late_ = 0;
}

void PatchOutput::set_rate(std::uint32_t rate_bps) {
    const std::lock_guard lock(mutex_);
    pacer_.set_rate(rate_bps);
    changed_.notify_all();
}

void PatchOutput::video_sent(GstClockTime time, std::size_t bytes) {
    if (!GST_CLOCK_TIME_IS_VALID(time)) return;
    const std::lock_guard lock(mutex_);
    // A seek or a new segment: what was thought of the uplink's queue is over.
    if (media_ns_ == 0 || time < media_ns_ || time > media_ns_ + longest_step_ns) {
        pacer_.restart();
    }
    media_ns_ = std::max<std::uint64_t>(time, 1);
    media_at_ = std::chrono::steady_clock::now();
    pacer_.video_sent(media_ns_, bytes);
    changed_.notify_all();
}

std::size_t PatchOutput::easy_bytes() const {
    const std::lock_guard lock(mutex_);
    return media_ns_ == 0 ? SIZE_MAX : pacer_.easy_bytes();
}

void PatchOutput::drop_before(GstClockTime running_time) {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < queue_.size();) {
        if (queue_[i].running_time < running_time) {
            gst_mini_object_unref(take(i));
            ++dropped_late_;
        } else {
            ++i;
        }
    }
}

std::uint64_t PatchOutput::dropped_late() const {
    const std::lock_guard lock(mutex_);
    return dropped_late_;
}

// The stream's time, which in a pipeline without a clock runs as it likes.
std::uint64_t PatchOutput::now_ns() const {
    if (media_ns_ == 0) return 0;
    const auto elapsed = std::chrono::steady_clock::now() - media_at_;
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(elapsed).count();
    return media_ns_ + std::min(static_cast<std::uint64_t>(ns), longest_frame_ns);
}

void PatchOutput::push(GstEvent* event) {
    const std::lock_guard lock(mutex_);
    GstMiniObject* object = GST_MINI_OBJECT_CAST(event);
    if (flushing_) {
        gst_mini_object_unref(object);
        return;
    }
    if (is_gap(object) && !queue_.empty() && is_gap(queue_.back().object)) {
        gst_mini_object_unref(queue_.back().object);
        queue_.back().object = object;
        return;
    }
    ending_ = ending_ || GST_EVENT_TYPE(event) == GST_EVENT_EOS;
    queue_.push_back({object, now_ns()});
    changed_.notify_all();
}

bool PatchOutput::push(OutgoingPacket packet) {
    {
        const std::lock_guard lock(mutex_);
        if (flushing_ || buffers_ >= most_buffers) return false;
        GstBuffer* buffer = gst_buffer_new_memdup(packet.bytes.data(), packet.bytes.size());
        GST_BUFFER_PTS(buffer) = GST_BUFFER_DTS(buffer) = packet.pts;
        queue_.push_back({GST_MINI_OBJECT_CAST(buffer), now_ns(), packet.running_time});
        ++buffers_;
        changed_.notify_all();
    }
    sent(packet, packet.bytes.size());
    return true;
}

GstMiniObject* PatchOutput::take(std::size_t index) {
    const auto item = queue_.begin() + static_cast<std::ptrdiff_t>(index);
    GstMiniObject* object = item->object;
    queue_.erase(item);
    if (GST_IS_BUFFER(object)) --buffers_;
    if (GST_IS_EVENT(object) && GST_EVENT_TYPE(object) == GST_EVENT_EOS) ending_ = false;
    return object;
}

// What describes the stream, in its order; it is behind nothing but what has to wait anyway.
GstMiniObject* PatchOutput::next_description() {
    for (std::size_t i = 0; i < queue_.size(); ++i) {
        if (describes(queue_[i].object)) return take(i);
    }
    return nullptr;
}

// What may go now; null when all has to wait.
GstMiniObject* PatchOutput::next() {
    if (!has_video_ && !ending_) return next_description();
    while (!queue_.empty() && GST_IS_BUFFER(queue_.front().object)) {
        const std::uint64_t now = now_ns();
        const std::size_t bytes = gst_buffer_get_size(GST_BUFFER_CAST(queue_.front().object));
        if (media_ns_ == 0 || ending_ || pacer_.may_send(now, bytes)) {
            pacer_.patch_sent(now, bytes);
            return take(0);
        }
        const std::uint64_t since = queue_.front().since_ns;
        if (now <= since || now - since < PatchPacer::longest_wait_ns) break;
        gst_mini_object_unref(take(0));
        ++dropped_late_;
    }
    if (queue_.empty()) return nullptr;
    if (GST_IS_EVENT(queue_.front().object)) return take(0);
    // The multiplexer waits for how far the stream has come, not for patches.
    for (std::size_t i = 0; i < queue_.size() && !is_ordered(queue_[i].object); ++i) {
        if (is_gap(queue_[i].object)) return take(i);
    }
    return nullptr;
}

// Caps that the pad has already.
bool PatchOutput::is_known(GstEvent* event) const {
    if (GST_EVENT_TYPE(event) != GST_EVENT_CAPS) return false;
    GstCaps* known = gst_pad_get_current_caps(pad_);
    GstCaps* caps = nullptr;
    gst_event_parse_caps(event, &caps);
    const bool equal = known && gst_caps_is_equal(known, caps);
    gst_clear_caps(&known);
    return equal;
}

void PatchOutput::step() {
    GstMiniObject* item = nullptr;
    {
        std::unique_lock lock(mutex_);
        while (!flushing_ && !(item = next())) {
            if (queue_.empty()) {
                changed_.wait(lock);
            } else {
                changed_.wait_for(lock, retry_interval);
            }
        }
        if (flushing_) {
            gst_pad_pause_task(pad_);
            return;
        }
    }
    if (GST_IS_EVENT(item) && is_known(GST_EVENT_CAST(item))) {
        gst_mini_object_unref(item);
    } else if (GST_IS_EVENT(item)) {
        gst_pad_push_event(pad_, GST_EVENT_CAST(item));
    } else {
        gst_pad_push(pad_, GST_BUFFER_CAST(item));
    }
}

}  // namespace livesr::gst
