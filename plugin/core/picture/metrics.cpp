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

// From means, and means of a^2 + b^2 and of a * b. Variances only enter as their sum.
template <typename T>
T similarity(T mean_a, T mean_b, T mean_squares, T mean_product) {
    const T product = mean_a * mean_b;
    const T squares = mean_a * mean_a + mean_b * mean_b;
    const T covariance = mean_product - product;
    const T variances = mean_squares - squares;
    return ((T{2} * product + T{c1}) * (T{2} * covariance + T{c2})) /
           ((squares + T{c1}) * (variances + T{c2}));
}

double global_ssim(const std::uint8_t* a, std::ptrdiff_t a_stride, const std::uint8_t* b,
                   std::ptrdiff_t b_stride, int width, int height) {
    double sum_a = 0, sum_b = 0, sum_squares = 0, sum_product = 0;
    for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
            const double p = a[y * a_stride + x];
            const double q = b[y * b_stride + x];
            sum_a += p;
            sum_b += q;
            sum_squares += p * p + q * q;
            sum_product += p * q;
        }
    }
    const double n = static_cast<double>(width) * height;
    return similarity(sum_a / n, sum_b / n, sum_squares / n, sum_product / n);
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

// Gaussian means of a, b, a^2 + b^2 and a * b over one row of window positions. Every output is a
// sum in one order, so that the compiler may vectorise across outputs without changing a bit.
class MomentRow {
  public:
    explicit MomentRow(int width)
        : width_(width), columns_(4 * static_cast<std::size_t>(width)), means_(columns_.size()) {}

    void filter(const std::uint8_t* a, std::ptrdiff_t a_stride, const std::uint8_t* b,
                std::ptrdiff_t b_stride) {
        static const std::array<float, window> weights = gaussian();
        float* const ca = plane(columns_, 0);
        float* const cb = plane(columns_, 1);
        float* const cs = plane(columns_, 2);
        float* const cp = plane(columns_, 3);
        std::fill(columns_.begin(), columns_.end(), 0.0F);
        for (int k = 0; k < window; ++k) {
            const float w = weights[static_cast<std::size_t>(k)];
            const std::uint8_t* pa = a + k * a_stride;
            const std::uint8_t* pb = b + k * b_stride;
            for (int x = 0; x < width_; ++x) {
                // Centred: what is squared and then cancels out stays small in single precision.
                const float p = static_cast<float>(pa[x] - centre);
                const float q = static_cast<float>(pb[x] - centre);
                ca[x] += w * p;
                cb[x] += w * q;
                cs[x] += w * (p * p + q * q);
                cp[x] += w * (p * q);
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
        const float* const ma = plane(means_, 0);
        const float* const mb = plane(means_, 1);
        const float* const ms = plane(means_, 2);
        const float* const mp = plane(means_, 3);
        float* const out = plane(columns_, 0);
        for (int x = 0; x < outputs(); ++x) {
            out[x] = centred_similarity(ma[x], mb[x], ms[x], mp[x]);
        }
        double sum = 0;
        for (int x = 0; x < outputs(); ++x) sum += static_cast<double>(out[x]);
        return sum / outputs();
    }

  private:
    static constexpr int centre = 128;

    static float centred_similarity(float mean_a, float mean_b, float mean_squares,
                                    float mean_product) {
        const float covariance = mean_product - mean_a * mean_b;
        const float variances = mean_squares - (mean_a * mean_a + mean_b * mean_b);
        const float a = mean_a + centre;
        const float b = mean_b + centre;
        return ((2 * a * b + static_cast<float>(c1)) * (2 * covariance + static_cast<float>(c2))) /
               ((a * a + b * b + static_cast<float>(c1)) * (variances + static_cast<float>(c2)));
    }

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
