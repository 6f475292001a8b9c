// A coded stream whose pictures carry patch packets, as a sender makes it: for tests of what reads
// it.
#pragma once

#include <gst/gst.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/patch/carriage.h"
#include "pictures.h"

namespace livesr::test {

class CarriedStream {
  public:
    static constexpr int high_width = 192, high_height = 128, scale = 2;

    // Frames of a moving texture through this part of a launch line. nullopt: an element of it is
    // not installed.
    static std::optional<CarriedStream> encode(const std::string& encoder, int frames);
    CarriedStream(CarriedStream&&) noexcept;
    CarriedStream& operator=(CarriedStream&&) = delete;
    ~CarriedStream();

    struct Picture {
        std::vector<std::uint8_t> bytes;
        int number = 0;  // in the order of display
    };
    // In the order of coding.
    std::vector<Picture>& pictures() { return pictures_; }
    const std::vector<Picture>& pictures() const { return pictures_; }
    GstCaps* caps() const { return caps_; }
    GstBuffer* buffer(const Picture& picture) const;

    // Luma of the frames as this part of a launch line decodes them, by their number.
    std::map<int, Plane> decode(const std::string& decoder) const;
    // A residual patch of frame `number`, of these decoded pixels.
    static std::vector<std::uint8_t> residual_packet(const Plane& decoded, int number,
                                                     std::uint32_t sequence);
    static std::vector<std::uint8_t> jpeg_packet(int number, std::uint32_t sequence);
    static std::vector<std::uint8_t> announcement(std::uint32_t sequence);
    // Puts a packet of frame `number` into the pictures from `at` on, in the order of coding; one
    // part each.
    void carry(const std::vector<std::uint8_t>& packet, int number, std::size_t at,
               std::uint16_t message, std::size_t parts = 1);

  private:
    CarriedStream() = default;

    GstCaps* caps_ = nullptr;
    std::vector<Picture> pictures_;
};

}  // namespace livesr::test
