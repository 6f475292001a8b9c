// What srenhancer does with its texture memory.
#include <algorithm>
#include <chrono>
#include <limits>

#include "gst/enhancer/enhancer.h"

namespace livesr::gst {
namespace {

// The feedback channel tells of no more (docs/protocol.md).
constexpr int most_cells = 8192;

// Of the memories of all rungs together, when the rung changes.
constexpr std::size_t max_memory_bytes = 96U << 20U;

// Of patches that one frame may add: what the budget of the input lets through in a frame's time at
// 25 frames a second, so that no queue forms.
constexpr std::size_t max_pixels_per_frame =
    static_cast<std::size_t>(PatchInput::max_pixels_per_second / 25);

}  // namespace

// A network that sees less around a pixel than matching does is given too small a margin. In full
// size memory adds nothing to the network (docs/results.md, "Learning in full size").
bool Enhancer::remembers(const Scale& scale) const {
    return settings_.texture_memory && scale != 1 && session_ && session_->serves(scale) &&
           margin(session_->generic(scale).architecture) >= TextureMemory::least_margin;
}

void Enhancer::begin_memory(int width, int height) {
    memory_ = nullptr;
    if (!remembers(scale_)) return;
    auto& memory = memories_[scale_];
    if (!memory || memory->width() != width || memory->height() != height) {
        TextureMemory::Options options;
        options.scale = scale_.network();
        options.width = width;
        options.height = height;
        options.margin = margin(session_->generic(scale_).architecture);
        options.seed = settings_.seed + 1;
        memory = std::make_unique<TextureMemory>(options);
    }
    memory->lose_track();
    followed_ = false;
    memory_ = memory.get();
    forget_other_rungs();
}

// What other rungs have learned is kept for their return while there is room for it.
void Enhancer::forget_other_rungs() {
    const auto bytes = [this] {
        std::size_t sum = 0;
        for (const auto& [scale, memory] : memories_) sum += memory ? memory->bytes() : 0;
        return sum;
    };
    while (bytes() > max_memory_bytes && memories_.size() > 1) {
        const auto largest = std::max_element(
            memories_.begin(), memories_.end(), [this](const auto& a, const auto& b) {
                const auto weight = [this](const auto& entry) {
                    return entry.second.get() == memory_ ? 0 : entry.second->bytes();
                };
                return weight(a) < weight(b);
            });
        memories_.erase(largest);
    }
}

void Enhancer::remember() {
    if (memory_ == nullptr) return;
    const std::size_t max_pixels =
        settings_.lockstep ? std::numeric_limits<std::size_t>::max() : max_pixels_per_frame;
    const std::vector<AlignedPatch> pairs = matcher_->take(max_pixels);
    if (pairs.empty()) return;
    const auto model = session_->live(scale_);
    // What bicubic lacks is the network's to learn first.
    if (!model->network) return;
    for (const AlignedPatch& pair : pairs) {
        memory_->add({pair.x, pair.y, pair.width, pair.height, pair.low, pair.high},
                     model->network);
    }
}

void Enhancer::restore(GstVideoFrame& out, const std::shared_ptr<const PackedNetwork>& network) {
    const auto begin = std::chrono::steady_clock::now();
    memory_->follow(given_.pixels, given_.stride);
    const double cover =
        memory_->restore(network, static_cast<std::uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&out, 0)),
                         GST_VIDEO_FRAME_PLANE_STRIDE(&out, 0), GST_VIDEO_FRAME_WIDTH(&out),
                         GST_VIDEO_FRAME_HEIGHT(&out));
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    const std::lock_guard lock(timing_mutex_);
    memory_ms_.add(took.count());
    memory_patches_ = memory_->patches();
    memory_bytes_ = memory_->bytes();
    memory_cover_ = cover;
    memory_benefit_ = memory_->benefit().value_or(0);
}

// By what was paired; before anything was, by the transport's times.
std::optional<std::int64_t> Enhancer::sender_offset_ns() const {
    if (const auto offset_ns = matcher_->state().sender_offset_ns) return offset_ns;
    const std::lock_guard lock(input_mutex_);
    return patch_input_.transport_offset_ns();
}

// Of the latest picture, the one before that of this time. While the sender's clock is unknown the
// sender could not tell how old that is.
std::optional<MemoryCover> Enhancer::memory_cover(std::uint64_t running_time_ns) const {
    if (memory_ == nullptr || memory_->patches() == 0 || !followed_) return std::nullopt;
    const auto offset_ns = sender_offset_ns();
    const auto now_ns = static_cast<std::int64_t>(running_time_ns);
    if (!offset_ns || now_ns < *offset_ns) return std::nullopt;
    MemoryCover cover;
    cover.sender_time_ns = static_cast<std::uint64_t>(now_ns - *offset_ns);
    {
        const std::lock_guard lock(patches_mutex_);
        const auto& size = size_.announced();
        if (!size) return std::nullopt;
        cover.columns = size->width / patch_cell;
        cover.rows = size->height / patch_cell;
    }
    if (cover.columns * cover.rows > most_cells) return std::nullopt;
    cover.shares = memory_->cover(patch_cell, cover.columns, cover.rows);
    cover.benefit = memory_->benefit();
    return cover;
}

}  // namespace livesr::gst
