// What srenhancer does with its texture memory.
#include <chrono>

#include "gst/enhancer/enhancer.h"

namespace livesr::gst {

// A network that sees less around a pixel than matching does is given too small a margin.
bool Enhancer::remembers(int scale) const {
    return settings_.texture_memory && session_ && session_->serves(scale) &&
           margin(session_->generic(scale).architecture) >= TextureMemory::least_margin;
}

void Enhancer::begin_memory(int width, int height) {
    memory_ = nullptr;
    const int scale = scale_.network();
    if (!remembers(scale)) return;
    auto& memory = memories_[scale];
    if (!memory || memory->width() != width || memory->height() != height) {
        TextureMemory::Options options;
        options.scale = scale;
        options.width = width;
        options.height = height;
        options.margin = margin(session_->generic(scale).architecture);
        options.seed = settings_.seed + 1;
        memory = std::make_unique<TextureMemory>(options);
    }
    memory->lose_track();
    memory_ = memory.get();
}

void Enhancer::remember(const std::vector<AlignedPatch>& pairs) {
    if (memory_ == nullptr || pairs.empty()) return;
    const auto model = session_->live(scale_.network());
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
    memory_cover_ = cover;
    memory_benefit_ = memory_->benefit().value_or(0);
}

}  // namespace livesr::gst
