// See patch_matcher.h.
#include "gst/enhancer/patch_matcher.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace livesr::gst {
namespace {

// Between pictures (0) and training (10).
constexpr int matching_niceness = 5;

// Linux has a niceness for each thread.
void yield_to_pictures() {
    setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), matching_niceness);
}

std::size_t bytes_of(const AlignedPatch& pair) { return pair.low.size() + pair.high.size(); }

}  // namespace

PatchMatcher::PatchMatcher(bool lockstep, OnPair on_pair)
    : lockstep_(lockstep), on_pair_(std::move(on_pair)) {
    if (!lockstep_) thread_ = std::thread([this] { run(); });
}

PatchMatcher::~PatchMatcher() {
    {
        const std::lock_guard lock(mutex_);
        leaving_ = true;
    }
    queued_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void PatchMatcher::run() {
    yield_to_pictures();
    std::unique_lock lock(mutex_);
    for (;;) {
        queued_.wait(lock, [this] { return leaving_ || !jobs_.empty(); });
        if (leaving_) return;
        lock.unlock();
        run_queued();
        lock.lock();
    }
}

void PatchMatcher::run_queued() {
    for (;;) {
        Job job;
        {
            const std::lock_guard lock(mutex_);
            if (leaving_ || jobs_.empty()) return;
            job = std::move(jobs_.front());
            jobs_.pop_front();
            if (const auto* frame = std::get_if<Frame>(&job)) frame_bytes_ -= frame->luma.size();
            if (const auto* patch = std::get_if<ReceivedPatch>(&job))
                patch_bytes_ -= patch->bytes();
        }
        perform(std::move(job));
    }
}

// With mutex_ held. False when there is none.
template <class Kind>
bool PatchMatcher::drop_oldest() {
    const auto oldest = std::find_if(jobs_.begin(), jobs_.end(), [](const Job& job) {
        return std::holds_alternative<Kind>(job);
    });
    if (oldest == jobs_.end()) return false;
    if constexpr (std::is_same_v<Kind, Frame>) {
        frame_bytes_ -= std::get<Frame>(*oldest).luma.size();
        ++state_.frames_skipped;
    } else {
        patch_bytes_ -= std::get<ReceivedPatch>(*oldest).bytes();
        ++earlier_misfits_[static_cast<std::size_t>(Misfit::overflow)];
    }
    jobs_.erase(oldest);
    return true;
}

void PatchMatcher::enqueue(Job job) {
    {
        const std::lock_guard lock(mutex_);
        if (const auto* frame = std::get_if<Frame>(&job)) {
            frame_bytes_ += frame->luma.size();
            while (frame_bytes_ > max_queued_frame_bytes && drop_oldest<Frame>()) {
            }
        } else if (const auto* patch = std::get_if<ReceivedPatch>(&job)) {
            patch_bytes_ += patch->bytes();
            while (patch_bytes_ > max_queued_patch_bytes && drop_oldest<ReceivedPatch>()) {
            }
        }
        jobs_.push_back(std::move(job));
    }
    if (lockstep_) {
        run_queued();
    } else {
        queued_.notify_one();
    }
}

void PatchMatcher::begin(const std::optional<PatchAligner::Options>& options) {
    std::uint64_t generation = 0;
    {
        const std::lock_guard handing_out(handing_out_mutex_);
        const std::lock_guard lock(mutex_);
        generation = ++generation_;
        width_ = options ? static_cast<std::size_t>(options->width) : 0;
        height_ = options ? static_cast<std::size_t>(options->height) : 0;
        spare_.clear();
        // They are of frames that have gone.
        ready_.clear();
        ready_bytes_ = 0;
    }
    enqueue(Begin{options, generation});
}

void PatchMatcher::add_frame(std::uint64_t running_time_ns, std::uint64_t interval_ns,
                             const std::uint8_t* luma, std::ptrdiff_t stride, bool keep) {
    Frame frame{running_time_ns, interval_ns, keep, {}};
    std::size_t width = 0;
    std::size_t height = 0;
    {
        const std::lock_guard lock(mutex_);
        if (width_ == 0) return;
        width = width_;
        height = height_;
        if (!spare_.empty()) {
            frame.luma = std::move(spare_.back());
            spare_.pop_back();
        }
    }
    frame.luma.resize(width * height);
    for (std::size_t row = 0; row < height; ++row) {
        std::copy_n(luma + static_cast<std::ptrdiff_t>(row) * stride, width,
                    frame.luma.begin() + static_cast<std::ptrdiff_t>(row * width));
    }
    enqueue(std::move(frame));
}

void PatchMatcher::add_patch(ReceivedPatch patch) { enqueue(std::move(patch)); }

void PatchMatcher::clear() {
    {
        const std::lock_guard lock(mutex_);
        ready_.clear();
        ready_bytes_ = 0;
    }
    enqueue(Clear{});
}

void PatchMatcher::perform(Job job) {
    if (auto* frame = std::get_if<Frame>(&job)) {
        perform_frame(*frame);
        const std::lock_guard lock(mutex_);
        // As many as wait at a time: the matcher is one frame behind, or two.
        if (spare_.size() < 2 && frame->luma.size() == width_ * height_) {
            spare_.push_back(std::move(frame->luma));
        }
    } else if (auto* patch = std::get_if<ReceivedPatch>(&job)) {
        if (!aligner_) return;
        if (patch->is_residual() || patch->hint_ns || patch->carrier) {
            aligner_->add_patch(std::move(*patch));
        } else {
            side_.add(std::move(*patch), *aligner_);
        }
    } else if (const auto* begin = std::get_if<Begin>(&job)) {
        begin_frames(*begin);
    } else {
        if (aligner_) aligner_->clear();
        side_.clear();
    }
}

void PatchMatcher::begin_frames(const Begin& begin) {
    const std::lock_guard lock(mutex_);
    if (aligner_) {
        for (std::size_t i = 0; i < misfit_count; ++i) {
            earlier_misfits_[i] += aligner_->misfits(static_cast<Misfit>(i));
        }
        state_.other_rung += aligner_->waiting();
    }
    side_.clear();
    aligner_.reset();
    if (begin.options) aligner_.emplace(*begin.options);
    aligned_generation_ = begin.generation;
}

void PatchMatcher::perform_frame(const Frame& frame) {
    // One of the size before, queued when the size changed.
    if (!aligner_ ||
        frame.luma.size() != static_cast<std::size_t>(aligner_->options().width) *
                                 static_cast<std::size_t>(aligner_->options().height)) {
        return;
    }
    aligner_->add_frame(frame.running_time_ns, frame.interval_ns, frame.luma.data(),
                        aligner_->options().width);
    for (ReceivedPatch& patch : side_.take_placed(*aligner_)) aligner_->add_patch(std::move(patch));
    publish(aligner_->take_aligned(), frame.keep);
}

void PatchMatcher::publish(std::vector<AlignedPatch> pairs, bool keep) {
    const std::lock_guard handing_out(handing_out_mutex_);
    std::size_t too_late = 0;
    if (aligned_generation_ != generation_) {
        too_late = pairs.size();
        pairs.clear();
    }
    for (const AlignedPatch& pair : pairs) on_pair_(pair);
    const std::lock_guard lock(mutex_);
    state_.other_rung += too_late;
    state_.aligned += pairs.size();
    for (AlignedPatch& pair : pairs) {
        if (pair.frame_offset != 0) ++state_.refined;
        if (!keep) continue;
        ready_bytes_ += bytes_of(pair);
        ready_.push_back(std::move(pair));
    }
    while (!lockstep_ && ready_bytes_ > max_ready_bytes && ready_.size() > 1) {
        ready_bytes_ -= bytes_of(ready_.front());
        ready_.pop_front();
        ++state_.pairs_not_kept;
    }
    for (std::size_t i = 0; i < misfit_count; ++i) {
        state_.misfits[i] = earlier_misfits_[i] + aligner_->misfits(static_cast<Misfit>(i));
    }
    state_.side = side_.counts();
    state_.calibrations = side_.calibrations();
    state_.waiting = aligner_->waiting();
    state_.misses_in_row = aligner_->misses_in_row();
    state_.sender_offset_ns = aligner_->sender_offset_ns();
    if (!state_.sender_offset_ns) state_.sender_offset_ns = side_.clock_offset_ns();
}

std::vector<AlignedPatch> PatchMatcher::take(std::size_t max_pixels) {
    std::vector<AlignedPatch> taken;
    std::size_t pixels = 0;
    const std::lock_guard lock(mutex_);
    while (!ready_.empty()) {
        pixels += ready_.front().high.size();
        if (!taken.empty() && pixels > max_pixels) break;
        ready_bytes_ -= bytes_of(ready_.front());
        taken.push_back(std::move(ready_.front()));
        ready_.pop_front();
    }
    return taken;
}

PatchMatcher::State PatchMatcher::state() const {
    const std::lock_guard lock(mutex_);
    return state_;
}

}  // namespace livesr::gst
