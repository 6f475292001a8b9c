// Plane resampling: upscaling for the plain path and for chroma, downscaling for the sender.
// 8-bit samples, integer arithmetic: every machine gives the same bytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/network/isa.h"
#include "core/picture/scale.h"

namespace livesr {

enum class Filter { bilinear, bicubic, lanczos };  // bicubic: a = -0.5; lanczos: 3 lobes

// Resamples a plane from any size to any size, half-pixel centres, edge replication. When shrinking
// the filter is widened by the ratio (antialiased). `channels` interleaved samples a pixel (1, or 2
// for NV12 chroma). Strides in bytes. Buffers must not overlap.
// Source position of output x: (x + 0.5) * src_width / dst_width - 0.5 (+ nothing else): callers
// that upscale padded pictures give the padded sizes and crop. For integer enlargement the bicubic
// result equals the one that enhance() adds its residual to.
void resample(Filter filter, const std::uint8_t* src, std::ptrdiff_t src_stride, int src_width,
              int src_height, std::uint8_t* dst, std::ptrdiff_t dst_stride, int dst_width,
              int dst_height, int channels = 1, Isa isa = best_isa());

// What enlarges a picture sent at this scale plainly. Networks of whole scales add to bicubic; at
// 3/2 they restore what is enlarged already, and Lanczos is better (by 0.1 to 0.2 dB).
constexpr Filter plain_filter(const Scale& scale) {
    return scale == Scale(3, 2) ? Filter::lanczos : Filter::bicubic;
}

}  // namespace livesr
