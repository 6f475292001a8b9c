// What the property stats of srenhancer says.
#include "gst/enhancer/enhancer.h"

namespace livesr::gst {

GstStructure* Enhancer::stats() const {
    GstStructure* stats = gst_structure_new_empty("application/x-srenhancer-stats");
    const auto count = [stats](const std::string& name, std::uint64_t value) {
        gst_structure_set(stats, name.c_str(), G_TYPE_UINT64, static_cast<guint64>(value), nullptr);
    };
    const auto number = [stats](const char* name, double value) {
        gst_structure_set(stats, name, G_TYPE_DOUBLE, value, nullptr);
    };
    const auto text = [stats](const char* name, const std::string& value) {
        gst_structure_set(stats, name, G_TYPE_STRING, value.c_str(), nullptr);
    };
    count("frames", frames_);
    count("frames-late", frames_late_);
    count("frames-stale", frames_stale_);
    count("time-shifts", time_shifts_);
    count("pictures-refused", picture_gate_.refused() + decoder_gate_.refused());
    count("frames-network", frames_network_);
    count("frames-memory", frames_memory_);
    count("frames-small", frames_small_);
    count("frames-governed", frames_governed_);
    count("frames-bicubic", frames_ - frames_network_ - frames_small_ - frames_governed_);
    count("sink-late", sink_late_);
    count("scene-cuts", cuts_);
    number("scale", scale_now_.load().value());
    count("rung-changes", rung_changes_);
    {
        const std::lock_guard lock(governor_mutex_);
        count("governor-retreats", earlier_retreats_ + governor_.retreats());
    }
    {
        const std::lock_guard lock(timing_mutex_);
        number("inference-ms", inference_ms_.mean());
        number("inference-p99-ms", inference_ms_.p99());
        number("latency-ms", latency_ms_.mean());
        number("latency-p99-ms", latency_ms_.p99());
        number("swap-latency-us", swap_latency_us_);
        number("memory-ms", memory_ms_.mean());
        count("memory-patches", memory_patches_);
        count("memory-bytes", memory_bytes_);
        number("memory-cover", memory_cover_);
        number("memory-benefit", memory_benefit_);
        text("model-in-use", model_in_use_);
    }
    std::uint64_t overflow = 0;
    {
        const std::lock_guard lock(input_mutex_);
        const PatchInput::Counts& counts = patch_input_.counts();
        count("packets-received", counts.received);
        count("packets-lost", patch_input_.lost());
        count("patches-received", counts.patches);
        count("patch-bytes", counts.bytes);
        count("announcements", counts.announcements);
        count("packets-repeated", counts.repeated);
        for (const PacketError error :
             {PacketError::truncated, PacketError::foreign, PacketError::version,
              PacketError::checksum, PacketError::bad_header}) {
            count("packets-dropped-" + std::string(livesr::name(error)),
                  counts.packet_errors[static_cast<std::size_t>(error)]);
        }
        count("patches-dropped-bad-image", counts.bad_image);
        count("packets-dropped-other-scale", counts.other_scale);
        count("packets-bad-time", counts.bad_time);
        count("packets-time-distrusted", counts.distrusted_times);
        count("patches-dropped-budget", counts.over_budget);
    }
    {
        const DecoderInput::Counts carried = decoder_input_.counts();
        count("carried-packets", carried.packets);
        count("carried-damaged", carried.damaged);
        count("carried-incomplete", carried.incomplete);
        count("carried-left-out", carried.left_out);
    }
    {
        const std::lock_guard lock(patches_mutex_);
        overflow = inbox_overflow_;
        if (const auto& size = size_.announced()) {
            count("true-width", static_cast<std::uint64_t>(size->width));
            count("true-height", static_cast<std::uint64_t>(size->height));
        }
        count("sizes-refused", size_.refused());
        count("inbox-bytes", inbox_bytes_);
    }
    const PatchMatcher::State matched = matcher_ ? matcher_->state() : PatchMatcher::State{};
    count("patches-aligned", matched.aligned);
    count("patches-dropped-other-rung", other_rung_ + matched.other_rung);
    count("patches-aligned-to-neighbour", matched.refined);
    for (std::size_t i = 0; i < misfit_count; ++i) {
        const auto misfit = static_cast<Misfit>(i);
        count("patches-dropped-" + std::string(name(misfit)),
              matched.misfits[i] + (misfit == Misfit::overflow ? overflow : 0));
    }
    count("patches-beside", matched.side.received);
    count("patches-beside-placed", matched.side.placed);
    count("patches-dropped-unplaced", matched.side.unplaced);
    count("patches-dropped-elsewhere", matched.side.elsewhere);
    count("sender-clock-calibrations", matched.calibrations);
    count("patches-waiting", matched.waiting);
    count("frames-not-matched", matched.frames_skipped);
    count("pairs-not-remembered", matched.pairs_not_kept);
    if (session_) {
        const auto status = session_->status();
        text("training-state", training_state());
        number("gain-db", status.gain_db);
        count("model-version", status.model_version);
        count("model-swaps", status.swaps);
        count("model-swaps-refused", status.swaps_refused);
        count("pairs-sent", status.pairs_sent);
        count("pairs-unsent", status.pairs_unsent);
        count("engine-restarts", status.engine_restarts);
        for (const auto& [name, value] : status.feedback) count("feedback-" + name, value);
        count("engine-unresponsive", status.engine.unresponsive);
        count("engine-inbox", status.engine.waiting);
        count("engine-pairs-dropped", status.engine.pairs_dropped);
        count("engine-fields-dropped", status.engine.fields_dropped);
    } else {
        text("training-state", "off");
    }
    return stats;
}

}  // namespace livesr::gst
