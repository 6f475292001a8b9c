// Messages between patchpicker and its engine. See session.h and docs/protocol.md.
#include "gst/sender/session.h"

#include <algorithm>
#include <cmath>

#include "gst/engine/channel.h"
#include "gst/engine/channel_time.h"
#include "gst/engine/secrets.h"

namespace livesr::gst {

namespace {

// Far beyond what a trial takes.
constexpr GstClockTime longest_trial = 60 * GST_SECOND;
constexpr GstClockTime tick_interval = 200 * GST_MSECOND;
// Of a stream that stands still: nothing is decided, and memory has an end.
constexpr std::size_t most_waiting = 32;
// Time that goes back by more is another time.
constexpr GstClockTime longest_return = 5 * GST_SECOND;
// Far beyond what the engine takes; a lockstep run that waits this long has no engine any more.
constexpr auto lockstep_deadline = std::chrono::seconds(30);
// An engine of a lockstep run is ended when it is silent for this long.
constexpr auto lockstep_silence = std::chrono::seconds(120);

std::uint32_t bitrate_field(const nlohmann::json& head, const char* name) {
    const auto field = head.find(name);
    if (field == head.end() || !field->is_number()) {
        throw ChannelError(std::string("plan.set has no number ") + name);
    }
    const double bps = field->get<double>();
    if (!(bps >= 0)) throw ChannelError(std::string("plan.set has ") + name + " below zero");
    // A trace may carry more than a property can say.
    return static_cast<std::uint32_t>(std::llround(std::min(bps, double{G_MAXUINT32})));
}

std::uint64_t integer_of(const nlohmann::json& value, const char* type, const char* what) {
    if (!value.is_number_unsigned()) {
        throw ChannelError(std::string(type) + " has " + what + " that is no whole number");
    }
    return value.get<std::uint64_t>();
}

Scale scale_field(const nlohmann::json& head, const char* type) {
    const auto field = head.find("scale");
    if (field == head.end() || !field->is_number()) {
        throw ChannelError(std::string(type) + " has no scale");
    }
    const Scale scale = scale_of_value(field->get<double>());
    if (scale == 0) throw ChannelError(std::string(type) + " has a scale that there is not");
    return scale;
}

// 2, not 2.0.
nlohmann::json number_of(const Scale& scale) {
    return scale.down == 1 ? nlohmann::json(scale.up) : nlohmann::json(scale.value());
}

}  // namespace

void SenderSession::start(const SenderSettings& settings, GstElement* element) {
    const Plan plan = initial_plan(settings);
    {
        const std::lock_guard lock(mutex_);
        settings_ = settings;
        element_ = element;
        scale_ = settings.first_scale();
        rung_fixed_ = false;
        stream_ = {};
        next_tick_ = 0;
        untold_video_bytes_ = untold_key_bytes_ = video_bytes_ = offers_ = 0;
        now_ = 0;
        ledger_.restart();
        feedback_ = {};
        last_trouble_.clear();
        waiting_.clear();
    }
    set_plan(plan);
    link_probe_.set_cap(settings.max_bitrate_bps);
    link_probe_.start(element, parse_link_choice(settings.uplink), guards());
}

void SenderSession::stop() {
    link_probe_.stop();
    std::shared_ptr<EngineClient> client;
    {
        const std::lock_guard lock(mutex_);
        client = std::move(client_);
    }
    if (client) client->stop();
}

void SenderSession::update(const SenderSettings& settings) {
    bool engine = false;
    bool only_rate = false;
    GstElement* probe_anew = nullptr;
    {
        const std::lock_guard lock(mutex_);
        if (settings == settings_) return;
        only_rate = settings.differs_only_in_uplink_bitrate(settings_);
        const bool same_link =
            parse_link_choice(settings.uplink) == parse_link_choice(settings_.uplink);
        if (!same_link) probe_anew = element_;
        settings_ = settings;
        engine = client_ != nullptr;
    }
    link_probe_.set_cap(settings.max_bitrate_bps);
    if (probe_anew) link_probe_.start(probe_anew, parse_link_choice(settings.uplink), guards());
    // A connected engine answers the new settings with a plan of its own.
    if (!connected()) set_plan(initial_plan(settings));
    if (engine && only_rate) {
        send({{"type", "link.rate"}, {"rateBps", settings.uplink_bitrate_bps}}, {}, false);
    } else if (engine) {
        send(hello().head, {}, false);
    }
}

void SenderSession::set_stream(const Stream& stream) {
    std::shared_ptr<EngineClient> client;
    bool first = false;
    {
        const std::lock_guard lock(mutex_);
        if (stream == stream_) return;
        stream_ = stream;
        first = !client_;
        if (first) {
            EngineConfig config;
            config.engine = settings_.engine;
            config.hello = [this] { return hello(); };
            config.on_message = [this](EngineMessage message) { receive(message); };
            config.on_state = [this](EngineState state, const std::string& why) {
                if (state == EngineState::lost) trouble(why);
            };
            // There the sender waits for the engine, and nobody for the sender.
            if (settings_.lockstep) config.bounds = config.bounds.at_least(lockstep_silence);
            client_ = std::make_shared<EngineClient>(std::move(config));
        }
        client = client_;
    }
    if (first) {
        client->start();
    } else {
        client->notify(hello().head);
    }
}

void SenderSession::trouble(const std::string& why) {
    {
        const std::lock_guard lock(mutex_);
        if (why == last_trouble_) return;
        last_trouble_ = why;
    }
    callbacks_.on_engine_trouble(why);
}

std::shared_ptr<EngineClient> SenderSession::client() const {
    const std::lock_guard lock(mutex_);
    return client_;
}

bool SenderSession::connected() const {
    const auto engine = client();
    return engine && engine->connected();
}

Plan SenderSession::plan() const {
    const std::lock_guard lock(mutex_);
    return plan_;
}

void SenderSession::set_plan(const Plan& plan) {
    {
        const std::lock_guard lock(mutex_);
        if (plan == plan_) return;
        plan_ = plan;
    }
    callbacks_.on_plan(plan);
}

void SenderSession::set_pace(std::uint32_t pace_bps) {
    bool has_encoder = false;
    {
        const std::lock_guard lock(mutex_);
        has_encoder = video_bytes_ > 0;
    }
    // One that somebody else steers (OBS's) follows late, and all that it gives too much would
    // wait.
    link_probe_.set_pace(has_encoder ? pace_bps : 0);
}

EngineMessage SenderSession::hello() const {
    const std::lock_guard lock(mutex_);
    nlohmann::json rungs = nlohmann::json::array();
    if (settings_.chooses_rung() && !rung_fixed_) {
        for (const Scale& scale : {Scale(1), Scale(3, 2), Scale(2), Scale(3)}) {
            rungs.push_back(number_of(scale));
        }
    } else {
        rungs.push_back(number_of(rung_fixed_ ? scale_ : settings_.first_scale()));
    }
    return {{
                {"type", "sender.start"},
                {"scale", number_of(scale_)},
                {"rungs", rungs},
                {"frameWidth", stream_.width},
                {"frameHeight", stream_.height},
                {"framesPerSecond", stream_.frames_per_second},
                {"maxBitrateBps", settings_.max_bitrate_bps},
                {"minVideoBitrateBps", settings_.min_video_bitrate_bps},
                {"patchBitrateBps", settings_.patch_bitrate_bps},
                {"patches", !settings_.sends_patches()    ? "off"
                            : settings_.sends_residuals() ? "residual"
                                                          : "jpeg"},
                {"patchesPerSecond", settings_.patches_per_second},
                {"uplink", settings_.uplink},
                {"uplinkBitrateBps", settings_.uplink_bitrate_bps},
                {"schedule", settings_.schedule},
                {"streamClass", settings_.stream_class},
                {"streamKey", given_or_environment(settings_.stream_key, stream_key_variable)},
                {"feedbackUri", settings_.feedback_uri},
                {"token", given_or_environment(settings_.token, token_variable)},
                {"limitsFrames", limits_frames_},
                {"lockstep", settings_.lockstep},
                {"seed", settings_.seed},
            },
            {}};
}

void SenderSession::send(const nlohmann::json& head, std::span<const std::uint8_t> blob,
                         bool decision) {
    const auto engine = client();
    if (!engine) return;
    flush(*engine);
    bool wait = false;
    {
        const std::lock_guard lock(mutex_);
        wait = decision && settings_.lockstep;
    }
    if (wait) {
        const bool answered = engine->request(head, blob, lockstep_deadline).has_value();
        if (!answered && engine->connected()) trouble("the engine does not answer");
    } else {
        engine->notify(head, blob);
    }
}

void SenderSession::send_with_next(const nlohmann::json& head) {
    const auto engine = client();
    if (!engine) return;
    bool full = false;
    {
        const std::lock_guard lock(mutex_);
        waiting_.push_back(head);
        full = waiting_.size() >= most_waiting;
    }
    if (full) flush(*engine);
}

void SenderSession::flush(EngineClient& engine) {
    std::vector<nlohmann::json> messages;
    {
        const std::lock_guard lock(mutex_);
        messages.swap(waiting_);
    }
    for (const nlohmann::json& message : messages) engine.notify(message);
}

void SenderSession::tick(GstClockTime running_time) {
    bool due = false;
    std::uint64_t bytes = 0;
    std::uint64_t key_bytes = 0;
    {
        const std::lock_guard lock(mutex_);
        now_ = running_time;
        // Frames may come after a gap that was later than they are, a segment may begin anew.
        due = running_time >= next_tick_ || running_time + longest_return < next_tick_;
        if (due) {
            next_tick_ = (running_time / tick_interval + 1) * tick_interval;
            bytes = std::exchange(untold_video_bytes_, 0);
            key_bytes = std::exchange(untold_key_bytes_, 0);
        }
    }
    if (due) {
        send({{"type", "time.tick"},
              {"mediaTimeNs", channel_time(running_time)},
              {"videoBytes", bytes},
              {"keyFrameBytes", key_bytes}},
             {}, true);
    }
    // Where the plan of this very time is there already, it holds for this time.
    const std::lock_guard lock(mutex_);
    ledger_.carries(now_, std::min(plan_.estimated_uplink_bps, settings_.max_bitrate_bps));
}

void SenderSession::restart_ticks() {
    const std::lock_guard lock(mutex_);
    next_tick_ = 0;
}

double SenderSession::room_bits(GstClockTime frame_time) {
    const std::lock_guard lock(mutex_);
    return ledger_.room_bits(now_, GST_CLOCK_TIME_IS_VALID(frame_time) ? frame_time : 0);
}

GstClockTime SenderSession::media_time() const {
    const std::lock_guard lock(mutex_);
    return now_;
}

std::optional<double> SenderSession::patch_room_bits() const {
    const std::lock_guard lock(mutex_);
    // By number they go whatever they cost.
    const bool by_number = settings_.patches_per_second > 0;
    if (!limits_frames_ || by_number || stream_.frames_per_second <= 0) return std::nullopt;
    const auto frame_ns = static_cast<std::uint64_t>(GST_SECOND / stream_.frames_per_second);
    return ledger_.patch_room_bits(now_, frame_ns);
}

void SenderSession::set_encoder_inside(bool inside) {
    const std::lock_guard lock(mutex_);
    encoder_inside_ = inside;
}

// In lockstep no clock has a say.
bool SenderSession::guards() const {
    const std::lock_guard lock(mutex_);
    return encoder_inside_ && !settings_.lockstep;
}

std::uint64_t SenderSession::raw_bound_ns() const { return link_probe_.raw_bound_ns(); }

void SenderSession::set_limits_frames(bool limits) {
    const std::lock_guard lock(mutex_);
    limits_frames_ = limits;
}

void SenderSession::add_video_bytes(std::uint64_t bytes, bool is_key) {
    const std::lock_guard lock(mutex_);
    ledger_.sent(now_, bytes);
    if (is_key) untold_key_bytes_ += bytes;
    untold_video_bytes_ += bytes;
    video_bytes_ += bytes;
}

void SenderSession::offer(std::uint64_t offer, GstClockTime running_time, int columns, int rows,
                          const std::vector<std::uint32_t>& errors) {
    std::vector<std::uint8_t> blob(errors.size() * 4);
    for (std::size_t i = 0; i < errors.size(); ++i) GST_WRITE_UINT32_LE(&blob[4 * i], errors[i]);
    {
        const std::lock_guard lock(mutex_);
        ++offers_;
    }
    nlohmann::json head = {
        {"type", "frame.offer"}, {"offer", offer}, {"mediaTimeNs", channel_time(running_time)},
        {"columns", columns},    {"rows", rows},   {"cell", cell}};
    if (const auto room = patch_room_bits()) head["roomBits"] = static_cast<std::uint64_t>(*room);
    send(head, blob, true);
}

void SenderSession::tell_trial(const RungTrial::Outcome& outcome) {
    if (!outcome.failure.empty()) {
        send({{"type", "trial.failed"}, {"trial", outcome.number}, {"reason", outcome.failure}}, {},
             true);
        return;
    }
    send({{"type", "trial.result"},
          {"trial", outcome.number},
          {"pictures", outcome.pictures},
          {"psnrDb", outcome.psnr_db},
          {"livePsnrDb", outcome.live_psnr_db},
          {"videoBytes", outcome.video_bytes},
          {"liveVideoBytes", outcome.live_video_bytes},
          {"durationNs", outcome.measured}},
         {}, true);
}

void SenderSession::set_scale(const Scale& scale, bool fixed) {
    {
        const std::lock_guard lock(mutex_);
        scale_ = scale;
        if (!fixed || rung_fixed_) return;
        rung_fixed_ = true;
    }
    send(hello().head, {}, false);
}

std::uint64_t SenderSession::video_bytes() const {
    const std::lock_guard lock(mutex_);
    return video_bytes_;
}

void SenderSession::sent(GstClockTime running_time, std::size_t bytes, std::size_t patches) {
    {
        const std::lock_guard lock(mutex_);
        // By number they are not billed: whatever a codec makes of them, the video is the same.
        if (settings_.patches_per_second == 0) ledger_.sent(now_, bytes);
    }
    send_with_next({{"type", "patch.sent"},
                    {"mediaTimeNs", channel_time(running_time)},
                    {"bytes", bytes},
                    {"patches", patches}});
}

void SenderSession::receive(const EngineMessage& message) {
    const auto& head = message.head;
    const std::string type = head["type"];
    if (type == "plan.set") {
        const char* told =
            head.contains("encoderBitrateBps") ? "encoderBitrateBps" : "videoBitrateBps";
        set_plan({bitrate_field(head, "videoBitrateBps"), bitrate_field(head, "patchBitrateBps"),
                  bitrate_field(head, "estimatedUplinkBps"), bitrate_field(head, told)});
        set_pace(head.contains("paceBps") ? bitrate_field(head, "paceBps") : 0);
        callbacks_.on_plan_report(head);
    } else if (type == "engine.warning") {
        const auto text = [&head](const char* name) {
            const auto field = head.find(name);
            if (field == head.end() || !field->is_string()) {
                throw ChannelError(std::string("engine.warning has no text ") + name);
            }
            return field->get<std::string>();
        };
        callbacks_.on_warning(text("cause"), text("remedy"));
    } else if (type == "rung.set") {
        callbacks_.on_rung(scale_field(head, "rung.set"));
    } else if (type == "trial.run") {
        RungTrial::Order order;
        const auto number = [&head](const char* name) {
            if (!head.contains(name)) throw ChannelError(std::string("trial.run has no ") + name);
            return integer_of(head[name], "trial.run", name);
        };
        order.number = number("trial");
        order.scale = scale_field(head, "trial.run");
        order.video_bitrate_bps = bitrate_field(head, "videoBitrateBps");
        order.warm_up = std::min(number("warmUpNs"), std::uint64_t{longest_trial});
        order.measured = std::min(number("measureNs"), std::uint64_t{longest_trial});
        callbacks_.on_trial(order);
    } else if (type == "feedback.state") {
        const auto connected = head.find("connected");
        if (connected == head.end() || !connected->is_boolean()) {
            throw ChannelError("feedback.state does not say whether it is connected");
        }
        const auto count = [&head](const char* name) {
            if (!head.contains(name)) {
                throw ChannelError(std::string("feedback.state has no ") + name);
            }
            return integer_of(head[name], "feedback.state", name);
        };
        const auto real = [&head](const char* name) {
            const auto field = head.find(name);
            return field != head.end() && field->is_number() ? field->get<double>() : -1.0;
        };
        const Feedback feedback{connected->get<bool>(), count("received"),  count("ignored"),
                                count("connections"),   real("goodputBps"), real("packetLoss")};
        const std::lock_guard lock(mutex_);
        feedback_ = feedback;
    } else if (type == "patch.select") {
        const auto cells = head.find("cells");
        if (!head.contains("offer") || cells == head.end() || !cells->is_array()) {
            throw ChannelError("patch.select has no offer or no cells");
        }
        std::vector<std::uint32_t> chosen;
        for (const auto& value : *cells) {
            const std::uint64_t index = integer_of(value, "patch.select", "a cell");
            if (index > G_MAXINT32) throw ChannelError("patch.select has a cell out of range");
            chosen.push_back(static_cast<std::uint32_t>(index));
        }
        callbacks_.on_select(integer_of(head["offer"], "patch.select", "an offer"), chosen);
    } else {
        throw ChannelError("message " + type + " is none that a sender takes");
    }
}

void SenderSession::add_stats(GstStructure* stats) const {
    const auto engine = client();
    const std::lock_guard lock(mutex_);
    gst_structure_set(
        stats, "offers", G_TYPE_UINT64, static_cast<guint64>(offers_),  //
        "video-bytes", G_TYPE_UINT64, static_cast<guint64>(video_bytes_), "video-bitrate-bps",
        G_TYPE_UINT, plan_.video_bitrate_bps,  //
        "patch-bitrate-bps", G_TYPE_UINT, plan_.patch_bitrate_bps, "estimated-uplink-bps",
        G_TYPE_UINT, plan_.estimated_uplink_bps, "feedback-connected", G_TYPE_BOOLEAN,
        feedback_.connected, "feedback-received", G_TYPE_UINT64,
        static_cast<guint64>(feedback_.received),  //
        "feedback-ignored", G_TYPE_UINT64, static_cast<guint64>(feedback_.ignored),
        "feedback-connections", G_TYPE_UINT64,
        static_cast<guint64>(feedback_.connections),  //
        "feedback-goodput-bps", G_TYPE_DOUBLE, feedback_.goodput_bps, "feedback-packet-loss",
        G_TYPE_DOUBLE, feedback_.packet_loss,                               //
        "engine-connected", G_TYPE_BOOLEAN, engine && engine->connected(),  //
        "engine-ready", G_TYPE_BOOLEAN, engine && engine->ready(), "engine-restarts", G_TYPE_UINT,
        engine ? engine->restarts() : 0U, "engine-messages-dropped", G_TYPE_UINT64,
        static_cast<guint64>(engine ? engine->dropped() : 0),  //
        "engine-unresponsive", G_TYPE_UINT64,
        static_cast<guint64>(engine ? engine->counts().unresponsive : 0), "pictures-dropped-stale",
        G_TYPE_UINT64,
        static_cast<guint64>(link_probe_.outlet().pictures_dropped()),  //
        "bytes-dropped-stale", G_TYPE_UINT64,
        static_cast<guint64>(link_probe_.outlet().bytes_dropped()), nullptr);
}

}  // namespace livesr::gst
