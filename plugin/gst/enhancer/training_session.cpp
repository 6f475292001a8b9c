// The conversation with the engine.
#include "gst/enhancer/training_session.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "core/patch/packet.h"
#include "gst/engine/channel.h"
#include "gst/engine/channel_time.h"

namespace livesr::gst {
namespace {

// The channel is little-endian; so is every machine that this runs on.
static_assert(std::endian::native == std::endian::little);

// What the engine may take for the work of 200 ms of media time before lockstep gives it up.
constexpr auto lockstep_patience = std::chrono::seconds(120);

void append_floats(std::vector<std::uint8_t>& bytes, const std::vector<float>& values) {
    const auto* begin = reinterpret_cast<const std::uint8_t*>(values.data());
    bytes.insert(bytes.end(), begin, begin + values.size() * sizeof(float));
}

}  // namespace

TrainingSession::TrainingSession(Options options, Listener listener)
    : options_(std::move(options)), listener_(std::move(listener)) {
    for (const auto& [scale, network] : options_.generic) {
        shown_[scale].live = std::make_shared<LiveModel>();
    }
    EngineConfig config;
    config.engine = options_.engine;
    config.hello = [this] { return hello(); };
    config.on_message = [this](const EngineMessage& message) { on_message(message); };
    config.on_state = [this](EngineState state, const std::string& why) {
        on_engine_state(state, why);
    };
    // There the element waits for the engine, and nobody for the element.
    if (options_.lockstep) config.bounds = config.bounds.at_least(lockstep_patience);
    client_ = std::make_unique<EngineClient>(std::move(config));
}

TrainingSession::~TrainingSession() { interrupt(); }

void TrainingSession::set_size(const Scale& scale, int width, int height) {
    bool first = false;
    {
        const std::lock_guard lock(mutex_);
        first = input_.scale == 0;
        input_ = {scale, width, height};
    }
    if (first) {
        const std::lock_guard starting(start_mutex_);
        if (is_interrupted()) return;
        if (options_.engine == "off") {
            // Nothing vouches for the model, so it does not reach the picture.
            on_engine_state(EngineState::lost, "engine=off");
        } else {
            client_->start();
        }
    } else {
        start_anew_if_resized();
    }
}

EngineMessage TrainingSession::hello() {
    const std::lock_guard lock(mutex_);
    const Network& generic = options_.generic.at(input_.scale);
    const Architecture& architecture = generic.architecture;
    const Shown& shown = shown_.at(input_.scale);
    told_ = input_;
    EngineMessage message;
    message.head = {
        {"type", "enhancer.start"},
        {"streamKey", options_.stream_key},
        {"rung", input_.scale.value()},
        {"scale", architecture.scale},
        {"channels", architecture.channels},
        {"layers", architecture.layers},
        {"width", input_.width},
        {"height", input_.height},
        {"training", options_.training},
        {"modelStore", options_.model_store},
        {"feedbackListen", options_.feedback_listen},
        {"feedbackCertificate", options_.feedback_certificate},
        {"token", options_.token},
        {"tokensFile", options_.tokens_file},
        {"lockstep", options_.lockstep},
        {"stepsPerSecond", options_.steps_per_second},
        {"trainingThreads", options_.training_threads},
        {"seed", options_.seed},
        {"genericParameters", generic.parameters.size()},
        {"liveParameters", shown.parameters.size()},
        // Bicubic without parameters is either a start, or what the gate fell back to: only the
        // latter must outlive a restart of the engine.
        {"liveSource", shown.live->version == 0 ? "generic" : shown.live->source},
    };
    append_floats(message.blob, generic.parameters);
    append_floats(message.blob, shown.parameters);
    return message;
}

// A connection that was made while the size changed was told the old one, so this is asked again at
// every tick.
void TrainingSession::start_anew_if_resized() {
    {
        const std::lock_guard lock(mutex_);
        if (!connected_ || told_ == input_) return;
    }
    const EngineMessage message = hello();
    client_->notify(message.head, message.blob);
}

void TrainingSession::send_pair(const AlignedPatch& pair) {
    const nlohmann::json head = {
        {"type", "patch.pair"},
        {"sequence", pair.sequence},
        {"mediaTimeNs", channel_time(pair.media_time_ns)},
        {"x", pair.x},
        {"y", pair.y},
        {"width", pair.width},
        {"height", pair.height},
    };
    std::vector<std::uint8_t> blob = pair.low;
    blob.insert(blob.end(), pair.high.begin(), pair.high.end());
    const bool sent = client_->notify(head, blob, Delivery::can_be_lost);
    const std::lock_guard lock(mutex_);
    ++(sent ? pairs_sent_ : pairs_unsent_);
}

void TrainingSession::tell_scene_cut(std::uint64_t media_time_ns) {
    client_->notify({{"type", "scene.cut"}, {"mediaTimeNs", channel_time(media_time_ns)}});
}

bool TrainingSession::tick(std::uint64_t media_time_ns, const Received& received,
                           const std::optional<MemoryCover>& cover) {
    start_anew_if_resized();
    nlohmann::json head = {
        {"type", "time.tick"},         {"mediaTimeNs", channel_time(media_time_ns)},
        {"videoBytes", nullptr},       {"patchBytes", received.patch_bytes},
        {"packets", received.packets}, {"packetsLost", received.packets_lost},
    };
    if (received.video_bytes) head["videoBytes"] = *received.video_bytes;
    std::span<const std::uint8_t> blob;
    if (cover) {
        head["memory"] = {{"senderTimeNs", channel_time(cover->sender_time_ns)},
                          {"cell", patch_cell},
                          {"columns", cover->columns},
                          {"rows", cover->rows},
                          {"benefit", nullptr}};
        if (cover->benefit) head["memory"]["benefit"] = *cover->benefit;
        blob = cover->shares;
    }
    if (!options_.lockstep) return client_->notify(head, blob);

    const auto deadline = std::chrono::steady_clock::now() + lockstep_patience;
    while (true) {
        {
            std::unique_lock lock(mutex_);
            changed_.wait_until(lock, deadline,
                                [this] { return connected_ || failed_ || interrupted_; });
            if (!connected_ || interrupted_) return false;
        }
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) return false;
        if (client_->request(head, blob, left)) return true;
        // Lost: the client says so on its own thread, perhaps a moment later.
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, std::chrono::milliseconds(100),
                          [this] { return !connected_ || interrupted_; });
    }
}

void TrainingSession::interrupt() {
    {
        const std::lock_guard lock(mutex_);
        interrupted_ = true;
    }
    changed_.notify_all();
    const std::lock_guard stopping(start_mutex_);
    client_->stop();
}

bool TrainingSession::is_interrupted() const {
    const std::lock_guard lock(mutex_);
    return interrupted_;
}

void TrainingSession::on_message(const EngineMessage& message) {
    try {
        const std::string type = message.head.at("type").get<std::string>();
        if (type == "model.swap") {
            on_swap(message);
        } else if (type == "training.report") {
            on_report(message.head);
        } else if (type == "feedback.counts") {
            on_feedback_counts(message.head);
        } else if (type == "training.state") {
            on_training_state(message.head);
        } else if (type == "patch.packet") {
            listener_.on_packet(message.blob);
        } else if (type == "engine.warning") {
            listener_.on_warning(message.head.at("cause").get<std::string>(),
                                 message.head.at("remedy").get<std::string>());
        } else {
            throw ChannelError("an engine of srenhancer does not send " + type);
        }
    } catch (const nlohmann::json::exception& fault) {
        throw ChannelError(std::string("a message is not as agreed: ") + fault.what());
    }
}

void TrainingSession::on_report(const nlohmann::json& report) {
    {
        const std::lock_guard lock(mutex_);
        const auto rung = report.find("rung");
        const Scale scale =
            rung == report.end() ? input_.scale : scale_of_value(rung->get<double>());
        if (const auto& gain = report.at("gainDb"); !gain.is_null()) {
            gains_db_[scale] = gain.get<double>();
        }
        in_trouble_ = false;
    }
    listener_.on_report(report);
    listener_.on_change();
}

void TrainingSession::on_feedback_counts(const nlohmann::json& counts) {
    std::map<std::string, std::uint64_t> feedback;
    for (const auto& [field, name] : {std::pair{"connections", "connections"},
                                      {"clients", "clients"},
                                      {"wrongTokens", "wrong-tokens"},
                                      {"wrongHellos", "wrong-hellos"},
                                      {"late", "late"},
                                      {"evicted", "evicted"},
                                      {"tooMuch", "too-much"},
                                      {"packets", "packets"},
                                      {"packetsRefused", "packets-refused"}}) {
        feedback[name] = counts.at(field).get<std::uint64_t>();
    }
    const std::lock_guard lock(mutex_);
    feedback_ = std::move(feedback);
}

void TrainingSession::on_training_state(const nlohmann::json& message) {
    const std::string state = message.at("state").get<std::string>();
    for (const char* known : {"waiting", "training", "suspended", "off"}) {
        if (state != known) continue;
        {
            const std::lock_guard lock(mutex_);
            state_ = state;
        }
        listener_.on_change();
        return;
    }
    throw ChannelError("training.state: unknown state " + state);
}

void TrainingSession::trouble(const std::string& why) {
    {
        const std::lock_guard lock(mutex_);
        if (std::exchange(in_trouble_, true)) return;
    }
    listener_.on_trouble(why);
}

void TrainingSession::on_swap(const EngineMessage& message) {
    const auto& rung = message.head.at("rung");
    const Scale scale = scale_of_value(rung.get<double>());
    if (!serves(scale)) throw ChannelError("model.swap: nothing is known of rung " + rung.dump());
    const Network& generic = options_.generic.at(scale);
    LiveModel model;
    model.received = std::chrono::steady_clock::now();
    model.version = message.head.at("version").get<std::uint64_t>();
    model.source = message.head.at("source").get<std::string>();
    if (const auto& gain = message.head.at("gainDb"); !gain.is_null()) {
        model.gain_db = gain.get<double>();
    }
    const bool bicubic = model.source == "bicubic";
    if (!bicubic && model.source != "generic" && model.source != "stored" &&
        model.source != "online") {
        throw ChannelError("model.swap: unknown source " + model.source);
    }
    const std::size_t expected = bicubic ? 0 : generic.parameters.size() * sizeof(float);
    if (message.blob.size() != expected) {
        throw ChannelError("model.swap: " + std::to_string(message.blob.size()) +
                           " bytes of parameters, expected " + std::to_string(expected));
    }
    std::vector<float> parameters(message.blob.size() / sizeof(float));
    if (!bicubic) {
        std::memcpy(parameters.data(), message.blob.data(), message.blob.size());
        try {
            const Network network{generic.architecture, parameters};
            // The picture itself needs none.
            if (scale != 1 || adds_anything(network)) {
                model.network = std::make_shared<const PackedNetwork>(network);
            }
        } catch (const std::invalid_argument& fault) {
            // Training gone wrong, not a broken channel: a new engine would do no better.
            {
                const std::lock_guard lock(mutex_);
                ++swaps_refused_;
            }
            trouble(std::string("it sent weights that cannot be used: ") + fault.what());
            return;
        }
    }
    {
        const std::lock_guard lock(mutex_);
        gains_db_[scale] = model.gain_db;
        Shown& shown = shown_.at(scale);
        shown.live = std::make_shared<const LiveModel>(std::move(model));
        shown.parameters = std::move(parameters);
        ++swaps_;
    }
    listener_.on_change();
}

void TrainingSession::on_engine_state(EngineState state, const std::string& why) {
    {
        const std::lock_guard lock(mutex_);
        connected_ = state != EngineState::lost;
        was_connected_ = was_connected_ || connected_;
        failed_ = !was_connected_;
        is_late_ = state == EngineState::late;
        if (state == EngineState::starting) state_ = "starting";
        if (state == EngineState::lost) state_ = "stopped: " + why;
        if (state == EngineState::ready && state_ == "starting") state_ = "waiting";
    }
    changed_.notify_all();
    if (state == EngineState::lost) trouble(why);
    listener_.on_change();
}

std::shared_ptr<const LiveModel> TrainingSession::live(const Scale& scale) const {
    const std::lock_guard lock(mutex_);
    return shown_.at(scale).live;
}

TrainingSession::Status TrainingSession::status() const {
    Status status;
    status.engine_restarts = client_->restarts();
    status.engine = client_->counts();
    const std::uint64_t lost = client_->lost();
    const std::lock_guard lock(mutex_);
    status.state = is_late_ ? "unresponsive" : state_;
    const auto gain = gains_db_.find(input_.scale);
    status.gain_db = gain == gains_db_.end() ? 0.0 : gain->second;
    if (const auto shown = shown_.find(input_.scale); shown != shown_.end()) {
        status.model_source = shown->second.live->source;
        status.model_version = shown->second.live->version;
    }
    status.swaps = swaps_;
    status.swaps_refused = swaps_refused_;
    // Another may be lost between the two looks.
    status.pairs_sent = pairs_sent_ - std::min(lost, pairs_sent_);
    status.pairs_unsent = pairs_unsent_ + lost;
    status.feedback = feedback_;
    return status;
}

}  // namespace livesr::gst
