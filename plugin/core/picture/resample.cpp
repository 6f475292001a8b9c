#include "core/picture/resample.h"

#include <algorithm>
#include <list>
#include <stdexcept>
#include <vector>

#include "core/picture/filter_plan.h"
#include "core/picture/resample_kernels.h"

namespace livesr {
namespace {

const ResampleKernels& kernels_for(Isa isa) {
#if defined(__x86_64__)
    if (isa >= Isa::avx512) return resample_avx512;
    if (isa == Isa::avx2) return resample_avx2;
#endif
    static_cast<void>(isa);
    return resample_reference;
}

// Plans and rows of one thread. A stream asks for the same few plans at every frame (luma and
// chroma, two axes), and making one costs more than using it.
class Workspace {
  public:
    const FilterPlan& plan(Filter filter, int source_length, int length) {
        const auto same = [=](const Entry& e) {
            return e.filter == filter && e.plan.source_length == source_length &&
                   e.plan.length() == length;
        };
        const auto found = std::find_if(plans_.begin(), plans_.end(), same);
        if (found != plans_.end()) {
            plans_.splice(plans_.begin(), plans_, found);
        } else {
            plans_.push_front({filter, make_filter_plan(filter, source_length, length)});
            if (plans_.size() > most_plans) plans_.pop_back();
        }
        return plans_.front().plan;
    }

    std::vector<std::int16_t> padded_row;
    std::vector<std::int16_t> filtered_rows;
    std::vector<const std::int16_t*> window;

  private:
    struct Entry {
        Filter filter;
        FilterPlan plan;
    };
    static constexpr std::size_t most_plans = 16;
    std::list<Entry> plans_;  // most recently used first
};

// One source row widened to 16 bits, with its ends repeated as far as the plan reaches.
class PaddedRow {
  public:
    PaddedRow(const FilterPlan& plan, int channels, std::vector<std::int16_t>& memory)
        : width_(plan.source_length), channels_(channels), memory_(memory) {
        const auto [least, most] = std::minmax_element(plan.start.begin(), plan.start.end());
        left_ = std::max(0, -*least);
        right_ = std::max(0, *most + plan.taps - width_);
        const int pixels = left_ + width_ + right_;
        const std::size_t needed =
            static_cast<std::size_t>(pixels) * static_cast<std::size_t>(channels) +
            static_cast<std::size_t>(std::max(plan.stride, row_slack)) * 2;
        if (memory_.size() < needed) memory_.resize(needed);
    }

    const std::int16_t* fill(const std::uint8_t* src) {
        std::int16_t* out = memory_.data();
        for (int i = 0; i < left_; ++i) out = std::copy_n(src, channels_, out);
        const std::int16_t* begin = out;
        out = std::copy_n(src, width_ * channels_, out);
        const std::uint8_t* last = src + static_cast<std::ptrdiff_t>(width_ - 1) * channels_;
        for (int i = 0; i < right_; ++i) out = std::copy_n(last, channels_, out);
        return begin;
    }

  private:
    int width_, channels_;
    int left_ = 0, right_ = 0;
    std::vector<std::int16_t>& memory_;
};

}  // namespace

void resample(Filter filter, const std::uint8_t* src, std::ptrdiff_t src_stride, int src_width,
              int src_height, std::uint8_t* dst, std::ptrdiff_t dst_stride, int dst_width,
              int dst_height, int channels, Isa isa) {
    if (channels != 1 && channels != 2) {
        throw std::invalid_argument("resampling takes 1 or 2 interleaved channels");
    }
    thread_local Workspace workspace;
    const ResampleKernels& kernels = kernels_for(isa);
    // The second look-up may not evict the first: the cache holds more than two.
    const FilterPlan& across = workspace.plan(filter, src_width, dst_width);
    const FilterPlan& down = workspace.plan(filter, src_height, dst_height);

    PaddedRow padded(across, channels, workspace.padded_row);
    const int samples = dst_width * channels;
    // Filtered rows live in a ring, just deep enough for one output row.
    const int depth = std::min(down.taps, src_height);
    const std::ptrdiff_t pitch = samples + row_slack;
    workspace.filtered_rows.resize(
        std::max(workspace.filtered_rows.size(), static_cast<std::size_t>(pitch * depth)));
    workspace.window.resize(static_cast<std::size_t>(down.taps));
    const auto ring_row = [&](int y) {
        return workspace.filtered_rows.data() + (y % depth) * pitch;
    };

    int filtered = 0;
    for (int y = 0; y < dst_height; ++y) {
        const int start = down.start[static_cast<std::size_t>(y)];
        const int end = std::clamp(start + down.taps, 1, src_height);
        // Rows that no output reads (none for these filters) would be filtered in vain, not
        // wrongly.
        for (; filtered < end; ++filtered) {
            kernels.horizontal(across, padded.fill(src + filtered * src_stride), channels,
                               ring_row(filtered));
        }
        for (int k = 0; k < down.taps; ++k) {
            const int row = std::clamp(start + k, 0, src_height - 1);
            workspace.window[static_cast<std::size_t>(k)] = ring_row(row);
        }
        kernels.vertical(workspace.window.data(), down.taps_of(y), down.taps, samples,
                         dst + y * dst_stride);
    }
}

}  // namespace livesr
