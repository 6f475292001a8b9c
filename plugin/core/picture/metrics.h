// Quality of one plane against another.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/network/isa.h"

namespace livesr {

// Sum of squared differences.
std::uint64_t squared_error(const std::uint8_t* a, std::ptrdiff_t a_stride, const std::uint8_t* b,
                            std::ptrdiff_t b_stride, int width, int height, Isa isa = best_isa());

// dB for a mean squared error; identical pictures give 100 dB (a number that can be averaged).
double psnr_db(double mean_squared_error);

// Mean SSIM (Wang et al. 2004): 11x11 Gaussian window, sigma 1.5, K1 0.01, K2 0.03, valid positions
// only. Width and height at least 11, else the plain global SSIM.
double ssim(const std::uint8_t* a, std::ptrdiff_t a_stride, const std::uint8_t* b,
            std::ptrdiff_t b_stride, int width, int height);

}  // namespace livesr
