#include "core/picture/metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "core/picture/metrics_kernels.h"

namespace livesr {
namespace {

constexpr double c1 = (0.01 * 255) * (0.01 * 255);
constexpr double c2 = (0.03 * 255) * (0.03 * 255);

// SSIM = (1 - (ma - mb)^2 / (ma^2 + mb^2 + c1)) * (1 - var(a - b) / (var(a) + var(b) + c2)), which
// is the usual form rewritten: what is subtracted from 1 vanishes as the pictures become equal, and
// rounding errors vanish with it.
// sum, squares: means of a + b and a^2 + b^2, both of a and b less `centre`; difference,
// squared_difference: means of a - b and its square.
template <typename T>
T similarity(T sum, T difference, T squares, T squared_difference, T centre) {
    const T squared_means = (sum * sum + difference * difference) / 2;
    const T full_sum = sum + 2 * centre;
    const T full_squared_means = (full_sum * full_sum + difference * difference) / 2;
    const T variances = squares - squared_means;
    const T difference_variance = squared_difference - difference * difference;
    return (1 - difference * difference / (full_squared_means + static_cast<T>(c1))) *
           (1 - difference_variance / (variances + static_cast<T>(c2)));
}

double global_ssim(const std::uint8_t* a, std::ptrdiff_t a_stride, const std::uint8_t* b,
                   std::ptrdiff_t b_stride, int width, int height) {
    double sum = 0, difference = 0, squares = 0, squared_difference = 0;
    for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
            const double p = a[y * a_stride + x];
            const double q = b[y * b_stride + x];
            sum += p + q;
            difference += p - q;
            squares += p * p + q * q;
            squared_difference += (p - q) * (p - q);
        }
    }
    const double n = static_cast<double>(width) * height;
    return similarity(sum / n, difference / n, squares / n, squared_difference / n, 0.0);
}

constexpr int window = 11;

std::array<float, window> gaussian() {
    std::array<double, window> w{};
    double sum = 0;
    for (int i = 0; i < window; ++i) {
        const double d = i - window / 2;
        w[static_cast<std::size_t>(i)] = std::exp(-d * d / (2 * 1.5 * 1.5));
        sum += w[static_cast<std::size_t>(i)];
    }
    std::array<float, window> out{};
    for (std::size_t i = 0; i < window; ++i) out[i] = static_cast<float>(w[i] / sum);
    return out;
}

// Gaussian means of a + b, a - b, a^2 + b^2 and (a - b)^2 over one row of window positions. Every
// output is a sum in one order, so that the compiler may vectorise across outputs without changing
// a bit.
class MomentRow {
  public:
    explicit MomentRow(int width)
        : width_(width), columns_(4 * static_cast<std::size_t>(width)), means_(columns_.size()) {}

    void filter(const std::uint8_t* a, std::ptrdiff_t a_stride, const std::uint8_t* b,
                std::ptrdiff_t b_stride) {
        static const std::array<float, window> weights = gaussian();
        float* const cm = plane(columns_, 0);
        float* const cd = plane(columns_, 1);
        float* const cs = plane(columns_, 2);
        float* const ce = plane(columns_, 3);
        std::fill(columns_.begin(), columns_.end(), 0.0F);
        for (int k = 0; k < window; ++k) {
            const float w = weights[static_cast<std::size_t>(k)];
            const std::uint8_t* pa = a + k * a_stride;
            const std::uint8_t* pb = b + k * b_stride;
            for (int x = 0; x < width_; ++x) {
                // Centred: what is squared and then cancels out stays small in single precision.
                const float p = static_cast<float>(pa[x]) - centre;
                const float q = static_cast<float>(pb[x]) - centre;
                const float d = p - q;
                cm[x] += w * (p + q);
                cd[x] += w * d;
                cs[x] += w * (p * p + q * q);
                ce[x] += w * (d * d);
            }
        }
        for (int i = 0; i < 4; ++i) {
            const float* from = plane(columns_, i);
            float* to = plane(means_, i);
            for (int x = 0; x < outputs(); ++x) {
                float sum = 0;
                for (int k = 0; k < window; ++k)
                    sum += weights[static_cast<std::size_t>(k)] * from[x + k];
                to[x] = sum;
            }
        }
    }

    double mean_similarity() {
        const float* const mm = plane(means_, 0);
        const float* const md = plane(means_, 1);
        const float* const ms = plane(means_, 2);
        const float* const me = plane(means_, 3);
        float* const out = plane(columns_, 0);
        for (int x = 0; x < outputs(); ++x) {
            out[x] = similarity(mm[x], md[x], ms[x], me[x], centre);
        }
        double sum = 0;
        for (int x = 0; x < outputs(); ++x) sum += static_cast<double>(out[x]);
        return sum / outputs();
    }

  private:
    static constexpr float centre = 128;

    int outputs() const { return width_ - window + 1; }
    float* plane(std::vector<float>& v, int i) const {
        return v.data() + static_cast<std::ptrdiff_t>(i) * width_;
    }

    int width_;
    std::vector<float> columns_, means_;
};

}  // namespace

std::uint64_t squared_error(const std::uint8_t* a, std::ptrdiff_t a_stride, const std::uint8_t* b,
                            std::ptrdiff_t b_stride, int width, int height, Isa isa) {
    auto* row = squared_error_row_reference;
#if defined(__x86_64__)
    if (isa >= Isa::avx512) {
        row = squared_error_row_avx512;
    } else if (isa == Isa::avx2) {
        row = squared_error_row_avx2;
    }
#else
    static_cast<void>(isa);
#endif
    std::uint64_t sum = 0;
    for (int y = 0; y < height; ++y) sum += row(a + y * a_stride, b + y * b_stride, width);
    return sum;
}

double psnr_db(double mean_squared_error) {
    constexpr double identical = 100.0;
    if (mean_squared_error <= 0) return identical;
    return std::min(identical, 10 * std::log10(255.0 * 255.0 / mean_squared_error));
}

double ssim(const std::uint8_t* a, std::ptrdiff_t a_stride, const std::uint8_t* b,
            std::ptrdiff_t b_stride, int width, int height) {
    if (width < window || height < window) {
        return global_ssim(a, a_stride, b, b_stride, width, height);
    }
    MomentRow row(width);
    const int rows = height - window + 1;
    double sum = 0;
    for (int y = 0; y < rows; ++y) {
        row.filter(a + y * a_stride, a_stride, b + y * b_stride, b_stride);
        sum += row.mean_similarity();
    }
    return sum / rows;
}

}  // namespace livesr
