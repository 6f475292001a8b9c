// The element's work: one frame, one patch, one swap at a time.
#include "gst/enhancer/enhancer.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "core/picture/resample.h"
#include "gst/engine/secrets.h"
#include "gst/enhancer/encoded_source.h"

namespace livesr::gst {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t tick_ns = 200'000'000;  // docs/protocol.md

double milliseconds_of(Clock::time_point time) {
    return std::chrono::duration<double, std::milli>(time.time_since_epoch()).count();
}

double milliseconds_since(Clock::time_point begin) {
    return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

const std::uint8_t* plane_data(const GstVideoFrame& frame, int plane) {
    return static_cast<const std::uint8_t*>(frame.data[plane]);
}

// Planes of a frame: luma, then chroma (two planes, or one of interleaved pairs).
// given: luma as the network takes it.
std::vector<PlaneJob> plane_jobs(const GstVideoFrame& in, GstVideoFrame& out, const Scale& scale,
                                 const PlaneView& given, const PackedNetwork* network) {
    std::vector<PlaneJob> jobs;
    for (int plane = 0; plane < static_cast<int>(GST_VIDEO_FRAME_N_PLANES(&in)); ++plane) {
        const bool interleaved = plane == 1 && GST_VIDEO_FRAME_N_PLANES(&in) == 2;
        PlaneJob job;
        job.network = plane == 0 ? network : nullptr;
        job.scale = scale;
        job.channels = interleaved ? 2 : 1;
        job.src = plane_data(in, plane);
        job.src_stride = GST_VIDEO_FRAME_PLANE_STRIDE(&in, plane);
        job.src_width = GST_VIDEO_FRAME_COMP_WIDTH(&in, plane);
        job.src_height = GST_VIDEO_FRAME_COMP_HEIGHT(&in, plane);
        job.dst = static_cast<std::uint8_t*>(GST_VIDEO_FRAME_PLANE_DATA(&out, plane));
        job.dst_stride = GST_VIDEO_FRAME_PLANE_STRIDE(&out, plane);
        job.dst_width = GST_VIDEO_FRAME_COMP_WIDTH(&out, plane);
        job.dst_height = GST_VIDEO_FRAME_COMP_HEIGHT(&out, plane);
        if (plane == 0 && scale.network() == 1) {
            job.scale = 1;
            job.src = given.pixels;
            job.src_stride = given.stride;
            job.src_width = given.width;
            job.src_height = given.height;
        }
        jobs.push_back(job);
    }
    return jobs;
}

// What makes the picture where no network does.
const char* plain_way(const Scale& scale) {
    if (scale == 1) return "native";
    return plain_filter(scale) == Filter::lanczos ? "lanczos" : "bicubic";
}

}  // namespace

Enhancer::Enhancer(const EnhancerSettings& settings, const std::map<int, Network>& start,
                   const std::map<int, Network>& small, Listener listener)
    : settings_(settings),
      listener_(std::move(listener)),
      upscaler_(settings.threads),
      last_model_(std::make_shared<LiveModel>()),
      patch_input_(settings.scale),
      decoder_gate_([this](int width, int height) { return allows(width, height); },
                    [this](int width, int height) { refuse_picture(width, height); }),
      picture_gate_([this](int width, int height) { return allows(width, height); },
                    [this](int width, int height) { refuse_picture(width, height); }),
      size_(settings.scale, settings.limits),
      decoder_input_([this](const CarriedPacket& packet) { feed_carried(packet); }) {
    for (const Scale& scale : scales) {
        const auto found = small.find(scale.network());
        if (scale == 1 || found == small.end()) continue;
        small_[scale] = std::make_shared<const PackedNetwork>(found->second);
    }
    if (settings_.training == "off") {
        for (const Scale& scale : scales) {
            const auto found = start.find(scale.network());
            if (scale == 1 || found == start.end()) continue;
            LiveModel model;
            model.source = "generic";
            model.network = std::make_shared<const PackedNetwork>(found->second);
            untrained_[scale] = std::make_shared<const LiveModel>(std::move(model));
        }
        const auto first = untrained_.find(settings_.scale);
        if (first != untrained_.end()) model_in_use_ = first->second->source;
        return;
    }
    TrainingSession::Options options;
    for (const Scale& scale : scales) {
        if (settings_.scale != 0 && settings_.scale != scale) continue;
        const auto found = start.find(scale.network());
        Network network = found != start.end()
                              ? found->second
                              : make_network({.scale = scale.network()}, settings_.seed);
        if (scale == 1) {
            add_nothing(network);
        } else {
            expectations_[scale] = std::make_shared<const PackedNetwork>(network);
        }
        options.generic.emplace(scale, std::move(network));
    }
    options.engine = settings_.engine;
    options.stream_key = given_or_environment(settings_.stream_key, stream_key_variable);
    options.model_store = settings_.model_store;
    options.feedback_listen = settings_.feedback_listen;
    options.feedback_certificate = settings_.feedback_certificate;
    options.token = given_or_environment(settings_.token, token_variable);
    options.tokens_file = settings_.tokens_file;
    options.training = settings_.training;
    options.lockstep = settings_.lockstep;
    options.steps_per_second = settings_.training_steps_per_second;
    options.training_threads = settings_.training_threads;
    options.seed = settings_.seed;
    TrainingSession::Listener session_listener;
    session_listener.on_report = listener_.on_report;
    session_listener.on_change = listener_.on_change;
    session_listener.on_packet = [this](std::span<const std::uint8_t> bytes) {
        feed_beside(bytes);
    };
    session_listener.on_warning = [this](const std::string& cause, const std::string& remedy) {
        GST_WARNING("engine: %s", cause.c_str());
        listener_.on_warning(cause, remedy);
    };
    session_listener.on_trouble = [this](const std::string& why) {
        GST_WARNING("engine: %s", why.c_str());
        listener_.on_warning(
            "The training engine is not at work: " + why,
            "The video goes on with the weights that it has. livesr doctor starts "
            "an engine and shows what is missing; training=off runs the model without an engine.");
    };
    session_ = std::make_unique<TrainingSession>(std::move(options), std::move(session_listener));
    matcher_ = std::make_unique<PatchMatcher>(
        settings_.lockstep, [this](const AlignedPatch& pair) { session_->send_pair(pair); });
}

Enhancer::~Enhancer() = default;

void Enhancer::guard(GstPad* sink) { picture_gate_.guard(sink); }

void Enhancer::watch_decoder(GstPad* sink) {
    decoder_input_.watch(sink);
    if (GstPad* encoded = find_encoded_source(sink)) {
        decoder_gate_.guard(encoded);
        gst_object_unref(encoded);
    }
}

bool Enhancer::allows(int width, int height) const {
    return output_size(width, height).has_value();
}

void Enhancer::refuse_picture(int width, int height) {
    if (warned_picture_.exchange(true)) return;
    listener_.on_warning(
        "Pictures of " + std::to_string(width) + "x" + std::to_string(height) +
            " are refused: what they become is larger than max-width x max-height (" +
            std::to_string(settings_.limits.width) + "x" + std::to_string(settings_.limits.height) +
            ").",
        "Raise max-width and max-height if this machine has the memory for such pictures. The "
        "stream goes on with the next picture that is within them.");
}

std::optional<std::uint64_t> Enhancer::steady_time(std::uint64_t running_time_ns) {
    const auto time = steady_time_.next(running_time_ns, interval_ns_);
    if (time) time_shift_ns_ = *time - running_time_ns;
    frames_stale_ = steady_time_.stale();
    time_shifts_ = steady_time_.shifts();
    return time;
}

void Enhancer::set_input(int width, int height, std::uint64_t interval_ns) {
    interval_ns_ = interval_ns;
    const Scale scale = scale_of(width, height);
    const int enlargement = scale.network();
    // Of the picture that networks are given.
    const int given_width = enlargement == 1 ? scale.enlarged(width) : width;
    const int given_height = enlargement == 1 ? scale.enlarged(height) : height;
    if (width == width_ && height == height_ && scale == scale_) return;
    const bool first = width_ == 0;
    if (!first && scale != scale_) ++rung_changes_;
    if (scale != scale_) begin_rung(scale);
    width_ = width;
    height_ = height;
    scene_cuts_.clear();
    if (!session_) return;
    const bool trains = session_->serves(scale);
    std::optional<PatchAligner::Options> frames;
    if (trains) {
        frames.emplace();
        frames->scale = enlargement;
        frames->margin = margin(session_->generic(scale).architecture);
        frames->width = given_width;
        frames->height = given_height;
        const auto expectation = expectations_.find(scale);
        if (expectation != expectations_.end()) frames->expectation = expectation->second;
    }
    matcher_->begin(frames);
    begin_memory(given_width, given_height);
    if (trains) {
        session_->set_size(scale, given_width, given_height);
    } else if (first) {
        // Senders are to find the feedback, and the next rung an engine that runs.
        const int full_width = scale == 0 ? width : scale.enlarged(width);
        const int full_height = scale == 0 ? height : scale.enlarged(height);
        const Scale next = 2;
        session_->set_size(next, lowres_side(full_width, next), lowres_side(full_height, next));
    }
}

void Enhancer::begin_rung(const Scale& scale) {
    scale_ = scale;
    scale_now_ = scale;
    LiveModel plain;
    plain.source = plain_way(scale);
    const auto model = untrained_.find(scale);
    last_model_ = model != untrained_.end() ? model->second
                                            : std::make_shared<const LiveModel>(std::move(plain));
    {
        const std::lock_guard lock(timing_mutex_);
        model_in_use_ = last_model_->source;
    }
    // What pictures of another size took says nothing.
    const std::lock_guard lock(governor_mutex_);
    earlier_retreats_ += governor_.retreats();
    governor_ = Governor({.memory = remembers(scale), .small = small_.contains(scale)});
}

void Enhancer::process(const GstVideoFrame& in, GstVideoFrame& out,
                       std::optional<std::uint64_t> running_time_ns,
                       const std::optional<Deadline>& deadline) {
    const auto begin = Clock::now();
    give(in);
    if (session_ && running_time_ns) learn_from(in, *running_time_ns);
    const auto model = current_model();
    const auto inference_begin = Clock::now();
    const PackedNetwork* network = model->network.get();
    // Where bicubic is the best there is, there is nothing to choose.
    const bool governed = network != nullptr;
    const Way way = governed ? choose_way(deadline, milliseconds_since(begin)) : Way::bicubic;
    if (way == Way::small) network = small_.at(scale_).get();
    if (way == Way::bicubic) network = nullptr;
    upscaler_.run(plane_jobs(in, out, scale_, given_, network));
    followed_ = way == Way::memory;
    if (followed_) restore(out, model->network);
    if (governed) {
        ++(way == Way::small     ? frames_small_
           : way == Way::bicubic ? frames_governed_
                                 : frames_network_);
        if (way == Way::memory) ++frames_memory_;
        const std::lock_guard lock(governor_mutex_);
        governor_.done(way, milliseconds_since(inference_begin));
    }
    const std::lock_guard lock(timing_mutex_);
    inference_ms_.add(milliseconds_since(inference_begin));
    latency_ms_.add(milliseconds_since(begin));
    ++frames_;
}

void Enhancer::give(const GstVideoFrame& in) {
    given_ = {plane_data(in, 0), GST_VIDEO_FRAME_PLANE_STRIDE(&in, 0), GST_VIDEO_FRAME_WIDTH(&in),
              GST_VIDEO_FRAME_HEIGHT(&in)};
    if (scale_.down == 1) return;
    const int width = scale_.enlarged(given_.width);
    const int height = scale_.enlarged(given_.height);
    enlarged_.resize(static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
    PlaneJob job;
    job.scale = scale_;
    job.src = given_.pixels;
    job.src_stride = given_.stride;
    job.src_width = given_.width;
    job.src_height = given_.height;
    job.dst = enlarged_.data();
    job.dst_stride = width;
    job.dst_width = width;
    job.dst_height = height;
    upscaler_.run({&job, 1});
    given_ = {enlarged_.data(), width, width, height};
}

Way Enhancer::choose_way(const std::optional<Deadline>& deadline, double spent_ms) {
    if (!deadline) return memory_ != nullptr ? Way::memory : Way::network;
    const double now_ms = milliseconds_of(Clock::now());
    Governor::Limits limits;
    limits.interval_ms = static_cast<double>(interval_ns_) / 1e6;
    limits.most_ms = deadline->budget_ms;
    limits.left_ms = deadline->budget_ms;
    if (deadline->has_clock) {
        const double waited_ms = waits_.add(now_ms, deadline->arrival_ms);
        // A sink with time to spare forgives what the frame has waited; nothing forgives a long
        // stay.
        limits.left_ms =
            std::min(limits.left_ms,
                     std::max(limits.left_ms - waited_ms, deadline->due_ms - deadline->arrival_ms));
    }
    limits.left_ms -= spent_ms;
    const std::lock_guard lock(governor_mutex_);
    return governor_.choose(now_ms, limits);
}

void Enhancer::note_sink_late() {
    ++sink_late_;
    const std::lock_guard lock(governor_mutex_);
    governor_.told_late(milliseconds_of(Clock::now()));
}

Received Enhancer::received() {
    Received all;
    all.video_bytes = decoder_input_.bytes();
    const std::lock_guard lock(input_mutex_);
    all.patch_bytes = patch_input_.counts().bytes;
    all.packets = patch_input_.counts().received;
    all.packets_lost = patch_input_.lost();
    return all;
}

// Before the picture is made, so that in lockstep the weights that follow from it are in the
// picture.
void Enhancer::learn_from(const GstVideoFrame& in, std::uint64_t running_time_ns) {
    std::vector<ReceivedPatch> arrived = take_patches(running_time_ns);
    // The cut comes first: a pair that becomes certain now may show the new scene already, and one
    // of the old scene is one more that the gate looks at.
    if (scene_cuts_.add(plane_data(in, 0), GST_VIDEO_FRAME_PLANE_STRIDE(&in, 0), width_, height_)) {
        ++cuts_;
        session_->tell_scene_cut(running_time_ns);
        if (memory_ != nullptr) memory_->lose_track();
    }
    if (session_->serves(scale_)) {
        for (ReceivedPatch& patch : arrived) matcher_->add_patch(std::move(patch));
        matcher_->add_frame(running_time_ns, interval_ns_, given_.pixels, given_.stride,
                            memory_ != nullptr);
        remember();
    }
    tick(running_time_ns);
}

void Enhancer::tick(std::uint64_t running_time_ns) {
    if (next_tick_ns_ && running_time_ns < *next_tick_ns_ &&
        *next_tick_ns_ - running_time_ns <= tick_ns) {
        return;
    }
    next_tick_ns_ = (running_time_ns / tick_ns + 1) * tick_ns;
    watch_patches(running_time_ns);
    const bool done = session_->tick(running_time_ns, received(), memory_cover(running_time_ns));
    if (settings_.lockstep && done != engine_answers_) {
        engine_answers_ = done;
        if (!done) {
            listener_.on_warning("Lockstep is broken: the engine did not answer.",
                                 "The run goes on, but it will not give the same result again.");
        }
    }
}

std::shared_ptr<const LiveModel> Enhancer::current_model() {
    if (!session_ || !session_->serves(scale_)) return last_model_;
    auto model = session_->live(scale_);
    if (model != last_model_) {
        const bool swapped = model->version != 0 || model->network;
        last_model_ = model;
        const std::lock_guard lock(timing_mutex_);
        if (swapped) swap_latency_us_ = milliseconds_since(model->received) * 1000.0;
        model_in_use_ = scale_ == 1 && !model->network ? plain_way(scale_) : model->source;
    }
    return model;
}

void Enhancer::clear_history() {
    next_tick_ns_.reset();
    followed_ = false;
    scene_cuts_.clear();
    waits_.clear();
    patch_watch_.restart();
    steady_time_.restart();
    time_shift_ns_ = 0;
    {
        // A recording that is played again has its packets again.
        const std::lock_guard lock(input_mutex_);
        patch_input_.forget();
    }
    {
        const std::lock_guard lock(patches_mutex_);
        inbox_.clear();
        inbox_bytes_ = 0;
        // Their times belong to the segment before; the size holds all the same.
        size_.forget_times();
    }
    if (matcher_) matcher_->clear();
}

void Enhancer::interrupt() {
    {
        const std::lock_guard lock(patches_mutex_);
        interrupted_ = true;
    }
    patches_moved_.notify_all();
    picture_gate_.release();
    decoder_gate_.release();
    decoder_input_.stop();
    if (session_) session_->interrupt();
}

std::string Enhancer::training_state() const {
    if (!session_) return "off";
    std::string state = session_->status().state;
    // It may wait for ever: whoever reads the state is to know.
    if (state == "waiting" && patches_silent_) state += ", no patches come";
    return state;
}

std::string Enhancer::model_in_use() const {
    const std::lock_guard lock(timing_mutex_);
    return model_in_use_;
}

double Enhancer::gain_db() const {
    return session_ && session_->serves(scale_now_) ? session_->status().gain_db : 0.0;
}

}  // namespace livesr::gst
