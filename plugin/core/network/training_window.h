// Cuts training windows out of a pair: position, flips and transpose applied to 8-bit samples, then
// the float planes that the gradient takes.
#pragma once

#include <cstdint>
#include <vector>

#include "core/network/isa.h"
#include "core/network/network.h"
#include "core/network/row_kernels.h"
#include "core/network/trainer.h"

namespace livesr {

// How a window is turned: transposed first, then mirrored.
struct Turn {
    bool transpose = false;
    bool mirror_x = false;
    bool mirror_y = false;
};

struct TrainingWindow {
    int width = 0;  // positions of the network, margin not counted
    int height = 0;
    std::vector<float> low;       // [height + 2 layers][width + 2 layers][input channels], [0, 1]
    std::vector<float> residual;  // [height][width][output channels], truth minus base
};

class WindowCutter {
  public:
    WindowCutter(const Architecture& architecture, Isa isa);

    // The window of a pair whose first position is (x, y), width x height before turning. Good
    // until the next call. Every path gives the same values.
    const TrainingWindow& cut(const TrainingPair& pair, int x, int y, int width, int height,
                              const Turn& turn);

  private:
    const TrainingWindow& cut_cells(const TrainingPair& pair, int x, int y, int width, int height,
                                    const Turn& turn);
    void missing_by_rows();
    void missing_plain();
    void store_missing(int row, const float* values);

    Architecture architecture_;
    const RowKernels* kernels_;
    TrainingWindow window_;
    std::vector<std::uint8_t> low_;
    std::vector<std::uint8_t> high_;
    std::vector<std::int16_t> samples_;
    std::vector<std::int16_t> horizontal_;
    std::vector<float> missing_;
};

}  // namespace livesr
