// Cuts training windows out of a pair: position, flips and transpose applied to 8-bit samples, then
// the float planes that the gradient takes.
#pragma once

#include <vector>

#include "core/network/network.h"
#include "core/network/trainer.h"

namespace livesr {

// How a window is turned: transposed first, then mirrored.
struct Turn {
    bool transpose = false;
    bool mirror_x = false;
    bool mirror_y = false;
};

struct TrainingWindow {
    int width = 0;  // low-resolution pixels, margin not counted
    int height = 0;
    std::vector<float> low;       // [height + 2m][width + 2m], in [0, 1]
    std::vector<float> residual;  // [height][width][scale * scale], truth minus bicubic
};

// The window of a pair whose first low-resolution pixel is (x, y), width x height before turning.
void cut_window(const Architecture& a, const TrainingPair& pair, int x, int y, int width,
                int height, const Turn& turn, TrainingWindow& window);

}  // namespace livesr
