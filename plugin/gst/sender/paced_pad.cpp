// See paced_pad.h.
#include "gst/sender/paced_pad.h"

#include <algorithm>
#include <utility>

#include "gst/sender/fresh_gate.h"
#include "gst/sender/wire_content.h"
#include "gst/sender/wire_limit.h"
#include "gst/sender/wire_pacer.h"

namespace livesr::gst {

namespace {

// An estimate of the link that has fallen too far is not to hold up a packet for longer.
constexpr std::uint64_t max_paced_ns = 100'000'000;
// So often a packet goes to a silent end.
constexpr std::uint64_t try_interval_ns = 200'000'000;
// A pad that is to be shut down has to wait for this.
constexpr std::uint64_t max_sleep_ns = 20'000'000;

std::uint64_t steady_now_ns() { return static_cast<std::uint64_t>(g_get_monotonic_time()) * 1000; }

struct Held {
    std::shared_ptr<PacedPad::Shared> shared;
    std::shared_ptr<std::atomic<bool>> is_released;
    // Of the streaming thread.
    WireReader reader;
    FreshGate gate;
    WireLimit limit;
    WirePacer pacer;
    std::uint64_t tried_ns = 0;

    enum class Verdict { go, drop, try_out };

    Verdict take(GstPad* pad, GstBuffer* buffer) {
        const WireContent content = reader.read(buffer);
        // In any case, so that it knows how late the stream is.
        const bool goes = is_fresh(buffer, content);
        if (goes && !shared->is_silent) {
            wait(pad, buffer, content);
            return Verdict::go;
        }
        shared->pictures_dropped += content.pictures;
        shared->bytes_dropped += gst_buffer_get_size(buffer);
        const std::uint64_t now = steady_now_ns();
        if (!shared->is_silent || now < tried_ns + try_interval_ns) return Verdict::drop;
        tried_ns = now;
        return Verdict::try_out;
    }

    bool is_fresh(GstBuffer* buffer, const WireContent& content) {
        const std::lock_guard lock(shared->hooks_mutex);
        if (*is_released) return true;
        const auto& hooks = shared->hooks;
        const std::uint64_t now = hooks.now_ns ? hooks.now_ns() : steady_now_ns();
        gate.set_bound(shared->bound_ns);
        if (shared->awaits_key.exchange(false)) gate.await_key(now);
        const bool goes = gate.lets_through(now, GST_BUFFER_PTS(buffer), content.has_key);
        if (gate.takes_wish_for_key() && hooks.on_key_wanted) hooks.on_key_wanted();
        // Tables and sound need no key frame.
        return goes || (!gate.is_stale() && content.media_bytes == 0);
    }

    void wait(GstPad* pad, GstBuffer* buffer, const WireContent& content) {
        const std::size_t bytes = gst_buffer_get_size(buffer);
        pacer.set_rate(shared->rate_bps);
        const std::uint64_t paced_ns =
            pacer.wait_ns(steady_now_ns(), GST_BUFFER_PTS(buffer), bytes);
        const std::uint64_t begin = steady_now_ns();
        limit.set_cap(shared->cap_bps);
        if (const std::size_t again = shared->bytes_sent_again.exchange(0)) {
            limit.sent(begin, again, again);
        }
        const auto stops = [&] { return *is_released || GST_PAD_IS_FLUSHING(pad); };
        std::uint64_t now = begin;
        while (!stops()) {
            const std::uint64_t passed = now - begin;
            const std::uint64_t paced = std::min(paced_ns, max_paced_ns);
            const std::uint64_t left = std::max(paced - std::min(passed, paced),
                                                limit.wait_ns(now, bytes, content.media_bytes));
            if (left == 0) break;
            // Up to the next microsecond: a wait of less would be none, again and again.
            g_usleep(static_cast<gulong>(std::min(left, max_sleep_ns) / 1000 + 1));
            now = steady_now_ns();
        }
        limit.sent(now, bytes, content.media_bytes);
    }
};

// A null packet of MPEG-TS in its place.
void empty(GstPadProbeInfo* info) {
    GstBuffer* buffer = GST_PAD_PROBE_INFO_BUFFER(info);
    GstBuffer* null_packet = gst_buffer_new_memdup(ts_null_packet.data(), ts_null_packet.size());
    gst_buffer_copy_into(null_packet, buffer, GST_BUFFER_COPY_TIMESTAMPS, 0, -1);
    gst_buffer_unref(buffer);
    GST_PAD_PROBE_INFO_DATA(info) = null_packet;
}

GstPadProbeReturn on_data(GstPad* pad, GstPadProbeInfo* info, gpointer held) {
    if (GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER) {
        const auto verdict = static_cast<Held*>(held)->take(pad, GST_PAD_PROBE_INFO_BUFFER(info));
        if (verdict == Held::Verdict::try_out) empty(info);
        return verdict == Held::Verdict::drop ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
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

PacedPad::PacedPad(Hooks hooks) : shared_(std::make_shared<Shared>()) {
    shared_->hooks = std::move(hooks);
}

void PacedPad::hold(GstPad* pad) {
    if (pad == pad_) return;
    release();
    pad_ = GST_PAD_CAST(gst_object_ref(pad));
    is_released_ = std::make_shared<std::atomic<bool>>(false);
    probe_ = gst_pad_add_probe(
        pad_,
        static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
        &on_data, new Held{shared_, is_released_, {}, {}, {}, {}},
        [](gpointer held) { delete static_cast<Held*>(held); });
}

void PacedPad::release() {
    if (!pad_) return;
    {
        const std::lock_guard lock(shared_->hooks_mutex);
        *is_released_ = true;
    }
    gst_pad_remove_probe(pad_, probe_);
    gst_clear_object(&pad_);
}

}  // namespace livesr::gst
