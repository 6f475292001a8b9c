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
// Gaussian.
// Where such an error is large as well, training loses more of it. docs/results.md has what each
// part loses.
struct JpegPart {
    double spread;
    double small_error;  // bytes of JPEG for one of the residual, where the error is small,
    double large_error;  // and where it is large
    double coarsest;     // step, in units of the error that the patch corrects
};
constexpr std::array<JpegPart, 5> jpeg_parts = {{{0.08, 3.45, 3.45, 3.3},
                                                 {0.12, 4.3, 4.3, 3.3},
                                                 {0.16, 5.95, 3.8, 3.3},
                                                 {0.36, 5.95, 3.8, 3.3},
                                                 {0.42, 19.0, 19.0, 4.6}}};
// Root mean square, in grey levels.
constexpr double small_error = 5.5;
constexpr double large_error = 7.5;

JpegPart jpeg_part(double spread) {
    if (spread <= jpeg_parts.front().spread) return jpeg_parts.front();
    for (std::size_t i = 1; i < jpeg_parts.size(); ++i) {
        const JpegPart& from = jpeg_parts[i - 1];
        const JpegPart& to = jpeg_parts[i];
        if (spread < to.spread) {
            const double way = (spread - from.spread) / (to.spread - from.spread);
            return {spread, std::lerp(from.small_error, to.small_error, way),
                    std::lerp(from.large_error, to.large_error, way),
                    std::lerp(from.coarsest, to.coarsest, way)};
        }
    }
    return jpeg_parts.back();
}

// Steps in units of that error (root mean square), as far as they were tried (docs/results.md).
constexpr double finest = 1.5;
constexpr double usual = 2.5;
// Bytes go with the step to the power of -1.25 around there.
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
    double squares = 0;
    double magnitudes = 0;
    for (const Block& block : coefficients) {
        for (const std::int32_t c : block) {
            squares += static_cast<double>(c) * c;
            magnitudes += std::abs(static_cast<double>(c));
        }
    }
    const double error = std::sqrt(squares / pixels) / (1 << transform_bits);
    const double spread = squares > 0 ? magnitudes * magnitudes / (squares * pixels) : 0;
    const JpegPart part = jpeg_part(spread);
    const double size = std::clamp((error - small_error) / (large_error - small_error), 0.0, 1.0);
    const double bytes_per_byte = std::lerp(part.small_error, part.large_error, size);
    const double bytes =
        patch_header_bytes + bytes_per_level * levels_at(coefficients, step_of(usual, error));
    const double units =
        usual *
        std::pow(bytes * bytes_per_byte / static_cast<double>(std::max<std::size_t>(jpeg_bytes, 1)),
                 step_exponent);
    return step_of(std::clamp(units, finest, part.coarsest), error);
}

}  // namespace livesr::residual
