// Cuts by two sketches of a frame: where light is, and how much there is of each level.
#include "gst/enhancer/scene_cut.h"

#include <algorithm>
#include <cmath>

namespace livesr::gst {
namespace {

// Motion changes cells and hardly the histogram, a fade both but slowly, a flash both for one
// frame.
constexpr float least_cell_difference = 12.0F;  // levels
constexpr float times_usual = 3.0F;
constexpr float least_histogram_difference = 0.25F;  // share of pixels that changed their level
// A flash or a burst of cuts counts once.
constexpr int frames_between_cuts = 3;

}  // namespace

SceneCutDetector::Sketch SceneCutDetector::sketch(const std::uint8_t* luma, std::ptrdiff_t stride,
                                                  int width, int height) {
    Sketch result;
    std::array<std::uint32_t, static_cast<std::size_t>(columns) * rows> sums{};
    std::array<std::uint32_t, static_cast<std::size_t>(columns) * rows> counts{};
    std::array<std::uint32_t, bins> levels{};
    std::uint32_t samples = 0;
    // Every fourth pixel of every second row says enough.
    for (int y = 0; y < height; y += 2) {
        const std::uint8_t* row = luma + y * stride;
        const int cell_row = std::min(rows - 1, y * rows / height) * columns;
        for (int x = 0; x < width; x += 4) {
            const auto cell = static_cast<std::size_t>(cell_row + x * columns / width);
            sums[cell] += row[x];
            ++counts[cell];
            ++levels[row[x] * bins / 256];
            ++samples;
        }
    }
    for (std::size_t i = 0; i < sums.size(); ++i) {
        if (counts[i] > 0)
            result.means[i] = static_cast<float>(sums[i]) / static_cast<float>(counts[i]);
    }
    for (std::size_t i = 0; i < bins; ++i)
        result.histogram[i] = static_cast<float>(levels[i]) / static_cast<float>(samples);
    return result;
}

bool SceneCutDetector::add(const std::uint8_t* luma, std::ptrdiff_t stride, int width, int height) {
    const Sketch now = sketch(luma, stride, width, height);
    if (!has_last_) {
        last_ = now;
        has_last_ = true;
        return false;
    }
    float cells = 0.0F;
    for (std::size_t i = 0; i < now.means.size(); ++i)
        cells += std::abs(now.means[i] - last_.means[i]);
    cells /= static_cast<float>(now.means.size());
    float histogram = 0.0F;
    for (std::size_t i = 0; i < bins; ++i)
        histogram += std::abs(now.histogram[i] - last_.histogram[i]);
    histogram /= 2;
    last_ = now;
    ++since_cut_;
    const bool cut = cells > least_cell_difference && cells > times_usual * usual_ &&
                     histogram > least_histogram_difference && since_cut_ > frames_between_cuts;
    if (cut)
        since_cut_ = 0;
    else
        usual_ += (cells - usual_) / 8;
    return cut;
}

void SceneCutDetector::clear() {
    has_last_ = false;
    usual_ = 0.0F;
    since_cut_ = 0;
}

}  // namespace livesr::gst
