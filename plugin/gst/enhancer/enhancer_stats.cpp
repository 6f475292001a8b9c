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
        for (const PacketError error :
             {PacketError::truncated, PacketError::foreign, PacketError::version,
              PacketError::checksum, PacketError::bad_header}) {
            count("packets-dropped-" + std::string(livesr::name(error)),
                  counts.packet_errors[static_cast<std::size_t>(error)]);
        }
        count("patches-dropped-bad-image", counts.bad_image);
        count("packets-dropped-other-scale", counts.other_scale);
    }
    {
        const std::lock_guard lock(patches_mutex_);
        overflow = inbox_overflow_;
        if (size_) {
            count("true-width", static_cast<std::uint64_t>(size_->width));
            count("true-height", static_cast<std::uint64_t>(size_->height));
        }
    }
    {
        const std::lock_guard lock(aligner_mutex_);
        count("patches-aligned", aligned_);
        count("patches-dropped-other-rung", other_rung_);
        count("patches-aligned-to-neighbour", refined_);
        for (std::size_t i = 0; i < misfit_count; ++i) {
            const auto misfit = static_cast<Misfit>(i);
            count("patches-dropped-" + std::string(name(misfit)),
                  earlier_misfits_[i] + (aligner_ ? aligner_->misfits(misfit) : 0) +
                      (misfit == Misfit::overflow ? overflow : 0));
        }
        const SidePatches::Counts& beside = side_patches_.counts();
        count("patches-beside", beside.received);
        count("patches-beside-placed", beside.placed);
        count("patches-dropped-unplaced", beside.unplaced);
        count("patches-dropped-elsewhere", beside.elsewhere);
        count("sender-clock-calibrations", side_patches_.calibrations());
        count("patches-waiting", aligner_ ? aligner_->waiting() : 0);
    }
    if (session_) {
        const auto status = session_->status();
        text("training-state", status.state);
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
