// The properties of the sender's elements. See settings.h.
#include "gst/sender/settings.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>

#include "core/patch/residual.h"
#include "gst/engine/engine_client.h"
#include "gst/sender/link_probe.h"

namespace livesr::gst {

namespace {

enum Property : guint {
    scale = 1,
    patches,
    patch_bitrate,
    patches_per_second,
    max_bitrate,
    min_video_bitrate,
    patch_codec,
    residual_step,
    jpeg_quality,
    uplink,
    uplink_bitrate,
    schedule,
    stream_class,
    stream_key,
    feedback_uri,
    token,
    engine,
    lockstep,
    seed,
    video_bitrate,
    patch_bitrate_now,
    estimated_uplink_bitrate,
    stats,
    end,
};

const std::string fixed_prefix = "fixed:";
const std::string trace_prefix = "trace:";
const std::string external_uplink = "external";

// What an uplink that is measured is taken to carry at first; the engine's first estimate too
// (elements/patch-sender/link/open.ts).
constexpr double first_estimate_bps = 500'000;

// bit/s of a "fixed:KBITS"; 0 when it is not a number above 0.
double fixed_uplink_bps(const std::string& text) {
    const std::string number = text.substr(fixed_prefix.size());
    char* end = nullptr;
    const double kbits = g_ascii_strtod(number.c_str(), &end);
    const bool good = !number.empty() && *end == '\0' && std::isfinite(kbits) && kbits > 0;
    return good ? kbits * 1000 : 0;
}

GType patches_type() {
    static const GEnumValue values[] = {
        {1, "Patches at the rate that the engine plans", "auto"},
        {0, "No patches: the whole uplink is the video's", "off"},
        {0, nullptr, nullptr},
    };
    static const GType type = g_enum_register_static("LivesrPatches", values);
    return type;
}

GType patch_codec_type() {
    static const GEnumValue values[] = {
        {static_cast<int>(PatchCodec::residual),
         "What enlarging the decoded picture misses: on average a sixth of JPEG's bytes",
         "residual"},
        {static_cast<int>(PatchCodec::jpeg_luma), "Luma JPEG: needs no decoder that agrees",
         "jpeg"},
        {0, nullptr, nullptr},
    };
    static const GType type = g_enum_register_static("LivesrPatchCodec", values);
    return type;
}

GType scale_type() {
    static const GEnumValue values[] = {
        {0, "Full size, two thirds, half or a third, whatever looks best at the other end", "auto"},
        {1, "Full size", "1"},
        {Scale(3, 2).code(), "Two thirds of the width and height", "1.5"},
        {2, "Half the width and height", "2"},
        {3, "A third", "3"},
        {4, "A quarter", "4"},
        {0, nullptr, nullptr},
    };
    static const GType type = g_enum_register_static("LivesrScale", values);
    return type;
}

constexpr auto readwrite = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS);
constexpr auto readable = static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
constexpr auto before_start = static_cast<GParamFlags>(readwrite | GST_PARAM_MUTABLE_READY);
constexpr auto live = static_cast<GParamFlags>(readwrite | GST_PARAM_MUTABLE_PLAYING);

std::string text_of(const GValue* value) {
    const char* text = g_value_get_string(value);
    return text ? text : "";
}

}  // namespace

bool SenderSettings::differs_only_in_uplink_bitrate(const SenderSettings& other) const {
    SenderSettings same = *this;
    same.uplink_bitrate_bps = other.uplink_bitrate_bps;
    return same == other && uplink_bitrate_bps != other.uplink_bitrate_bps;
}

Plan initial_plan(const SenderSettings& settings) {
    double carried_bps = settings.max_bitrate_bps;
    if (settings.uplink == external_uplink && settings.uplink_bitrate_bps > 0) {
        carried_bps = std::min(carried_bps, static_cast<double>(settings.uplink_bitrate_bps));
    } else if (settings.uplink == external_uplink ||
               parse_link_choice(settings.uplink).kind != LinkChoice::Kind::none) {
        carried_bps = std::min(carried_bps, first_estimate_bps);
    }
    if (settings.uplink.starts_with(fixed_prefix)) {
        const double fixed_bps = fixed_uplink_bps(settings.uplink);
        if (fixed_bps > 0) carried_bps = std::min(carried_bps, fixed_bps);
    }
    const auto carried = static_cast<std::uint32_t>(carried_bps);
    const std::uint32_t spare = carried - std::min(carried, settings.min_video_bitrate_bps);
    const std::uint32_t patch =
        settings.sends_patches() ? std::min(settings.patch_bitrate_bps, spare) : 0;
    return {carried - patch, patch, carried, carried - patch};
}

std::string describe_problem(const SenderSettings& settings) {
    if (std::string problem = describe_engine_problem(settings.engine); !problem.empty()) {
        return problem;
    }
    if (settings.schedule != "residual" && settings.schedule != "livenas") {
        return "schedule is \"" + settings.schedule + "\": use residual or livenas";
    }
    const std::string& uri = settings.feedback_uri;
    if (!uri.empty() && !uri.starts_with("ws://") && !uri.starts_with("wss://")) {
        return "feedback-uri is \"" + uri + "\": use ws://HOST:PORT or wss://HOST:PORT";
    }
    const std::string& text = settings.uplink;
    if (text == "auto" || text == external_uplink) return "";
    if (parse_link_choice(text).kind != LinkChoice::Kind::none) return "";
    if (text.starts_with(fixed_prefix) && fixed_uplink_bps(text) > 0) return "";
    if (text.starts_with(trace_prefix)) {
        const std::string file = text.substr(trace_prefix.size());
        if (g_file_test(file.c_str(), G_FILE_TEST_IS_REGULAR)) return "";
        return "uplink names the trace \"" + file + "\", which is not a file";
    }
    return "uplink is \"" + text +
           "\": use auto, fixed:KBITS (a number above 0), trace:FILE, srt:ELEMENT, twcc:ELEMENT or "
           "external";
}

guint install_settings(GObjectClass* object_class) {
    const auto install = [&](Property id, GParamSpec* spec) {
        g_object_class_install_property(object_class, id, spec);
    };
    const SenderSettings defaults;
    install(scale,
            g_param_spec_enum("scale", "Scale",
                              "How many times smaller the video is sent, per side. auto tries the "
                              "other sizes beside and changes, at a key frame, when one would "
                              "show the better picture (the receiver's srenhancer must have "
                              "scale=auto too). May change while it runs",
                              scale_type(), defaults.scale.code(), live));
    install(patches, g_param_spec_enum("patches", "Patches",
                                       "Whether patches are sent; may change while it runs",
                                       patches_type(), defaults.patches ? 1 : 0, live));
    install(patch_bitrate,
            g_param_spec_uint("patch-bitrate", "Patch bit rate",
                              "Bit rate of the patches (bit/s), announcements included; 0: as "
                              "schedule says",
                              0, G_MAXUINT, defaults.patch_bitrate_bps, live));
    install(
        patches_per_second,
        g_param_spec_uint("patches-per-second", "Patches per second",
                          "Send so many patches, whatever they cost, to compare codecs by equal "
                          "patches; 0: as many as patch-bitrate pays for",
                          0, 1000, defaults.patches_per_second, before_start));
    install(max_bitrate, g_param_spec_uint("max-bitrate", "Maximum bit rate",
                                           "Most that video and patches together may take (bit/s)",
                                           1000, G_MAXUINT, defaults.max_bitrate_bps, live));
    install(min_video_bitrate,
            g_param_spec_uint("min-video-bitrate", "Minimum video bit rate",
                              "Patches yield when the video would fall below this (bit/s)", 0,
                              G_MAXUINT, defaults.min_video_bitrate_bps, live));
    install(patch_codec,
            g_param_spec_enum("patch-codec", "Patch codec", "How patches are coded",
                              patch_codec_type(), static_cast<int>(defaults.patch_codec), live));
    install(residual_step,
            g_param_spec_int(
                "residual-step", "Residual step",
                "Quantiser step of residual patches (grey levels): smaller is finer; 0: as "
                "fits each patch, on average a sixth of its bytes as JPEG",
                0, largest_residual_step, defaults.residual_step, live));
    install(jpeg_quality,
            g_param_spec_int("jpeg-quality", "JPEG quality", "Of patches that are coded as JPEG", 1,
                             100, defaults.jpeg_quality, live));
    install(uplink,
            g_param_spec_string(
                "uplink", "Uplink",
                "What the uplink carries: auto (max-bitrate), fixed:KBITS (kbit/s), "
                "trace:FILE (mahimahi, or two columns of seconds and Mbit/s), srt:ELEMENT "
                "(measured, from the counters of the srtsink of that name), twcc:ELEMENT "
                "(measured, from the transport-wide feedback that the rtpbin, rtpsession or "
                "webrtcbin of that name gets), or external (uplink-bitrate)",
                defaults.uplink.c_str(), live));
    install(uplink_bitrate,
            g_param_spec_uint("uplink-bitrate", "Uplink bit rate",
                              "With uplink=external: what video and patches may take (bit/s), from "
                              "rtpgccbwe say; an application sets it as often as it likes",
                              0, G_MAXUINT, defaults.uplink_bitrate_bps, live));
    install(schedule, g_param_spec_string(
                          "schedule", "Schedule",
                          "With patch-bitrate=0, how patches get their share: residual (3 to "
                          "7 % of the uplink, as measured) or livenas (the paper's constants)",
                          defaults.schedule.c_str(), live));
    install(stream_class,
            g_param_spec_string("stream-class", "Stream class",
                                "What the video shows, for the curve of its quality over its rate: "
                                "a class of livesr curves; an unknown one is default",
                                defaults.stream_class.c_str(), live));
    // Not shown by gst-launch-1.0 -v, nor by anything else that prints what it can read.
    const auto secret = static_cast<GParamFlags>(G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS |
                                                 GST_PARAM_MUTABLE_READY);
    install(stream_key,
            g_param_spec_string("stream-key", "Stream key",
                                "Name of the stream, as the feedback server has it; empty: "
                                "$LIVESR_STREAM_KEY. Can be written only, like token",
                                defaults.stream_key.c_str(), secret));
    install(feedback_uri,
            g_param_spec_string("feedback-uri", "Feedback URI",
                                "Where srenhancer tells what patches bring: ws://HOST:PORT or "
                                "wss://HOST:PORT, its feedback-listen; empty: nowhere",
                                defaults.feedback_uri.c_str(), before_start));
    install(token,
            g_param_spec_string("token", "Token",
                                "Secret that the feedback server asks for; empty: $LIVESR_TOKEN, "
                                "which, unlike a command line, nobody else on the machine can read",
                                defaults.token.c_str(), secret));
    install(engine,
            g_param_spec_string("engine", "Engine",
                                "auto (starts node), unix:PATH (joins a running engine) or off",
                                defaults.engine.c_str(), before_start));
    install(lockstep, g_param_spec_boolean(
                          "lockstep", "Lockstep",
                          "Wait for the engine at every decision, so that a run can be repeated; "
                          "not for live streams",
                          defaults.lockstep ? TRUE : FALSE, before_start));
    install(seed, g_param_spec_uint("seed", "Seed", "Of the random choice of patches", 0, G_MAXUINT,
                                    defaults.seed, before_start));
    install(video_bitrate, g_param_spec_uint("video-bitrate", "Video bit rate",
                                             "What the plan gives the video now (bit/s)", 0,
                                             G_MAXUINT, 0, readable));
    install(patch_bitrate_now, g_param_spec_uint("patch-bitrate-now", "Patch bit rate now",
                                                 "What the plan gives the patches now (bit/s)", 0,
                                                 G_MAXUINT, 0, readable));
    install(estimated_uplink_bitrate,
            g_param_spec_uint("estimated-uplink-bitrate", "Estimated uplink bit rate",
                              "What the uplink is taken to carry now (bit/s)", 0, G_MAXUINT, 0,
                              readable));
    install(stats, g_param_spec_boxed("stats", "Statistics",
                                      "Counts since the start; units stand in the names",
                                      GST_TYPE_STRUCTURE, readable));
    return end;
}

bool set_setting(SenderSettings& settings, guint id, const GValue* value) {
    switch (id) {
        case scale:
            settings.scale = scale_of_code(g_value_get_enum(value));
            return true;
        case patches:
            settings.patches = g_value_get_enum(value) != 0;
            return true;
        case patch_bitrate:
            settings.patch_bitrate_bps = g_value_get_uint(value);
            return true;
        case patches_per_second:
            settings.patches_per_second = g_value_get_uint(value);
            return true;
        case max_bitrate:
            settings.max_bitrate_bps = g_value_get_uint(value);
            return true;
        case min_video_bitrate:
            settings.min_video_bitrate_bps = g_value_get_uint(value);
            return true;
        case patch_codec:
            settings.patch_codec = static_cast<PatchCodec>(g_value_get_enum(value));
            return true;
        case residual_step:
            settings.residual_step = g_value_get_int(value);
            return true;
        case jpeg_quality:
            settings.jpeg_quality = g_value_get_int(value);
            return true;
        case uplink:
            settings.uplink = text_of(value);
            return true;
        case uplink_bitrate:
            settings.uplink_bitrate_bps = g_value_get_uint(value);
            return true;
        case schedule:
            settings.schedule = text_of(value);
            return true;
        case stream_class:
            settings.stream_class = text_of(value);
            return true;
        case stream_key:
            settings.stream_key = text_of(value);
            return true;
        case feedback_uri:
            settings.feedback_uri = text_of(value);
            return true;
        case token:
            settings.token = text_of(value);
            return true;
        case engine:
            settings.engine = text_of(value);
            return true;
        case lockstep:
            settings.lockstep = g_value_get_boolean(value) == TRUE;
            return true;
        case seed:
            settings.seed = g_value_get_uint(value);
            return true;
        default:
            return false;
    }
}

bool get_setting(const SenderSettings& settings, guint id, GValue* value) {
    switch (id) {
        case scale:
            g_value_set_enum(value, settings.scale.code());
            return true;
        case patches:
            g_value_set_enum(value, settings.patches ? 1 : 0);
            return true;
        case patch_bitrate:
            g_value_set_uint(value, settings.patch_bitrate_bps);
            return true;
        case patches_per_second:
            g_value_set_uint(value, settings.patches_per_second);
            return true;
        case max_bitrate:
            g_value_set_uint(value, settings.max_bitrate_bps);
            return true;
        case min_video_bitrate:
            g_value_set_uint(value, settings.min_video_bitrate_bps);
            return true;
        case patch_codec:
            g_value_set_enum(value, static_cast<int>(settings.patch_codec));
            return true;
        case residual_step:
            g_value_set_int(value, settings.residual_step);
            return true;
        case jpeg_quality:
            g_value_set_int(value, settings.jpeg_quality);
            return true;
        case uplink:
            g_value_set_string(value, settings.uplink.c_str());
            return true;
        case uplink_bitrate:
            g_value_set_uint(value, settings.uplink_bitrate_bps);
            return true;
        case schedule:
            g_value_set_string(value, settings.schedule.c_str());
            return true;
        case stream_class:
            g_value_set_string(value, settings.stream_class.c_str());
            return true;
        case feedback_uri:
            g_value_set_string(value, settings.feedback_uri.c_str());
            return true;
        case engine:
            g_value_set_string(value, settings.engine.c_str());
            return true;
        case lockstep:
            g_value_set_boolean(value, settings.lockstep ? TRUE : FALSE);
            return true;
        case seed:
            g_value_set_uint(value, settings.seed);
            return true;
        default:
            return false;
    }
}

bool get_plan(const Plan& plan, guint id, GValue* value) {
    switch (id) {
        case video_bitrate:
            g_value_set_uint(value, plan.video_bitrate_bps);
            return true;
        case patch_bitrate_now:
            g_value_set_uint(value, plan.patch_bitrate_bps);
            return true;
        case estimated_uplink_bitrate:
            g_value_set_uint(value, plan.estimated_uplink_bps);
            return true;
        default:
            return false;
    }
}

bool is_stats(guint id) { return id == stats; }

}  // namespace livesr::gst
