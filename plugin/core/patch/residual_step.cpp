#include "core/patch/residual_step.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "core/patch/packet.h"
#include "core/patch/residual_quantiser.h"

namespace livesr::residual {
namespace {

// Its size as JPEG tells how much there is in a patch; as a residual it gets a part of it that
// depends on how the error is spread. An error of few large coefficients, at edges, is what a
// network learns most from and loses most of; one of many equal ones is noise, of which there is
// nothing to learn. Spread is the mean of the coefficients' magnitudes, squared, over their mean
// square: 0.08 on drawn graphics, 0.2 to 0.3 on faces and tables, 0.42 on grass, 0.64 were they
// Gaussian. Errors of middle size get more of it: at small ones little is lost, and where the video
// is coarse its large features are enough to learn from. docs/results.md has what was tried.
struct JpegPart {
    double spread;
    // Bytes of JPEG for one of the residual where the error is small, of middle size, and large.
    double small_error;
    double middle_error;
    double large_error;
    // Steps, in units of the error that the patch corrects.
    double finest;
    double coarsest;
};
constexpr std::array<JpegPart, 6> jpeg_parts = {{{0.08, 3.5, 3.5, 3.5, 1.5, 3.3},
                                                 {0.12, 5.4, 4.6, 6.0, 1.2, 3.3},
                                                 {0.20, 5.95, 5.0, 7.5, 1.2, 3.3},
                                                 {0.26, 5.95, 3.2, 9.0, 1.2, 3.3},
                                                 {0.38, 5.95, 3.2, 9.0, 1.2, 3.3},
                                                 {0.41, 16.4, 16.4, 16.4, 1.5, 4.6}}};

// Root mean squares of the error, in grey levels: small up to the first, of middle size between the
// next two, large from the last on.
constexpr std::array<double, 4> errors = {6.0, 6.9, 13.0, 16.0};

double bytes_per_byte(const JpegPart& part, double error) {
    const auto way = [&](double from, double to) {
        return std::clamp((error - from) / (to - from), 0.0, 1.0);
    };
    return error < errors[1]
               ? std::lerp(part.small_error, part.middle_error, way(errors[0], errors[1]))
               : std::lerp(part.middle_error, part.large_error, way(errors[2], errors[3]));
}

JpegPart jpeg_part(double spread) {
    if (spread <= jpeg_parts.front().spread) return jpeg_parts.front();
    for (std::size_t i = 1; i < jpeg_parts.size(); ++i) {
        const JpegPart& from = jpeg_parts[i - 1];
        const JpegPart& to = jpeg_parts[i];
        if (spread < to.spread) {
            const double way = (spread - from.spread) / (to.spread - from.spread);
            const auto between = [&](double JpegPart::*value) {
                return std::lerp(from.*value, to.*value, way);
            };
            return {spread,
                    between(&JpegPart::small_error),
                    between(&JpegPart::middle_error),
                    between(&JpegPart::large_error),
                    between(&JpegPart::finest),
                    between(&JpegPart::coarsest)};
        }
    }
    return jpeg_parts.back();
}

// Bytes are estimated at this step, in units of the error, and go with the step to the power of
// -1.25 around there.
constexpr double usual = 2.5;
constexpr double step_exponent = 1 / 1.25;
// What a level that is not 0 costs with all around it: the mean of 1,400 patches of six clips.
constexpr double bytes_per_level = 0.55;

int step_of(double units, double error) {
    return static_cast<int>(std::clamp(std::lround(units * error), 4L, 64L));
}

int levels_at(const std::vector<Block>& coefficients, int step) {
    const std::int32_t least =
        (step << transform_bits) / 100 * (100 - static_cast<int>(rounding_percent));
    int levels = 0;
    for (const Block& block : coefficients) {
        for (const std::int32_t c : block) levels += std::abs(c) >= least ? 1 : 0;
    }
    return levels;
}

}  // namespace

int fitting_step(const std::vector<Block>& coefficients, int pixels, std::size_t jpeg_bytes) {
    // In 1/2^10: none is above 2^21 then, and the sums fit.
    std::uint64_t sum_of_squares = 0;
    std::uint64_t sum = 0;
    for (const Block& block : coefficients) {
        std::uint32_t of_block = 0;
        for (const std::int32_t coefficient : block) {
            const auto c =
                static_cast<std::uint32_t>(std::abs(coefficient)) >> (transform_bits - 10);
            sum_of_squares += std::uint64_t{c} * c;
            of_block += c;
        }
        sum += of_block;
    }
    const auto squares = static_cast<double>(sum_of_squares);
    const auto magnitudes = static_cast<double>(sum);
    const double error = std::sqrt(squares / pixels) / (1 << 10);
    const double spread = squares > 0 ? magnitudes * magnitudes / (squares * pixels) : 0;
    const JpegPart part = jpeg_part(spread);
    const double bytes =
        patch_header_bytes + bytes_per_level * levels_at(coefficients, step_of(usual, error));
    const double units =
        usual * std::pow(bytes * bytes_per_byte(part, error) /
                             static_cast<double>(std::max<std::size_t>(jpeg_bytes, 1)),
                         step_exponent);
    return step_of(std::clamp(units, part.finest, part.coarsest), error);
}

}  // namespace livesr::residual
