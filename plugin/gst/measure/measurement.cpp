// Measuring and counting.
#include "gst/measure/measurement.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "core/picture/metrics.h"

namespace livesr::gst {
namespace {

using nlohmann::ordered_json;

std::string size_of(const MeteredFrame& frame) {
    return std::to_string(frame.width) + "x" + std::to_string(frame.height);
}

}  // namespace

std::vector<Baseline> parse_baselines(const std::string& list) {
    std::vector<Baseline> baselines;
    std::istringstream words(list);
    for (std::string word; std::getline(words, word, ',');) {
        if (word == "bilinear") {
            baselines.push_back({word, Filter::bilinear});
        } else if (word == "bicubic") {
            baselines.push_back({word, Filter::bicubic});
        } else if (word == "lanczos") {
            baselines.push_back({word, Filter::lanczos});
        } else if (!word.empty()) {
            throw MeasurementError("baselines knows bilinear, bicubic and lanczos, not " + word);
        }
    }
    return baselines;
}

std::string Measurement::measure(const FrameMatcher::Match& match) {
    const MeteredFrame& reference = match.reference;
    if (match.test.width != reference.width || match.test.height != reference.height) {
        throw MeasurementError("The test picture is " + size_of(match.test) +
                               ", the reference is " + size_of(reference) +
                               ": give srmeter a reference of the same size.");
    }
    const bool with_ssim =
        options_.ssim_every > 0 && measured_ % static_cast<std::uint64_t>(options_.ssim_every) == 0;
    ordered_json schemes = ordered_json::object();
    const auto add = [&](const std::string& name, const std::uint8_t* picture) {
        const auto squares = squared_error(picture, reference.width, reference.luma.data(),
                                           reference.width, reference.width, reference.height);
        const double mse = static_cast<double>(squares) / reference.width / reference.height;
        const double psnr = psnr_db(mse);
        Totals& totals = totals_[name];
        ++totals.frames;
        totals.mse += mse;
        totals.psnr_db += psnr;
        schemes[name] = {{"mse", mse}, {"psnrDb", psnr}};
        if (with_ssim) {
            const double similarity = ssim(picture, reference.width, reference.luma.data(),
                                           reference.width, reference.width, reference.height);
            ++totals.ssim_frames;
            totals.ssim += similarity;
            schemes[name]["ssim"] = similarity;
        }
    };
    add("test", match.test.luma.data());
    if (match.lowres) {
        for (const Baseline& baseline : options_.baselines) {
            add(baseline.name,
                enlarge(*match.lowres, baseline.filter, reference.width, reference.height).data());
        }
    }
    ++measured_;
    const ordered_json line = {
        {"frame", match.number}, {"timeNs", match.test.running_time_ns}, {"schemes", schemes}};
    return line.dump();
}

std::vector<std::uint8_t> Measurement::enlarge(const MeteredFrame& low, Filter filter, int width,
                                               int height) const {
    int full_width = width;
    int full_height = height;
    if (options_.scale != 0) {
        full_width = low.width * options_.scale;
        full_height = low.height * options_.scale;
        if (full_width < width || full_height < height) {
            throw MeasurementError("The low-resolution picture is " + size_of(low) + "; " +
                                   std::to_string(options_.scale) +
                                   " times that is less than the reference: set srmeter's scale "
                                   "to the sender's.");
        }
    }
    std::vector<std::uint8_t> picture(static_cast<std::size_t>(full_width) * full_height);
    resample(filter, low.luma.data(), low.width, low.width, low.height, picture.data(), full_width,
             full_width, full_height);
    if (full_width != width) {
        // Rows move forward only, so they can be packed in place.
        for (int row = 1; row < height; ++row) {
            std::copy_n(picture.begin() + static_cast<std::ptrdiff_t>(row) * full_width, width,
                        picture.begin() + static_cast<std::ptrdiff_t>(row) * width);
        }
    }
    return picture;
}

std::string Measurement::summary(std::uint64_t test_frames, std::uint64_t unmatched) const {
    ordered_json schemes = ordered_json::object();
    for (const auto& [name, totals] : totals_) {
        const auto frames = static_cast<double>(totals.frames);
        schemes[name] = {{"frames", totals.frames},
                         {"mse", totals.mse / frames},
                         {"psnrDb", totals.psnr_db / frames}};
        if (totals.ssim_frames > 0) {
            schemes[name]["ssim"] = totals.ssim / static_cast<double>(totals.ssim_frames);
        }
    }
    const ordered_json line = {{"summary", true},
                               {"frames", test_frames},
                               {"measured", measured_},
                               {"unmatched", unmatched},
                               {"schemes", schemes}};
    return line.dump();
}

}  // namespace livesr::gst
