// Matching of patches with decoded frames.
#include "gst/enhancer/alignment.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/network/enhance_patch.h"
#include "core/picture/resample.h"

namespace livesr::gst {
namespace {

// A neighbour's error must be this much smaller than the error at the frame's own time to win: in a
// still picture all candidates differ by coding noise only. On the same clips at 400 kbit/s a right
// time stamp is kept for 97.5-100 % of the patches, and one that is a frame off ends within 5 % of
// the right frame's error.
constexpr double neighbour_must_beat = 0.8;
constexpr double neighbour_must_gain = 2.0;  // mean squared error

// The shrunk patch lacks its surroundings, so its outermost pixels differ from the sender's
// picture: as far in as the shrinking filter reaches (3 lobes of Lanczos, in low-resolution
// pixels).
constexpr int border = 3;

}  // namespace

std::string_view name(Misfit misfit) {
    switch (misfit) {
        case Misfit::no_frame:
            return "no-frame";
        case Misfit::outside:
            return "outside";
        case Misfit::misaligned:
            return "misaligned";
        case Misfit::overflow:
            return "overflow";
        case Misfit::other_frame:
            return "other-frame";
        case Misfit::undecodable:
            return "undecodable";
    }
    return "unknown";
}

// Measured on six clips, 640x360 by x264 (zerolatency) at 150, 400 and 900 kbit/s, 3600 patches
// each: the right frame is refused for 0.05 % of the patches at 150 kbit/s and never at 400 and
// more; a frame of another clip is accepted for 18 %, most of them alike within 10 grey levels
// (RMS).
bool is_other_picture(const Fit& fit) {
    return fit.mean_squared_error > 200.0 + 0.5 * fit.variance;
}

bool beats(const Fit& fit, const Fit& other) {
    return fit.mean_squared_error < std::min(other.mean_squared_error * neighbour_must_beat,
                                             other.mean_squared_error - neighbour_must_gain);
}

PatchAligner::PatchAligner(const Options& options) : options_(options) {}

void PatchAligner::add_frame(std::uint64_t running_time_ns, std::uint64_t interval_ns,
                             const std::uint8_t* luma, std::ptrdiff_t stride) {
    if (!frames_.empty() && running_time_ns <= frames_.back().running_time_ns) {
        first_number_ += frames_.size();
        frames_.clear();
        for (Waiting& waiting : waiting_) waiting.arrived_ns.reset();
    }
    interval_is_told_ = interval_ns != 0;
    if (interval_is_told_) {
        interval_ns_ = interval_ns;
    } else if (!frames_.empty()) {
        interval_ns_ = running_time_ns - frames_.back().running_time_ns;
    }

    const std::size_t frame_bytes = static_cast<std::size_t>(options_.width) * options_.height;
    std::vector<std::uint8_t> storage;
    while (!frames_.empty() &&
           (running_time_ns - frames_.front().running_time_ns > options_.history_ns ||
            (frames_.size() + 1) * frame_bytes > options_.history_bytes)) {
        storage = std::move(frames_.front().luma);
        frames_.pop_front();
        ++first_number_;
    }
    storage.resize(frame_bytes);
    for (int row = 0; row < options_.height; ++row) {
        std::copy_n(luma + row * stride, options_.width,
                    storage.begin() + static_cast<std::ptrdiff_t>(row) * options_.width);
    }
    frames_.push_back({running_time_ns, std::move(storage)});
}

bool PatchAligner::lies_within(const ReceivedPatch& patch) const {
    const int scale = options_.scale;
    return patch.x >= 0 && patch.y >= 0 && patch.width > 0 && patch.height > 0 &&
           patch.x % scale == 0 && patch.y % scale == 0 && patch.width % scale == 0 &&
           patch.height % scale == 0 && patch.x + patch.width <= options_.width * scale &&
           patch.y + patch.height <= options_.height * scale;
}

void PatchAligner::make_room(std::size_t bytes) {
    while (!waiting_.empty() && (waiting_.size() >= options_.waiting_limit ||
                                 waiting_bytes_ + bytes > options_.waiting_bytes)) {
        waiting_bytes_ -= waiting_.front().patch.bytes();
        waiting_.pop_front();
        give_up(Misfit::overflow);
    }
}

void PatchAligner::add_patch(ReceivedPatch patch) {
    if (!lies_within(patch)) {
        count(Misfit::outside);
        return;
    }
    make_room(patch.bytes());
    waiting_bytes_ += patch.bytes();
    Waiting waiting{std::move(patch), std::nullopt, 0, false};
    if (!frames_.empty()) waiting.arrived_ns = frames_.back().running_time_ns;
    waiting_.push_back(std::move(waiting));
}

std::vector<AlignedPatch> PatchAligner::take_aligned() {
    std::vector<AlignedPatch> aligned;
    if (frames_.empty()) return aligned;
    std::erase_if(waiting_, [&](Waiting& waiting) {
        const std::size_t bytes = waiting.patch.bytes();
        if (place(waiting, aligned) == Verdict::wait) return false;
        waiting_bytes_ -= bytes;
        return true;
    });
    return aligned;
}

PatchAligner::Verdict PatchAligner::place(Waiting& waiting, std::vector<AlignedPatch>& aligned) {
    const std::uint64_t newest = frames_.back().running_time_ns;
    const std::uint64_t known_since_ns = waiting.patch.known_since_ns;
    if (newest <= known_since_ns && known_since_ns - newest <= options_.history_ns) {
        return Verdict::wait;
    }
    if (!waiting.arrived_ns) waiting.arrived_ns = newest;
    const bool patient = newest - *waiting.arrived_ns <= options_.history_ns;
    return waiting.patch.is_residual() ? place_residual(waiting, patient, aligned)
                                       : place_jpeg(waiting, patient, aligned);
}

PatchAligner::Verdict PatchAligner::give_up(Misfit misfit) {
    count(misfit);
    ++misses_in_row_;
    return Verdict::done;
}

PatchAligner::Verdict PatchAligner::place_jpeg(Waiting& waiting, bool patient,
                                               std::vector<AlignedPatch>& aligned) {
    ReceivedPatch& patch = waiting.patch;
    if (patient && is_ahead(patch)) return Verdict::wait;
    const auto centre = named_frame(patch);
    if (!centre) return give_up(Misfit::no_frame);
    if (patient && *centre + search_frames >= frames_.size()) return Verdict::wait;

    const std::vector<std::uint8_t> shrunk = shrink(patch);
    const auto [first, last] = neighbourhood(*centre);
    std::size_t best = *centre;
    const Fit centre_fit = fit(frames_[*centre], patch, shrunk);
    Fit best_fit = centre_fit;
    for (std::size_t candidate = first; candidate <= last; ++candidate) {
        if (candidate == *centre) continue;
        const Fit candidate_fit = fit(frames_[candidate], patch, shrunk);
        if (beats(candidate_fit, centre_fit) &&
            candidate_fit.mean_squared_error < best_fit.mean_squared_error) {
            best = candidate;
            best_fit = candidate_fit;
        }
    }
    if (is_other_picture(best_fit)) return give_up(Misfit::misaligned);
    if (patch.carrier) learn_clock(patch, best);
    AlignedPatch pair = pair_of(patch, best);
    pair.mean_squared_error = best_fit.mean_squared_error;
    aligned.push_back(std::move(pair));
    misses_in_row_ = 0;
    return Verdict::done;
}

PatchAligner::Verdict PatchAligner::place_residual(Waiting& waiting, bool patient,
                                                   std::vector<AlignedPatch>& aligned) {
    ReceivedPatch& patch = waiting.patch;
    // In a still picture an earlier frame has the same pixels.
    if (patch.carrier && patient && is_ahead(patch)) return Verdict::wait;
    for (const std::size_t frame : candidates(waiting)) {
        const std::vector<std::uint8_t> pixels = crop_under(patch, frame, residual_margin);
        const LowCrop low{pixels, patch.width, patch.height, options_.scale};
        if (is_residual_of(patch.residual, low)) return pair_residual(patch, frame, low, aligned);
    }
    waiting.unchecked = first_number_ + frames_.size();
    // When patience ends the frame that it names has left the history.
    waiting.had_frame = waiting.had_frame || frame_at(time_by_sender(patch)) || named_frame(patch);
    // Its frame may be one of those that are still to come.
    if (patient) return Verdict::wait;
    return give_up(waiting.had_frame ? Misfit::other_frame : Misfit::no_frame);
}

PatchAligner::Verdict PatchAligner::pair_residual(ReceivedPatch& patch, std::size_t frame,
                                                  const LowCrop& low,
                                                  std::vector<AlignedPatch>& aligned) {
    auto high =
        decode_residual(patch.residual, low, patch.residual_step, expected(patch, frames_[frame]));
    if (!high) return give_up(Misfit::undecodable);
    learn_clock(patch, frame);
    patch.high = std::move(*high);
    aligned.push_back(pair_of(patch, frame));
    misses_in_row_ = 0;
    return Verdict::done;
}

void PatchAligner::learn_clock(const ReceivedPatch& patch, std::size_t frame) {
    if (!patch.sender_time_ns) return;
    sender_offset_ns_ = static_cast<std::int64_t>(frames_[frame].running_time_ns) -
                        static_cast<std::int64_t>(*patch.sender_time_ns);
}

// Empty when nothing is expected.
std::vector<std::uint8_t> PatchAligner::expected(const ReceivedPatch& patch, const Frame& frame) {
    if (!options_.expectation) return {};
    const int scale = options_.scale;
    const int around = margin(options_.expectation->architecture());
    const int width = patch.width / scale;
    const int height = patch.height / scale;
    const std::vector<std::uint8_t> low =
        crop(plane(frame), patch.x / scale, patch.y / scale, width, height, around);
    return enhance_patch(*options_.expectation, scratch_, low, width, height, around);
}

std::vector<std::uint8_t> PatchAligner::crop_under(const ReceivedPatch& patch, std::size_t frame,
                                                   int margin) const {
    const int scale = options_.scale;
    return crop(plane(frames_[frame]), patch.x / scale, patch.y / scale, patch.width / scale,
                patch.height / scale, margin);
}

AlignedPatch PatchAligner::pair_of(ReceivedPatch& patch, std::size_t best) const {
    AlignedPatch pair;
    pair.sequence = patch.sequence;
    pair.media_time_ns = frames_[best].running_time_ns;
    pair.x = patch.x;
    pair.y = patch.y;
    pair.width = patch.width;
    pair.height = patch.height;
    pair.low = crop_under(patch, best, options_.margin);
    pair.high = std::move(patch.high);
    if (patch.carrier) {
        if (const auto named = named_frame(patch)) {
            pair.frame_offset = static_cast<int>(best) - static_cast<int>(*named);
        }
    } else if (patch.hint_ns && interval_ns_ != 0) {
        const auto away = static_cast<double>(static_cast<std::int64_t>(pair.media_time_ns) -
                                              static_cast<std::int64_t>(*patch.hint_ns));
        pair.frame_offset = static_cast<int>(std::lround(away / static_cast<double>(interval_ns_)));
    }
    return pair;
}

PlaneView PatchAligner::plane(const Frame& frame) const {
    return {frame.luma.data(), options_.width, options_.width, options_.height};
}

Fit PatchAligner::fit(const Frame& frame, const ReceivedPatch& patch,
                      const std::vector<std::uint8_t>& shrunk) const {
    const int width = patch.width / options_.scale;
    const int height = patch.height / options_.scale;
    const int skip_x = width >= 4 * border ? border : 0;
    const int skip_y = height >= 4 * border ? border : 0;
    std::uint64_t squares = 0;
    std::uint64_t sum = 0;
    std::uint64_t square_sum = 0;
    for (int row = skip_y; row < height - skip_y; ++row) {
        const auto* a = shrunk.data() + static_cast<std::ptrdiff_t>(row) * width;
        const auto* b =
            frame.luma.data() +
            static_cast<std::ptrdiff_t>(patch.y / options_.scale + row) * options_.width +
            patch.x / options_.scale;
        for (int column = skip_x; column < width - skip_x; ++column) {
            const int difference = a[column] - b[column];
            squares += static_cast<std::uint64_t>(difference * difference);
            sum += a[column];
            square_sum += static_cast<std::uint64_t>(a[column] * a[column]);
        }
    }
    const double pixels = static_cast<double>(width - 2 * skip_x) * (height - 2 * skip_y);
    const double mean = static_cast<double>(sum) / pixels;
    return {static_cast<double>(squares) / pixels,
            static_cast<double>(square_sum) / pixels - mean * mean};
}

std::vector<std::uint8_t> PatchAligner::shrink(const ReceivedPatch& patch) const {
    const int width = patch.width / options_.scale;
    const int height = patch.height / options_.scale;
    std::vector<std::uint8_t> shrunk(static_cast<std::size_t>(width) * height);
    resample(Filter::lanczos, patch.high.data(), patch.width, patch.width, patch.height,
             shrunk.data(), width, width, height);
    return shrunk;
}

std::vector<FrameFit> PatchAligner::fits(const ReceivedPatch& patch,
                                         const std::vector<std::uint8_t>& shrunk,
                                         std::optional<std::uint64_t> after_ns) const {
    std::vector<FrameFit> fits;
    for (const Frame& frame : frames_) {
        if (after_ns && frame.running_time_ns <= *after_ns) continue;
        fits.push_back({frame.running_time_ns, fit(frame, patch, shrunk)});
    }
    return fits;
}

std::optional<std::uint64_t> PatchAligner::newest_frame_ns() const {
    if (frames_.empty()) return std::nullopt;
    return frames_.back().running_time_ns;
}

std::uint64_t PatchAligner::misfits(Misfit misfit) const {
    return misfits_[static_cast<std::size_t>(misfit)];
}

void PatchAligner::clear() {
    first_number_ += frames_.size();
    frames_.clear();
    waiting_.clear();
    waiting_bytes_ = 0;
    sender_offset_ns_.reset();
}

}  // namespace livesr::gst
