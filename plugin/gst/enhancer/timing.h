// Durations of the last frames: mean and 99th percentile.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace livesr::gst {

class TimingWindow {
  public:
    static constexpr std::size_t capacity = 300;  // ten seconds at 30 frames a second

    void add(double milliseconds) {
        if (values_.size() < capacity) {
            values_.push_back(milliseconds);
        } else {
            values_[next_] = milliseconds;
            next_ = (next_ + 1) % capacity;
        }
    }

    // 0 before the first value.
    double mean() const {
        if (values_.empty()) return 0.0;
        double sum = 0.0;
        for (const double value : values_) sum += value;
        return sum / static_cast<double>(values_.size());
    }

    // The smallest value that 99 % of the values do not exceed; 0 before the first value.
    double p99() const {
        if (values_.empty()) return 0.0;
        std::vector<double> sorted = values_;
        const std::size_t rank = (sorted.size() * 99 + 99) / 100 - 1;
        std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(rank),
                         sorted.end());
        return sorted[rank];
    }

  private:
    std::vector<double> values_;
    std::size_t next_ = 0;
};

}  // namespace livesr::gst
