// See link_probe.h.
#include "gst/sender/link_probe.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include "gst/engine/channel_time.h"
#include "gst/sender/outlet.h"
#include "gst/warning.h"

GST_DEBUG_CATEGORY_EXTERN(patch_picker_debug);
#define GST_CAT_DEFAULT patch_picker_debug

namespace livesr::gst {

namespace {

const std::string srt_prefix = "srt:";
const std::string twcc_prefix = "twcc:";

constexpr auto sample_interval = std::chrono::milliseconds(100);
// Then a pipeline is complete, if it ever is.
constexpr int samples_until_warning = 50;

// When a second or SRT's latency is over SRT itself drops at the sender what it could not send. So
// long, and a second more, a packet may be late here; half of that second it may be late before the
// encoder, so that the rest is left for encoding and for the link.
constexpr std::uint64_t max_late_ns = 1'000'000'000;
constexpr std::uint64_t max_late_after_encoder_ns = 500'000'000;
constexpr double max_latency_ms = 60'000;
// The other end is silent when it has not acknowledged so many packets for so long and a round
// trip.
constexpr std::uint64_t max_silence_ns = 500'000'000;
constexpr std::uint64_t min_packets_unanswered = 10;
constexpr double max_rtt_ns = 2e9;
// After that what is sent again counts as sent: it is no answer to single losses.
constexpr std::uint64_t aftermath_ns = 1'000'000'000;

guint64 steady_now_ns() { return static_cast<guint64>(g_get_monotonic_time()) * 1000; }

// The field as a number, whatever its type; nullopt when there is none or it is no finite number.
std::optional<double> number_field(const GstStructure* structure, const char* name) {
    const GValue* value = gst_structure_get_value(structure, name);
    if (!value || !g_value_type_transformable(G_VALUE_TYPE(value), G_TYPE_DOUBLE)) {
        return std::nullopt;
    }
    GValue number = G_VALUE_INIT;
    g_value_init(&number, G_TYPE_DOUBLE);
    g_value_transform(value, &number);
    const double result = g_value_get_double(&number);
    g_value_unset(&number);
    if (!std::isfinite(result)) return std::nullopt;
    return result;
}

// The structures in a list, which GStreamer makes of either kind of array.
std::vector<const GstStructure*> structures_in(const GValue* list) {
    std::vector<const GstStructure*> structures;
    const auto add = [&structures](const GValue* item) {
        if (GST_VALUE_HOLDS_STRUCTURE(item)) structures.push_back(gst_value_get_structure(item));
    };
    if (!list) return structures;
    if (GST_VALUE_HOLDS_ARRAY(list)) {
        for (guint i = 0; i < gst_value_array_get_size(list); ++i) {
            add(gst_value_array_get_value(list, i));
        }
        return structures;
    }
    G_GNUC_BEGIN_IGNORE_DEPRECATIONS
    if (G_VALUE_HOLDS(list, g_value_array_get_type())) {
        auto* array = static_cast<GValueArray*>(g_value_get_boxed(list));
        for (guint i = 0; array && i < array->n_values; ++i) add(g_value_array_get_nth(array, i));
    }
    G_GNUC_END_IGNORE_DEPRECATIONS
    return structures;
}

// As the two ends have agreed on it; of a listener's callers, the latest one's.
std::uint64_t latency_of(const GstStructure* stats) {
    const auto callers = structures_in(gst_structure_get_value(stats, "callers"));
    const auto latency_ms =
        number_field(callers.empty() ? stats : callers.back(), "negotiated-latency-ms");
    if (!latency_ms || *latency_ms <= 0) return 0;
    return static_cast<std::uint64_t>(std::min(*latency_ms, max_latency_ms) * 1e6);
}

// The pipeline, or whatever is topmost; a reference.
GstElement* topmost(GstElement* element) {
    GstObject* top = GST_OBJECT_CAST(gst_object_ref(element));
    while (GstObject* parent = gst_object_get_parent(top)) {
        gst_object_unref(top);
        top = parent;
    }
    return GST_ELEMENT_CAST(top);
}

}  // namespace

LinkProbe::LinkProbe(Sink sink, std::function<void()> on_key_wanted)
    : sink_(std::move(sink)),
      paced_({std::move(on_key_wanted), [this] { return stream_now_ns(); }}) {}

LinkChoice parse_link_choice(const std::string& uplink) {
    if (uplink.starts_with(srt_prefix) && uplink.size() > srt_prefix.size()) {
        return {LinkChoice::Kind::srt, uplink.substr(srt_prefix.size())};
    }
    if (uplink.starts_with(twcc_prefix) && uplink.size() > twcc_prefix.size()) {
        return {LinkChoice::Kind::twcc, uplink.substr(twcc_prefix.size())};
    }
    return {};
}

nlohmann::json srt_message(const GstStructure* stats, guint64 time_ns) {
    // A listener's stats have those of its callers inside; the latest one is the server.
    const auto callers = structures_in(gst_structure_get_value(stats, "callers"));
    const GstStructure* connection = callers.empty() ? stats : callers.back();
    struct Field {
        const char* name;
        const char* stat;
    };
    constexpr std::array counters{
        Field{"bytesSent", "bytes-sent"},       Field{"bytesRetransmitted", "bytes-retransmitted"},
        Field{"packetsSent", "packets-sent"},   Field{"packetsLost", "packets-sent-lost"},
        Field{"nacks", "packet-nack-received"},
    };
    nlohmann::json message = {{"type", "link.srt"}, {"timeNs", channel_time(time_ns)}};
    for (const Field& field : counters) {
        const auto value = number_field(connection, field.stat);
        if (!value || *value < 0) return nullptr;
        message[field.name] = static_cast<std::uint64_t>(*value);
    }
    const auto rtt_ms = number_field(connection, "rtt-ms");
    if (!rtt_ms || *rtt_ms < 0) return nullptr;
    message["rttMs"] = *rtt_ms;
    return message;
}

nlohmann::json twcc_message(const GstStructure* event, guint64 time_ns) {
    if (!event || !gst_structure_has_name(event, "RTPTWCCPackets")) return nullptr;
    nlohmann::json list = nlohmann::json::array();
    for (const GstStructure* packet : structures_in(gst_structure_get_value(event, "packets"))) {
        guint sequence = 0;
        guint bytes = 0;
        guint64 sent = GST_CLOCK_TIME_NONE;
        guint64 arrived = GST_CLOCK_TIME_NONE;
        gboolean lost = TRUE;
        gst_structure_get_uint(packet, "seqnum", &sequence);
        gst_structure_get_uint(packet, "size", &bytes);
        gst_structure_get_uint64(packet, "local-ts", &sent);
        gst_structure_get_uint64(packet, "remote-ts", &arrived);
        gst_structure_get_boolean(packet, "lost", &lost);
        // Sent before the session knew, or long ago.
        if (!GST_CLOCK_TIME_IS_VALID(sent)) continue;
        const bool here = !lost && GST_CLOCK_TIME_IS_VALID(arrived);
        list.push_back({
            {"sequence", sequence & 0xffff},
            {"sentNs", channel_time(sent)},
            {"arrivedNs", here ? nlohmann::json(channel_time(arrived)) : nlohmann::json(nullptr)},
            {"bytes", bytes},
        });
    }
    return {{"type", "link.twcc"}, {"timeNs", channel_time(time_ns)}, {"packets", std::move(list)}};
}

void LinkProbe::start(GstElement* inside, LinkChoice choice, bool guards) {
    stop();
    if (choice.kind == LinkChoice::Kind::none && !guards) return;
    inside_ = GST_ELEMENT_CAST(gst_object_ref(inside));
    choice_ = std::move(choice);
    guards_ = guards;
    is_connected_ = was_connected_ = is_silent_ = false;
    acks_ = -1;
    packets_at_ack_ = silent_ns_ = sent_again_ = 0;
    stopping_ = false;
    thread_ = std::thread(&LinkProbe::run, this);
}

void LinkProbe::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
    gst_clear_object(&inside_);
}

void LinkProbe::run() {
    int samples_without = 0;
    while (true) {
        const bool found = look();
        samples_without = found ? 0 : samples_without + 1;
        if (samples_without == samples_until_warning) warn_of_no_element();
        std::unique_lock lock(mutex_);
        if (changed_.wait_for(lock, sample_interval, [this] { return stopping_; })) break;
    }
    unwatch();
    gst_clear_object(&outlet_);
    paced_.release();
    paced_.set_bound(0);
    paced_.set_cap(0);
    paced_.set_silent(false);
}

bool LinkProbe::look() {
    switch (choice_.kind) {
        case LinkChoice::Kind::srt:
            return sample_srt();
        case LinkChoice::Kind::twcc:
            return watch_sessions();
        case LinkChoice::Kind::none:
            watch_outlet();
            return true;
    }
    return true;
}

void LinkProbe::warn_of_no_element() const {
    const std::string kind =
        choice_.kind == LinkChoice::Kind::srt ? "srtsink" : "rtpbin, rtpsession or webrtcbin";
    post_warning(inside_,
                 "uplink names \"" + choice_.element + "\", and the pipeline has no such " + kind +
                     ": the uplink is not measured",
                 "Give the element that name");
}

// The stream's clock stands while the pipeline does, so that a pause makes nothing late.
std::uint64_t LinkProbe::stream_now_ns() const {
    const GstClockTime time = gst_element_get_current_running_time(inside_);
    return GST_CLOCK_TIME_IS_VALID(time) ? time : steady_now_ns();
}

std::uint64_t LinkProbe::raw_bound_ns() const {
    const std::uint64_t bound = paced_.bound_ns();
    return bound == 0 ? 0 : bound - max_late_after_encoder_ns;
}

void LinkProbe::guard(std::uint64_t latency_ns) {
    if (!guards_) return;
    paced_.set_bound(max_late_ns + latency_ns);
    paced_.set_cap(cap_bps_);
}

// Our own bin's output leads somewhere; links may come late.
void LinkProbe::watch_outlet() {
    if (!outlet_) outlet_ = find_outlet();
    if (!outlet_) return;
    paced_.hold(outlet_);
    GstElement* element = gst_pad_get_parent_element(outlet_);
    if (!element || !read_srt(element, false)) guard(0);
    gst_clear_object(&element);
}

GstPad* LinkProbe::find_outlet() const {
    GstObject* bin = gst_object_get_parent(GST_OBJECT_CAST(inside_));
    if (!bin) return nullptr;
    GstPad* src = gst_element_get_static_pad(GST_ELEMENT_CAST(bin), "src");
    GstPad* pad = src ? find_network_pad(src) : nullptr;
    gst_clear_object(&src);
    gst_object_unref(bin);
    return pad;
}

void LinkProbe::tell(const nlohmann::json& message) {
    if (message.is_null()) return;
    // A pad probe may still be under way when it is removed.
    const std::lock_guard lock(mutex_);
    if (!stopping_) sink_(message);
}

GstElement* LinkProbe::find() const {
    GstElement* top = topmost(inside_);
    GstElement* found =
        GST_IS_BIN(top) ? gst_bin_get_by_name(GST_BIN(top), choice_.element.c_str()) : nullptr;
    gst_object_unref(top);
    return found;
}

bool LinkProbe::sample_srt() {
    GstElement* element = find();
    if (!element) return false;
    const bool has_stats = read_srt(element, true);
    if (has_stats) {
        if (GstPad* pad = gst_element_get_static_pad(element, "sink")) {
            paced_.hold(pad);
            gst_object_unref(pad);
        }
    }
    gst_object_unref(element);
    return has_stats;
}

// False: it is no srtsink.
bool LinkProbe::read_srt(GstElement* element, bool tells) {
    GParamSpec* spec = g_object_class_find_property(G_OBJECT_GET_CLASS(element), "stats");
    if (!spec || spec->value_type != GST_TYPE_STRUCTURE) return false;
    GstStructure* stats = nullptr;
    g_object_get(element, "stats", &stats, nullptr);
    if (!stats) return true;
    const nlohmann::json message = srt_message(stats, steady_now_ns());
    note_connection(element, message);
    if (!message.is_null()) note_acks(stats, message);
    guard(latency_of(stats));
    if (tells) tell(message);
    gst_structure_free(stats);
    return true;
}

// A socket that is connected has counters; a new one counts from 0. What went to the one before is
// lost, and what builds on it is of no use.
void LinkProbe::note_connection(GstElement* element, const nlohmann::json& counters) {
    if (counters.is_null()) {
        is_connected_ = false;
        return;
    }
    const auto bytes = counters["bytesSent"].get<std::uint64_t>();
    const bool is_new = !is_connected_ || bytes < bytes_sent_;
    gboolean waits = TRUE;  // for its first connection, losing nothing
    GObjectClass* properties = G_OBJECT_GET_CLASS(element);
    if (g_object_class_find_property(properties, "wait-for-connection")) {
        g_object_get(element, "wait-for-connection", &waits, nullptr);
    }
    if (is_new && (was_connected_ || !waits) && guards_) paced_.await_key();
    is_connected_ = was_connected_ = true;
    bytes_sent_ = bytes;
}

// SRT acknowledges what comes every 10 ms. An end that is silent does not get what is sent, and all
// of it would be sent again when the link is back.
void LinkProbe::note_acks(const GstStructure* stats, const nlohmann::json& counters) {
    const auto callers = structures_in(gst_structure_get_value(stats, "callers"));
    const auto acks = number_field(callers.empty() ? stats : callers.back(), "packet-ack-received");
    if (!acks || !guards_) return;
    const auto packets = counters["packetsSent"].get<std::uint64_t>();
    const auto sent_again = counters["bytesRetransmitted"].get<std::uint64_t>();
    const std::uint64_t now = steady_now_ns();
    if (*acks != acks_ || packets < packets_at_ack_) {
        acks_ = *acks;
        acked_ns_ = now;
        packets_at_ack_ = packets;
    }
    const double rtt_ns = std::min(counters["rttMs"].get<double>() * 1e6, max_rtt_ns);
    const bool is_silent = packets >= packets_at_ack_ + min_packets_unanswered &&
                           now > acked_ns_ + max_silence_ns + static_cast<std::uint64_t>(rtt_ns);
    if (is_silent_ && !is_silent) paced_.await_key();
    if (is_silent_ || is_silent) silent_ns_ = now;
    is_silent_ = is_silent;
    paced_.set_silent(is_silent);
    if (sent_again > sent_again_ && silent_ns_ > 0 && now < silent_ns_ + aftermath_ns) {
        paced_.add_sent_again(sent_again - sent_again_);
    }
    sent_again_ = sent_again;
}

GstPadProbeReturn LinkProbe::on_event(GstPad*, GstPadProbeInfo* info, gpointer self) {
    GstEvent* event = GST_PAD_PROBE_INFO_EVENT(info);
    if (GST_EVENT_TYPE(event) == GST_EVENT_CUSTOM_UPSTREAM) {
        static_cast<LinkProbe*>(self)->tell(
            twcc_message(gst_event_get_structure(event), steady_now_ns()));
    }
    return GST_PAD_PROBE_OK;
}

// Sessions come as pads are requested, so this looks again and again.
bool LinkProbe::watch_sessions() {
    GstElement* element = find();
    if (!element) return false;
    const auto watch = [this](GstElement* session) {
        GstPad* pad = gst_element_get_static_pad(session, "send_rtp_sink");
        if (!pad) return;
        for (const Watched& known : watched_) {
            if (known.pad == pad) {
                gst_object_unref(pad);
                return;
            }
        }
        const gulong probe =
            gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, &on_event, this, nullptr);
        watched_.push_back({pad, probe});
    };
    watch(element);
    if (GST_IS_BIN(element)) {
        GstIterator* inner =
            gst_bin_iterate_all_by_element_factory_name(GST_BIN(element), "rtpsession");
        GValue item = G_VALUE_INIT;
        while (gst_iterator_next(inner, &item) == GST_ITERATOR_OK) {
            watch(GST_ELEMENT_CAST(g_value_get_object(&item)));
            g_value_reset(&item);
        }
        g_value_unset(&item);
        gst_iterator_free(inner);
    }
    gst_object_unref(element);
    return !watched_.empty();
}

void LinkProbe::unwatch() {
    for (const Watched& watched : watched_) {
        gst_pad_remove_probe(watched.pad, watched.probe);
        gst_object_unref(watched.pad);
    }
    watched_.clear();
}

}  // namespace livesr::gst
