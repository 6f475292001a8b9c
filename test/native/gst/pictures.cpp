// See pictures.h.
#include "pictures.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/picture/resample.h"

namespace livesr::test {

namespace {

// A number in [0, 255] that looks drawn at random for every lattice point.
int lattice(int x, int y, unsigned seed) {
    unsigned h = static_cast<unsigned>(x) * 0x9E3779B1U ^ static_cast<unsigned>(y) * 0x85EBCA77U ^
                 seed * 0xC2B2AE3DU;
    h ^= h >> 15U;
    h *= 0x2C1B3C6DU;
    h ^= h >> 12U;
    h *= 0x297A2D39U;
    h ^= h >> 15U;
    return static_cast<int>(h & 0xFFU);
}

// Lattice values `size` pixels apart, joined by straight lines.
double noise(int x, int y, int size, unsigned seed) {
    const int x0 = x >= 0 ? x / size : -((size - 1 - x) / size);
    const int y0 = y / size;
    const double fx = static_cast<double>(x - x0 * size) / size;
    const double fy = static_cast<double>(y - y0 * size) / size;
    const double top = lattice(x0, y0, seed) * (1 - fx) + lattice(x0 + 1, y0, seed) * fx;
    const double bottom = lattice(x0, y0 + 1, seed) * (1 - fx) + lattice(x0 + 1, y0 + 1, seed) * fx;
    return top * (1 - fy) + bottom * fy;
}

struct Mapped {
    GstVideoFrame frame;

    Mapped(GstBuffer* buffer, GstVideoFormat format, int width, int height, GstMapFlags flags) {
        GstVideoInfo info;
        gst_video_info_set_format(&info, format, static_cast<guint>(width),
                                  static_cast<guint>(height));
        if (!gst_video_frame_map(&frame, &info, buffer, flags)) {
            throw std::runtime_error("a buffer does not hold its frame");
        }
    }
    ~Mapped() { gst_video_frame_unmap(&frame); }
    Mapped(const Mapped&) = delete;
    Mapped& operator=(const Mapped&) = delete;

    int count() const { return static_cast<int>(GST_VIDEO_FRAME_N_PLANES(&frame)); }
    Plane shape(int plane) const {
        Plane result;
        result.width = GST_VIDEO_FRAME_COMP_WIDTH(&frame, plane);
        result.height = GST_VIDEO_FRAME_COMP_HEIGHT(&frame, plane);
        result.channels = plane == 1 && count() == 2 ? 2 : 1;
        return result;
    }
    std::uint8_t* row(int plane, int y) {
        return static_cast<std::uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&frame, plane)) +
               static_cast<std::ptrdiff_t>(y) * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, plane);
    }
};

GstBuffer* empty_buffer(GstVideoFormat format, int width, int height, GstClockTime time,
                        GstClockTime duration) {
    GstVideoInfo info;
    gst_video_info_set_format(&info, format, static_cast<guint>(width), static_cast<guint>(height));
    GstBuffer* buffer = gst_buffer_new_allocate(nullptr, info.size, nullptr);
    gst_buffer_memset(buffer, 0, 0, info.size);
    GST_BUFFER_PTS(buffer) = time;
    GST_BUFFER_DURATION(buffer) = duration;
    return buffer;
}

void write_plane(Mapped& frame, int index, const Plane& plane) {
    const int bytes = plane.width * plane.channels;
    for (int y = 0; y < plane.height; ++y) {
        std::copy_n(plane.pixels.begin() + static_cast<std::ptrdiff_t>(y) * bytes, bytes,
                    frame.row(index, y));
    }
}

}  // namespace

Plane texture(int width, int height, int position, unsigned seed) {
    Plane plane{width, height, 1, {}};
    for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
            const int at = x - position;
            const double value = 0.5 * noise(at, y, 16, seed) + 0.3 * noise(at, y, 5, seed + 1) +
                                 0.2 * noise(at, y, 2, seed + 2);
            plane.pixels.push_back(static_cast<std::uint8_t>(std::lround(value)));
        }
    }
    return plane;
}

Plane shrink(const Plane& plane, int scale) {
    Plane result{plane.width / scale, plane.height / scale, plane.channels, {}};
    result.pixels.resize(static_cast<std::size_t>(result.width) * result.height * plane.channels);
    resample(Filter::lanczos, plane.pixels.data(), plane.width * plane.channels, plane.width,
             plane.height, result.pixels.data(), result.width * plane.channels, result.width,
             result.height, plane.channels);
    return result;
}

Plane enlarge(const Plane& plane, int scale) {
    Plane result{plane.width * scale, plane.height * scale, plane.channels, {}};
    result.pixels.resize(static_cast<std::size_t>(result.width) * result.height * plane.channels);
    resample(Filter::bicubic, plane.pixels.data(), plane.width * plane.channels, plane.width,
             plane.height, result.pixels.data(), result.width * plane.channels, result.width,
             result.height, plane.channels);
    return result;
}

Plane crop(const Plane& plane, int x, int y, int width, int height) {
    Plane result{width, height, plane.channels, {}};
    for (int row = y; row < y + height; ++row) {
        const auto from = plane.pixels.begin() +
                          static_cast<std::ptrdiff_t>(row * plane.width + x) * plane.channels;
        result.pixels.insert(result.pixels.end(), from, from + width * plane.channels);
    }
    return result;
}

GstBuffer* video_buffer(GstVideoFormat format, int width, int height, int position,
                        GstClockTime time, GstClockTime duration) {
    GstBuffer* buffer = empty_buffer(format, width, height, time, duration);
    Mapped frame(buffer, format, width, height, GST_MAP_WRITE);
    for (int index = 0; index < frame.count(); ++index) {
        const Plane shape = frame.shape(index);
        Plane plane = texture(shape.width * shape.channels, shape.height, position,
                              static_cast<unsigned>(10 * index + 1));
        plane.width = shape.width;
        plane.channels = shape.channels;
        write_plane(frame, index, plane);
    }
    return buffer;
}

GstBuffer* video_buffer(GstVideoFormat format, const Plane& luma, GstClockTime time,
                        GstClockTime duration) {
    GstBuffer* buffer = empty_buffer(format, luma.width, luma.height, time, duration);
    gst_buffer_memset(buffer, 0, 128, gst_buffer_get_size(buffer));
    Mapped frame(buffer, format, luma.width, luma.height, GST_MAP_WRITE);
    write_plane(frame, 0, luma);
    return buffer;
}

std::vector<Plane> planes(GstBuffer* buffer, GstVideoFormat format, int width, int height) {
    Mapped frame(buffer, format, width, height, GST_MAP_READ);
    std::vector<Plane> result;
    for (int index = 0; index < frame.count(); ++index) {
        Plane plane = frame.shape(index);
        const int bytes = plane.width * plane.channels;
        for (int y = 0; y < plane.height; ++y) {
            plane.pixels.insert(plane.pixels.end(), frame.row(index, y),
                                frame.row(index, y) + bytes);
        }
        result.push_back(std::move(plane));
    }
    return result;
}

}  // namespace livesr::test
