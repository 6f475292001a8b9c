// Quality of matched frames: numbers a frame, means over all, both as JSON lines.
#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/picture/resample.h"
#include "gst/measure/frame_matcher.h"

namespace livesr::gst {

// The frames cannot be compared; the message says why and what to do.
struct MeasurementError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Baseline {
    std::string name;
    Filter filter;
};

// "bilinear,bicubic,lanczos" or a part of it. Throws MeasurementError for another word.
std::vector<Baseline> parse_baselines(const std::string& list);

class Measurement {
  public:
    struct Options {
        std::vector<Baseline> baselines;
        int scale = 0;  // enlargement of padded low-resolution pictures; 0: to the whole picture
        int ssim_every = 1;  // frames; 0: never
    };

    explicit Measurement(Options options) : options_(std::move(options)) {}

    // Measures the test picture and the baselines; returns the frame's JSON line. Throws
    // MeasurementError when the sizes do not fit.
    std::string measure(const FrameMatcher::Match& match);
    // The JSON line of all frames: means of mse, psnrDb and ssim a scheme.
    std::string summary(std::uint64_t test_frames, std::uint64_t unmatched) const;

    std::uint64_t measured() const { return measured_; }

  private:
    struct Totals {
        std::uint64_t frames = 0;
        double mse = 0.0;
        double psnr_db = 0.0;
        std::uint64_t ssim_frames = 0;
        double ssim = 0.0;
    };

    std::vector<std::uint8_t> enlarge(const MeteredFrame& low, Filter filter, int width,
                                      int height) const;

    Options options_;
    std::map<std::string, Totals> totals_;
    std::uint64_t measured_ = 0;
};

}  // namespace livesr::gst
