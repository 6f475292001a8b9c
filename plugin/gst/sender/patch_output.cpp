// See patch_output.h.
#include "gst/sender/patch_output.h"

namespace livesr::gst {

void PatchOutput::run(gpointer self) { static_cast<PatchOutput*>(self)->step(); }

void PatchOutput::start() {
    {
        const std::lock_guard lock(mutex_);
        flushing_ = false;
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
    for (GstMiniObject* item : queue_) gst_mini_object_unref(item);
    queue_.clear();
    buffers_ = 0;
}

void PatchOutput::push(GstEvent* event) {
    const auto is_gap = [](GstMiniObject* item) {
        return GST_IS_EVENT(item) && GST_EVENT_TYPE(item) == GST_EVENT_GAP;
    };
    const std::lock_guard lock(mutex_);
    GstMiniObject* item = GST_MINI_OBJECT_CAST(event);
    if (flushing_) {
        gst_mini_object_unref(item);
        return;
    }
    if (is_gap(item) && !queue_.empty() && is_gap(queue_.back())) {
        gst_mini_object_unref(queue_.back());
        queue_.back() = item;
        return;
    }
    queue_.push_back(item);
    changed_.notify_all();
}

bool PatchOutput::push(GstBuffer* buffer) {
    const std::lock_guard lock(mutex_);
    if (flushing_ || buffers_ >= most_buffers) {
        gst_buffer_unref(buffer);
        return false;
    }
    queue_.push_back(GST_MINI_OBJECT_CAST(buffer));
    ++buffers_;
    changed_.notify_all();
    return true;
}

void PatchOutput::step() {
    GstMiniObject* item = nullptr;
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return flushing_ || !queue_.empty(); });
        if (flushing_) {
            gst_pad_pause_task(pad_);
            return;
        }
        item = queue_.front();
        queue_.pop_front();
        if (GST_IS_BUFFER(item)) --buffers_;
    }
    if (GST_IS_EVENT(item)) {
        gst_pad_push_event(pad_, GST_EVENT_CAST(item));
    } else {
        gst_pad_push(pad_, GST_BUFFER_CAST(item));
    }
}

}  // namespace livesr::gst
