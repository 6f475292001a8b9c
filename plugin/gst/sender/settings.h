// What a user sets on patchsender and on patchpicker alike: one list of properties for both.
#pragma once

#include <gst/gst.h>

#include <cstdint>
#include <string>

#include "core/patch/packet.h"
#include "core/picture/scale.h"

namespace livesr::gst {

struct SenderSettings {
    Scale scale;  // none: the engine chooses the rung
    bool patches = true;
    std::uint32_t patch_bitrate_bps = 0;  // scheduled
    std::uint32_t patches_per_second = 0;
    std::uint32_t max_bitrate_bps = 1'000'000;
    std::uint32_t min_video_bitrate_bps = 200'000;  // LiveNAS 5.1
    PatchCodec patch_codec = PatchCodec::residual;
    int residual_step = 0;  // 0: as fits the patch
    int jpeg_quality = 95;  // LiveNAS 5.2
    std::string uplink = "auto";
    std::uint32_t uplink_bitrate_bps = 0;  // with uplink=external; 0: not told yet
    std::string schedule = "residual";
    std::string stream_class = "default";
    std::string stream_key;
    std::string feedback_uri;
    std::string token;
    std::string engine = "auto";
    bool lockstep = false;
    std::uint32_t seed = 1;
    // Not a property: patchsender's width and height are none that a scale gives, so that no packet
    // could say how the sizes relate.
    bool unrelated_sizes = false;
    // Not a property: the encoder is outside, so that nobody here knows what a receiver decodes.
    bool encoder_outside = false;

    // With what `other` says that the uplink carries, and nothing else changed, are they equal?
    bool differs_only_in_uplink_bitrate(const SenderSettings& other) const;
    bool operator==(const SenderSettings&) const = default;

    bool sends_patches() const {
        return patches && !unrelated_sizes && (scale != 1 || sends_patches_at_full_size());
    }
    // Little is to be gained there: by residuals alone, and only where somebody tells whether.
    bool sends_patches_at_full_size() const { return sends_residuals() && !feedback_uri.empty(); }
    bool chooses_rung() const { return scale == 0 && sends_patches() && !encoder_outside; }
    // Of the first frame.
    Scale first_scale() const { return scale == 0 ? Scale(2) : scale; }
    bool sends_residuals() const { return patch_codec == PatchCodec::residual && !encoder_outside; }
};

// How the uplink is shared out.
struct Plan {
    std::uint32_t video_bitrate_bps = 0;
    std::uint32_t patch_bitrate_bps = 0;
    std::uint32_t estimated_uplink_bps = 0;
    std::uint32_t encoder_bitrate_bps =
        0;  // what the encoder is told so that it gives the video its rate

    bool operator==(const Plan&) const = default;
};

// What holds until an engine says better, and where there is none.
Plan initial_plan(const SenderSettings& settings);

// Empty, or what cannot be started with and what to set instead.
std::string describe_problem(const SenderSettings& settings);

// Installs the properties and returns the first id that is free. What can be read only:
// video-bitrate, patch-bitrate-now, estimated-uplink-bitrate (of a Plan) and stats.
guint install_settings(GObjectClass* object_class);
// False when `id` is not one of them. The caller guards `settings`.
bool set_setting(SenderSettings& settings, guint id, const GValue* value);
bool get_setting(const SenderSettings& settings, guint id, GValue* value);
bool get_plan(const Plan& plan, guint id, GValue* value);
bool is_stats(guint id);

}  // namespace livesr::gst
