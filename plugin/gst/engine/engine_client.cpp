// The element's side of the channel: one thread that connects, polls, hands messages over, and
// connects again. See engine_client.h.
//
// Locks: Impl::mutex guards what streaming threads and the I/O thread share; it is never held while
// a callback of the element runs, so callbacks may call notify() and take the element's own locks.
#include "gst/engine/engine_client.h"

#include <gst/gst.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>

#include "gst/engine/channel.h"
#include "gst/engine/engine_debug.h"
#include "gst/engine/engine_link.h"
#include "gst/engine/engine_socket.h"

#define GST_CAT_DEFAULT (engine_debug_category())

namespace livesr::gst {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// docs/protocol.md
constexpr auto first_delay = 250ms;
constexpr auto longest_delay = 8s;
constexpr auto held_long_enough = 10s;
constexpr std::size_t max_queued_bytes = std::size_t{8} << 20;
// The heartbeat (docs/protocol.md): how often the client looks at it, how far its bounds double for
// engines in a row that exceed them, and what ends that.
constexpr int beat_ms = 250;
constexpr int max_patience = 8;
constexpr auto well_enough = 60s;
const char* const ping_type = "engine.ping";

// An engine that is told to stop may have something to save; one that broke a rule may not.
constexpr auto stop_grace = 1s;
constexpr auto lost_grace = 200ms;

// The engine is there and does not answer.
struct Unresponsive : std::runtime_error {
    using std::runtime_error::runtime_error;
};

}  // namespace

GstDebugCategory* engine_debug_category() {
    static GstDebugCategory* const category = [] {
        GstDebugCategory* made = nullptr;
        GST_DEBUG_CATEGORY_INIT(made, "livesr-engine", 0, "The engine's log and the channel to it");
        return made;
    }();
    return category;
}

std::string describe_engine_problem(const std::string& engine) {
    if (engine == "auto" || engine == "off") return "";
    if (engine.starts_with(unix_prefix) && engine != unix_prefix) return "";
    return "engine is \"" + engine + "\": use auto, off or unix:PATH";
}

struct EngineClient::Impl {
    explicit Impl(EngineConfig c) : config(std::move(c)) {}

    // A connection, owned by the I/O thread.
    struct Connection {
        Connection(const std::string& engine, const HeartbeatBounds& bounds)
            : link(engine), heartbeat(bounds) {}
        EngineLink link;
        Heartbeat heartbeat;
        Heartbeat::Health health = Heartbeat::Health::starting;  // as it was reported last
        EngineCounts counts;                                     // of this engine
        std::chrono::milliseconds starved{0};                    // until the last round
    };

    EngineConfig config;
    std::thread thread;
    int wake_fd = -1;

    mutable std::mutex mutex;
    std::condition_variable changed;  // responses, connection state, first attempt
    bool stopping = false;
    bool attempted = false;
    bool connected = false;
    bool ready = false;  // and it has answered
    std::atomic<unsigned> restarts{0};
    OutgoingQueue outgoing{max_queued_bytes};
    std::uint64_t dropped = 0;
    EngineCounts counts;
    std::uint64_t next_id = 1;
    std::map<std::uint64_t, std::optional<EngineMessage>>
        pending;  // requests without and with answer

    void run();
    std::unique_ptr<Connection> connect(const HeartbeatBounds& bounds);
    std::string serve(Connection& connection);  // until it is lost: why
    void deliver(Connection& connection, ChannelFrame frame);
    void beat(Connection& connection, std::chrono::milliseconds elapsed);
    void answered(Connection& connection, const nlohmann::json& head);
    void exchange_messages(Connection& connection);  // until it is lost, or we stop
    void set_connected(bool value);
    void wait_for(std::chrono::milliseconds time);
    void wake() const;
    bool enqueue(OutgoingQueue::Frame frame, Delivery delivery = Delivery::certain);
    bool is_stopping() const {
        const std::lock_guard lock(mutex);
        return stopping;
    }
    void report(EngineState state, const std::string& why = "") const {
        if (config.on_state) config.on_state(state, why);
    }
};

void EngineClient::Impl::wake() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = write(wake_fd, &one, sizeof one);
}

void EngineClient::Impl::set_connected(bool value) {
    const std::lock_guard lock(mutex);
    connected = value;
    ready = false;
    attempted = true;
    if (!value) {
        outgoing.clear();
        pending.clear();  // whoever waits finds its request gone
    }
    changed.notify_all();
}

void EngineClient::Impl::wait_for(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, time, [this] { return stopping; });
}

bool EngineClient::Impl::enqueue(OutgoingQueue::Frame frame, Delivery delivery) {
    if (!connected || !outgoing.push(std::move(frame), delivery)) {
        ++dropped;
        return false;
    }
    wake();
    return true;
}

std::unique_ptr<EngineClient::Impl::Connection> EngineClient::Impl::connect(
    const HeartbeatBounds& bounds) {
    auto connection = std::make_unique<Connection>(config.engine, bounds);
    const EngineMessage hello = config.hello();
    std::vector<std::uint8_t> frame = write_frame(FrameKind::notification, hello.head, hello.blob);
    const std::lock_guard lock(mutex);
    // Not through enqueue(): nothing is connected yet.
    outgoing.push_hello(std::move(frame));
    return connection;
}

void EngineClient::Impl::run() {
    std::chrono::milliseconds delay = first_delay;
    std::string last_why;
    bool was_connected = false;
    int patience = 1;
    while (!is_stopping()) {
        std::string why;
        bool up = false;
        const auto began = Clock::now();
        try {
            const auto connection = connect(config.bounds.times(patience));
            if (was_connected) ++restarts;
            was_connected = true;
            set_connected(true);
            up = true;
            GST_INFO("engine connected");
            report(EngineState::starting);
            why = serve(*connection);
            // A machine that is too busy for one engine is for the next: each gets more time.
            const bool was_silent =
                connection->heartbeat.health() == Heartbeat::Health::unresponsive;
            if (connection->heartbeat.well_for() >= well_enough) patience = 1;
            if (was_silent) patience = std::min(patience * 2, max_patience);
        } catch (const std::exception& error) {
            why = error.what();
        }
        set_connected(false);
        if (is_stopping()) break;
        if (Clock::now() - began >= held_long_enough) delay = first_delay;
        // The same failure to start, again and again, is said once.
        if (up || why != last_why) {
            GST_WARNING("%s", why.c_str());
            report(EngineState::lost, why);
            last_why = why;
        }
        wait_for(delay);
        delay = std::min<std::chrono::milliseconds>(delay * 2, longest_delay);
    }
}

std::string EngineClient::Impl::serve(Connection& connection) {
    EngineLink& link = connection.link;
    std::string why;
    try {
        exchange_messages(connection);
    } catch (const Unresponsive& silence) {
        link.end(0ms);
        why = silence.what();
        why += link.is_child() ? "; it was ended, another one takes its place"
                               : "; it is joined again";
    } catch (const ChannelError& error) {
        why = std::string("the engine broke the channel's rules: ") + error.what();
        link.end(0ms);
    } catch (const EngineLost& lost) {
        why = lost.what();
        if (link.is_child()) {
            why = "the engine " + link.end(lost_grace);
            link.read_log();
            if (!link.complaint().empty()) why += ": " + link.complaint();
        }
    }
    link.end(stop_grace);
    return why;
}

void EngineClient::Impl::exchange_messages(Connection& connection) {
    EngineLink& link = connection.link;
    const auto deliver_one = [this, &connection](ChannelFrame frame) {
        if (!is_stopping()) deliver(connection, std::move(frame));
    };
    const auto next = [this]() -> std::optional<OutgoingQueue::Frame> {
        const std::lock_guard lock(mutex);
        if (outgoing.empty()) return std::nullopt;
        return outgoing.take();
    };
    auto round = Clock::now();
    for (;;) {
        bool to_write = link.is_writing();
        {
            const std::lock_guard lock(mutex);
            if (stopping) return;
            to_write = to_write || !outgoing.empty();
        }
        std::array<pollfd, 3> polled{{
            {link.fd(), static_cast<short>(to_write ? POLLIN | POLLOUT : POLLIN), 0},
            {wake_fd, POLLIN, 0},
            {link.log_fd(), POLLIN, 0},
        }};
        if (poll(polled.data(), polled.size(), beat_ms) < 0 && errno != EINTR) {
            throw EngineLost(std::string("poll: ") + std::strerror(errno));
        }
        if (polled[1].revents) {
            std::uint64_t count = 0;
            [[maybe_unused]] const auto got = read(wake_fd, &count, sizeof count);
        }
        if (polled[2].revents) link.read_log();
        const bool has_read = (polled[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0;
        // Reading first: what a dying engine still said counts.
        if (has_read) link.read(deliver_one);
        if (polled[0].revents & POLLOUT) link.write(next);
        const auto now = Clock::now();
        // What has arrived may hold the answer that is waited for.
        if (!has_read) {
            beat(connection, std::chrono::duration_cast<std::chrono::milliseconds>(now - round));
            round = now;
        }
    }
}

void EngineClient::Impl::beat(Connection& connection, std::chrono::milliseconds elapsed) {
    Heartbeat& heartbeat = connection.heartbeat;
    const auto starved = connection.link.starved();
    heartbeat.passed(elapsed, starved - std::exchange(connection.starved, starved));
    const auto health = heartbeat.health();
    if (health == Heartbeat::Health::unresponsive) {
        const std::lock_guard lock(mutex);
        ++counts.unresponsive;
        throw Unresponsive(heartbeat.complaint());
    }
    if (health != connection.health) {
        connection.health = health;
        report(health == Heartbeat::Health::late ? EngineState::late : EngineState::ready);
    }
    if (!heartbeat.ping_due()) return;
    const std::lock_guard lock(mutex);
    const std::uint64_t id = next_id++;
    if (enqueue(write_frame(FrameKind::request, {{"type", ping_type}, {"id", id}}))) {
        heartbeat.pinged(id);
    }
}

void EngineClient::Impl::answered(Connection& connection, const nlohmann::json& head) {
    const auto count = [&head](const char* name) {
        const auto field = head.find(name);
        if (field == head.end() || !field->is_number_unsigned()) {
            throw ChannelError(std::string("engine.ping: no count ") + name);
        }
        return field->get<std::uint64_t>();
    };
    EngineCounts said;
    said.waiting = count("waiting");
    said.pairs_dropped = count("pairsDropped");
    said.fields_dropped = count("fieldsDropped");
    connection.heartbeat.answered(head.at("id").get<std::uint64_t>(), count("handled"),
                                  said.waiting);
    const std::lock_guard lock(mutex);
    ready = true;
    counts.waiting = said.waiting;
    const auto risen = [](std::uint64_t now, std::uint64_t before) {
        return now > before ? now - before : 0;
    };
    counts.pairs_dropped += risen(said.pairs_dropped, connection.counts.pairs_dropped);
    counts.fields_dropped += risen(said.fields_dropped, connection.counts.fields_dropped);
    connection.counts = said;
}

void EngineClient::Impl::deliver(Connection& connection, ChannelFrame frame) {
    EngineMessage message{std::move(frame.head), std::move(frame.blob)};
    if (frame.kind == FrameKind::notification) {
        config.on_message(std::move(message));
        return;
    }
    if (frame.kind == FrameKind::request) throw ChannelError("an engine makes no requests");
    if (message.head["type"] == ping_type) {
        answered(connection, message.head);
        return;
    }
    const nlohmann::json& id = message.head["id"];
    const std::lock_guard lock(mutex);
    const auto waiting =
        id.is_number_unsigned() ? pending.find(id.get<std::uint64_t>()) : pending.end();
    if (waiting == pending.end()) return;  // its deadline has passed
    waiting->second = std::move(message);
    changed.notify_all();
}

EngineClient::EngineClient(EngineConfig config)
    : impl_(std::make_unique<Impl>(std::move(config))) {}

EngineClient::~EngineClient() { stop(); }

void EngineClient::start() {
    if (impl_->thread.joinable() || impl_->config.engine == "off") return;
    impl_->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    impl_->stopping = false;
    impl_->attempted = false;
    impl_->thread = std::thread([this] { impl_->run(); });
    std::unique_lock lock(impl_->mutex);
    impl_->changed.wait(lock, [this] { return impl_->attempted; });
}

void EngineClient::stop() {
    if (!impl_->thread.joinable()) return;
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->stopping = true;
        impl_->pending.clear();
        impl_->changed.notify_all();
    }
    impl_->wake();
    impl_->thread.join();
    close(impl_->wake_fd);
    impl_->wake_fd = -1;
}

bool EngineClient::connected() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->connected;
}

bool EngineClient::ready() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->ready;
}

unsigned EngineClient::restarts() const { return impl_->restarts; }

std::uint64_t EngineClient::dropped() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->dropped;
}

std::uint64_t EngineClient::lost() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->outgoing.lost();
}

EngineCounts EngineClient::counts() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->counts;
}

bool EngineClient::notify(const nlohmann::json& head, std::span<const std::uint8_t> blob,
                          Delivery delivery) {
    std::vector<std::uint8_t> frame = write_frame(FrameKind::notification, head, blob);
    const std::lock_guard lock(impl_->mutex);
    return impl_->enqueue(std::move(frame), delivery);
}

std::optional<EngineMessage> EngineClient::request(nlohmann::json head,
                                                   std::span<const std::uint8_t> blob,
                                                   std::chrono::milliseconds timeout) {
    const auto deadline = Clock::now() + timeout;
    std::uint64_t id = 0;
    {
        const std::lock_guard lock(impl_->mutex);
        id = impl_->next_id++;
    }
    head["id"] = id;
    std::vector<std::uint8_t> frame = write_frame(FrameKind::request, head, blob);
    std::unique_lock lock(impl_->mutex);
    if (impl_->stopping || !impl_->enqueue(std::move(frame))) return std::nullopt;
    impl_->pending[id] = std::nullopt;
    const auto over = [this, id] {
        const auto at = impl_->pending.find(id);
        return at == impl_->pending.end() || at->second.has_value();
    };
    impl_->changed.wait_until(lock, deadline, over);
    const auto at = impl_->pending.find(id);
    if (at == impl_->pending.end()) return std::nullopt;  // lost or stopped meanwhile
    std::optional<EngineMessage> response = std::move(at->second);
    impl_->pending.erase(at);
    return response;
}

}  // namespace livesr::gst
