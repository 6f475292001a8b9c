// Whether a decoded frame begins another scene. Pure: no GStreamer, no clock.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace livesr::gst {

class SceneCutDetector {
  public:
    // True when this frame shows another scene than the one before it. The first frame, and the
    // first after clear(), begin none.
    bool add(const std::uint8_t* luma, std::ptrdiff_t stride, int width, int height);
    void clear();

  private:
    static constexpr int columns = 16;
    static constexpr int rows = 9;
    static constexpr std::size_t bins = 32;

    struct Sketch {
        std::array<float, static_cast<std::size_t>(columns) * rows> means{};  // of cells, levels
        std::array<float, bins> histogram{};                                  // shares of pixels
    };
    static Sketch sketch(const std::uint8_t* luma, std::ptrdiff_t stride, int width, int height);

    Sketch last_;
    bool has_last_ = false;
    float usual_ = 0.0F;  // mean difference of the cells from frame to frame, levels
    int since_cut_ = 0;   // frames
};

}  // namespace livesr::gst
