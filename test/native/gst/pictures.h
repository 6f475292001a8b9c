// Pictures for tests of the elements: textures that move, planes, video buffers.
#pragma once

#include <gst/gst.h>
#include <gst/video/video.h>

#include <cstdint>
#include <vector>

namespace livesr::test {

// One plane, dense.
struct Plane {
    int width = 0;
    int height = 0;
    int channels = 1;
    std::vector<std::uint8_t> pixels;

    bool operator==(const Plane&) const = default;
};

// A texture with detail at all sizes that moves one pixel to the right for each unit of `position`.
Plane texture(int width, int height, int position, unsigned seed = 1);
Plane shrink(const Plane& plane, int scale);
Plane enlarge(const Plane& plane, int scale);  // bicubic
Plane crop(const Plane& plane, int x, int y, int width, int height);

// A frame whose planes are textures, with time stamp and duration.
GstBuffer* video_buffer(GstVideoFormat format, int width, int height, int position,
                        GstClockTime time, GstClockTime duration);
// A frame with this luma and grey chroma.
GstBuffer* video_buffer(GstVideoFormat format, const Plane& luma, GstClockTime time,
                        GstClockTime duration);
// Planes of a buffer: luma, then chroma.
std::vector<Plane> planes(GstBuffer* buffer, GstVideoFormat format, int width, int height);

}  // namespace livesr::test
