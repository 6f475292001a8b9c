#include "core/picture/metrics_kernels.h"

namespace livesr {

std::uint64_t squared_error_row_reference(const std::uint8_t* a, const std::uint8_t* b, int width) {
    std::uint64_t sum = 0;
    for (int x = 0; x < width; ++x) {
        const int d = a[x] - b[x];
        sum += static_cast<std::uint64_t>(d * d);
    }
    return sum;
}

}  // namespace livesr
