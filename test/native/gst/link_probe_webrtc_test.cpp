// The uplink measured at a webrtcbin: two of them in one pipeline, connected over loopback.
#include <doctest/doctest.h>
#include <gst/gst.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "gst/sender/link_probe.h"

namespace livesr::gst {
namespace {

struct Unref {
    void operator()(gpointer object) const { gst_object_unref(object); }
};
using Element = std::unique_ptr<GstElement, Unref>;

// The peers, and which of the two a callback belongs to.
struct Call {
    GstElement* caller = nullptr;
    GstElement* callee = nullptr;
    std::atomic<int> candidates = 0;
};

// Descriptions are opaque here: they go from one peer's answer to the other's ears.
gpointer description_in(GstPromise* promise, const char* field) {
    const GstStructure* reply = gst_promise_get_reply(promise);
    const GValue* value = reply ? gst_structure_get_value(reply, field) : nullptr;
    return value ? g_value_get_boxed(value) : nullptr;
}

void describe(GstElement* speaker, GstElement* listener, gpointer description) {
    g_signal_emit_by_name(speaker, "set-local-description", description, nullptr);
    g_signal_emit_by_name(listener, "set-remote-description", description, nullptr);
}

void on_answer(GstPromise* promise, gpointer data) {
    const auto* call = static_cast<const Call*>(data);
    if (gpointer answer = description_in(promise, "answer")) {
        describe(call->callee, call->caller, answer);
    }
    gst_promise_unref(promise);
}

void on_offer(GstPromise* promise, gpointer data) {
    const auto* call = static_cast<const Call*>(data);
    if (gpointer offer = description_in(promise, "offer")) {
        describe(call->caller, call->callee, offer);
        g_signal_emit_by_name(call->callee, "create-answer", nullptr,
                              gst_promise_new_with_change_func(on_answer, data, nullptr));
    }
    gst_promise_unref(promise);
}

void on_negotiation_needed(GstElement* peer, gpointer data) {
    g_signal_emit_by_name(peer, "create-offer", nullptr,
                          gst_promise_new_with_change_func(on_offer, data, nullptr));
}

void on_candidate(GstElement* peer, guint line, const gchar* candidate, gpointer data) {
    auto* call = static_cast<Call*>(data);
    ++call->candidates;
    GstElement* other = peer == call->caller ? call->callee : call->caller;
    g_signal_emit_by_name(other, "add-ice-candidate", line, candidate);
}

void on_pad(GstElement* peer, GstPad* pad, gpointer) {
    if (GST_PAD_DIRECTION(pad) != GST_PAD_SRC) return;
    GstElement* sink = gst_element_factory_make("fakesink", nullptr);
    g_object_set(sink, "sync", FALSE, "async", FALSE, nullptr);
    GstObject* pipeline = gst_object_get_parent(GST_OBJECT(peer));
    gst_bin_add(GST_BIN(pipeline), sink);
    gst_object_unref(pipeline);
    gst_element_sync_state_with_parent(sink);
    GstPad* target = gst_element_get_static_pad(sink, "sink");
    gst_pad_link(pad, target);
    gst_object_unref(target);
}

constexpr const char* with_feedback =
    "application/x-rtp,media=video,encoding-name=H264,payload=96,clock-rate=90000,"
    "rtcp-fb-transport-cc=(boolean)true,extmap-1=http://www.ietf.org/id/"
    "draft-holmer-rmcat-transport-wide-cc-extensions-01";

// Without a transceiver of these caps a webrtcbin's answer leaves the header extension out.
void accept(GstElement* callee) {
    constexpr int receive_only = 3;  // GST_WEBRTC_RTP_TRANSCEIVER_DIRECTION_RECVONLY
    GstCaps* caps = gst_caps_from_string(with_feedback);
    GObject* transceiver = nullptr;
    g_signal_emit_by_name(callee, "add-transceiver", receive_only, caps, &transceiver);
    if (transceiver) g_object_unref(transceiver);
    gst_caps_unref(caps);
}

const char* missing_factory() {
    for (const char* name : {"webrtcbin", "nicesink", "dtlssrtpenc", "x264enc", "rtph264pay"}) {
        GstElementFactory* factory = gst_element_factory_find(name);
        if (!factory) return name;
        gst_object_unref(factory);
    }
    return nullptr;
}

}  // namespace

TEST_CASE("the transport-wide feedback that a webrtcbin gets is found inside it") {
    if (const char* missing = missing_factory()) {
        MESSAGE("not run: there is no element ", missing,
                " (gstreamer1.0-nice and gstreamer1.0-plugins-bad have all of them)");
        return;
    }
    const std::string launch =
        "webrtcbin name=peer bundle-policy=max-bundle webrtcbin name=far bundle-policy=max-bundle "
        "videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=25/1 "
        "! x264enc tune=zerolatency speed-preset=ultrafast bitrate=200 key-int-max=25 "
        "! rtph264pay config-interval=-1 aggregate-mode=zero-latency pt=96 "
        "auto-header-extension=true ! " +
        std::string(with_feedback) + " ! peer.";
    Element pipeline(gst_parse_launch(launch.c_str(), nullptr));
    REQUIRE(pipeline);
    Element caller(gst_bin_get_by_name(GST_BIN(pipeline.get()), "peer"));
    Element callee(gst_bin_get_by_name(GST_BIN(pipeline.get()), "far"));
    Call call;
    call.caller = caller.get();
    call.callee = callee.get();
    accept(callee.get());
    g_signal_connect(caller.get(), "on-negotiation-needed", G_CALLBACK(on_negotiation_needed),
                     &call);
    g_signal_connect(callee.get(), "pad-added", G_CALLBACK(on_pad), nullptr);
    for (GstElement* peer : {call.caller, call.callee}) {
        g_signal_connect(peer, "on-ice-candidate", G_CALLBACK(on_candidate), &call);
    }

    const std::unique_ptr<GstBus, Unref> bus(gst_element_get_bus(pipeline.get()));
    std::mutex mutex;
    std::set<int> arrived;  // sequence numbers
    std::uint64_t bytes = 0;
    LinkProbe probe([&](const nlohmann::json& message) {
        if (message["type"] != "link.twcc") return;
        const std::lock_guard lock(mutex);
        for (const auto& packet : message["packets"]) {
            if (packet["arrivedNs"].is_null()) continue;
            arrived.insert(packet["sequence"].get<int>());
            bytes += packet["bytes"].get<std::uint64_t>();
        }
    });
    probe.start(pipeline.get(), parse_link_choice("twcc:peer"));
    gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
    constexpr std::size_t enough = 40;
    bool heard = false;
    for (int tries = 0; tries < 1500 && !heard; ++tries) {
        // As every application does: only then the session knows when its packets leave.
        GstMessage* latency =
            gst_bus_timed_pop_filtered(bus.get(), 20 * GST_MSECOND, GST_MESSAGE_LATENCY);
        if (latency) {
            gst_message_unref(latency);
            gst_bin_recalculate_latency(GST_BIN(pipeline.get()));
        }
        const std::lock_guard lock(mutex);
        heard = arrived.size() >= enough;
    }
    probe.stop();
    gst_element_set_state(pipeline.get(), GST_STATE_NULL);
    if (call.candidates == 0) {
        MESSAGE("not run: there is no network interface that ICE takes");
        return;
    }
    CHECK(heard);
    CHECK(bytes > 100 * enough);
}

}  // namespace livesr::gst
