// Enlarging of pictures, and the threads that share the work.
#include "gst/enhancer/upscaler.h"

#include <algorithm>
#include <functional>

#include "core/picture/resample.h"

namespace livesr::gst {

Upscaler::Upscaler(int threads)
    : crew_(static_cast<std::size_t>(std::max(threads, 1))), scratches_(crew_.threads()) {}

void Upscaler::run(std::span<const PlaneJob> planes) {
    uncropped_.resize(std::max(uncropped_.size(), planes.size()));
    // A task is given the scratch memory of the thread that runs it.
    std::vector<std::function<void(EnhanceScratch&)>> tasks;
    const int strips = static_cast<int>(crew_.threads());
    struct Crop {
        const PlaneJob* plane;
        const std::uint8_t* from;
        std::size_t row_bytes;
    };
    std::vector<Crop> crops;
    for (std::size_t i = 0; i < planes.size(); ++i) {
        const PlaneJob& plane = planes[i];
        const Scale& scale = plane.scale;
        const int full_width = scale != 0 ? scale.enlarged(plane.src_width) : plane.dst_width;
        const int full_height = scale != 0 ? scale.enlarged(plane.src_height) : plane.dst_height;
        std::uint8_t* dst = plane.dst;
        std::ptrdiff_t dst_stride = plane.dst_stride;
        if (plane.dst_width != full_width || plane.dst_height != full_height) {
            const std::size_t row_bytes = static_cast<std::size_t>(full_width) * plane.channels;
            uncropped_[i].resize(row_bytes * full_height);
            dst = uncropped_[i].data();
            dst_stride = static_cast<std::ptrdiff_t>(row_bytes);
            crops.push_back({&plane, dst, row_bytes});
        }
        if (plane.network == nullptr && full_width == plane.src_width &&
            full_height == plane.src_height) {
            tasks.emplace_back([=, &plane](EnhanceScratch&) {
                const auto bytes = static_cast<std::size_t>(full_width) * plane.channels;
                for (int row = 0; row < full_height; ++row) {
                    std::copy_n(plane.src + row * plane.src_stride, bytes, dst + row * dst_stride);
                }
            });
            continue;
        }
        if (plane.network == nullptr) {
            const Filter filter = plain_filter(scale);
            tasks.emplace_back([=, &plane](EnhanceScratch&) {
                resample(filter, plane.src, plane.src_stride, plane.src_width, plane.src_height,
                         dst, dst_stride, full_width, full_height, plane.channels);
            });
            continue;
        }
        for (int strip = 0; strip < strips; ++strip) {
            // No cell of a network that restores is cut.
            const auto border = [&](int at) {
                return at == strips ? plane.src_height : plane.src_height * at / strips / 2 * 2;
            };
            const int begin = border(strip);
            const int end = border(strip + 1);
            if (begin == end) continue;
            tasks.emplace_back([=, &plane](EnhanceScratch& scratch) {
                enhance(*plane.network, scratch, plane.src, plane.src_stride, plane.src_width,
                        plane.src_height, dst, dst_stride, begin, end);
            });
        }
    }
    crew_.run(tasks.size(),
              [&](std::size_t task, std::size_t thread) { tasks[task](scratches_[thread]); });
    for (const Crop& crop : crops) {
        const std::size_t bytes = static_cast<std::size_t>(crop.plane->dst_width) *
                                  static_cast<std::size_t>(crop.plane->channels);
        for (int row = 0; row < crop.plane->dst_height; ++row) {
            std::copy_n(crop.from + static_cast<std::size_t>(row) * crop.row_bytes, bytes,
                        crop.plane->dst + row * crop.plane->dst_stride);
        }
    }
}

}  // namespace livesr::gst
