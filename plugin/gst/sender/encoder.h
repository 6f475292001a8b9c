// What patchsender knows about encoders: how each takes its bit rate, and which decoder reads what
// it makes.
#pragma once

#include <gst/gst.h>

#include <cstdint>
#include <optional>
#include <string>

namespace livesr::gst {

extern const char* const default_encoder;
extern const char* const no_encoder;

// A bin with one sink and one src pad out of a launch fragment, floating. Throws std::runtime_error
// with the reason and a remedy.
GstElement* make_encoder(const std::string& fragment);
// What its src pad can have. The caller's.
GstCaps* output_caps(GstElement* element);

// Where an encoder's bit rate is set.
struct BitrateControl {
    GstElement* encoder = nullptr;  // borrowed
    const char* property = nullptr;
    std::uint32_t bps_per_unit = 1;
};

// The first encoder in `bin` (or `bin` itself) whose bit rate we know how to set.
std::optional<BitrateControl> find_bitrate_control(GstElement* bin);

// Clamped to what the property takes.
void set_bitrate(const BitrateControl& control, std::uint32_t bitrate_bps);

// A launch fragment that decodes `caps` without delay: of the decoders that are installed, the
// best.
std::string decoder_for(const GstCaps* caps);

}  // namespace livesr::gst
