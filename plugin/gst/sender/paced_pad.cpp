// See paced_pad.h.
#include "gst/sender/paced_pad.h"

#include <algorithm>
#include <utility>

#include "gst/sender/wire_pacer.h"

namespace livesr::gst {

namespace {

// A pad that is to be shut down has to wait for this.
constexpr std::uint64_t longest_sleep_ns = 100'000'000;

std::uint64_t steady_now_ns() { return static_cast<std::uint64_t>(g_get_monotonic_time()) * 1000; }

// What the probe needs, which may still run when it has been removed.
struct Held {
    std::shared_ptr<const std::atomic<std::uint32_t>> rate_bps;
    WirePacer pacer;  // of the streaming thread

    void wait(GstBuffer* buffer) {
        pacer.set_rate(*rate_bps);
        const std::uint64_t wait_ns =
            pacer.wait_ns(steady_now_ns(), GST_BUFFER_PTS(buffer), gst_buffer_get_size(buffer));
        if (wait_ns > 0) g_usleep(std::min(wait_ns, longest_sleep_ns) / 1000);
    }
};

GstPadProbeReturn on_data(GstPad* pad, GstPadProbeInfo* info, gpointer held) {
    if (GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER) {
        static_cast<Held*>(held)->wait(GST_PAD_PROBE_INFO_BUFFER(info));
        return GST_PAD_PROBE_OK;
    }
    // A multiplexer hands on a whole frame at once. Each of its packets comes by here again.
    GstBufferList* list = GST_PAD_PROBE_INFO_BUFFER_LIST(info);
    GstFlowReturn flow = GST_FLOW_OK;
    for (guint i = 0; i < gst_buffer_list_length(list) && flow == GST_FLOW_OK; ++i) {
        flow = gst_pad_chain(pad, gst_buffer_ref(gst_buffer_list_get(list, i)));
    }
    gst_buffer_list_unref(list);
    GST_PAD_PROBE_INFO_FLOW_RETURN(info) = flow;
    return GST_PAD_PROBE_HANDLED;
}

}  // namespace

void PacedPad::hold(GstPad* pad) {
    if (pad == pad_) return;
    release();
    pad_ = GST_PAD_CAST(gst_object_ref(pad));
    probe_ = gst_pad_add_probe(
        pad_,
        static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
        &on_data, new Held{rate_bps_, {}}, [](gpointer held) { delete static_cast<Held*>(held); });
}

void PacedPad::release() {
    if (!pad_) return;
    gst_pad_remove_probe(pad_, probe_);
    gst_clear_object(&pad_);
}

}  // namespace livesr::gst
