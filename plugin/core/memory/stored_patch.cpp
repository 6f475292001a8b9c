#include "core/memory/stored_patch.h"

#include <algorithm>
#include <cstdlib>

#include "core/network/enhance_patch.h"

namespace livesr {
namespace {

std::int8_t small(int value) { return static_cast<std::int8_t>(std::clamp(value, -127, 127)); }

// A triangle over the pixels that a low-resolution one reaches.
void smooth(const std::vector<std::int8_t>& detail, int width, int height, int scale,
            std::vector<std::int8_t>& slow) {
    const int radius = scale - 1;
    std::vector<std::int16_t> rows(detail.size());
    for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
            int sum = 0;
            for (int d = -radius; d <= radius; ++d) {
                const int from = std::clamp(x + d, 0, width - 1);
                sum += (scale - std::abs(d)) * detail[static_cast<std::size_t>(y) * width + from];
            }
            rows[static_cast<std::size_t>(y) * width + x] = static_cast<std::int16_t>(sum);
        }
    }
    const int area = scale * scale * scale * scale;
    for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
            int sum = 0;
            for (int d = -radius; d <= radius; ++d) {
                const int from = std::clamp(y + d, 0, height - 1);
                sum += (scale - std::abs(d)) * rows[static_cast<std::size_t>(from) * width + x];
            }
            slow[static_cast<std::size_t>(y) * width + x] = small(sum / area);
        }
    }
}

}  // namespace

void StoredPatch::refresh(const std::shared_ptr<const PackedNetwork>& with,
                          EnhanceScratch& scratch) {
    const std::vector<std::uint8_t> shown =
        enhance_patch(*with, scratch, low, width, height, margin);
    detail.resize(high.size());
    slow.resize(high.size());
    for (std::size_t i = 0; i < high.size(); ++i) detail[i] = small(high[i] - shown[i]);
    smooth(detail, high_width(), high_height(), scale, slow);
    network = with;
}

}  // namespace livesr
