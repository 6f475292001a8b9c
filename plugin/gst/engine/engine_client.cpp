// The element's side of the channel: one thread that connects, polls, hands messages over, and
// connects again. See engine_client.h.
//
// Locks: Impl::mutex guards what streaming threads and the I/O thread share; it is never held while
// a callback of the element runs, so callbacks may call notify() and take the element's own locks.
#include "gst/engine/engine_client.h"

#include <gst/gst.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "gst/engine/channel.h"
#include "gst/engine/engine_process.h"

GST_DEBUG_CATEGORY_STATIC(livesr_engine_debug);
#define GST_CAT_DEFAULT livesr_engine_debug

namespace livesr::gst {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// docs/protocol.md
constexpr auto first_delay = 250ms;
constexpr auto longest_delay = 8s;
constexpr auto held_long_enough = 10s;
constexpr std::size_t max_queued_bytes = std::size_t{8} << 20;

// An engine that is told to stop may have something to save; one that broke a rule may not.
constexpr auto stop_grace = 1s;
constexpr auto lost_grace = 200ms;

const std::string unix_prefix = "unix:";

void init_debug_category() {
    static std::once_flag once;
    std::call_once(once, [] {
        GST_DEBUG_CATEGORY_INIT(livesr_engine_debug, "livesr-engine", 0,
                                "The engine's log and the channel to it");
    });
}

int connect_unix(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        throw EngineProcessError("the socket path " + path +
                                 " is too long: use one below 108 bytes");
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
        return fd;
    }
    const std::string why = std::strerror(errno);
    if (fd >= 0) close(fd);
    throw EngineProcessError("no engine at " + path + " (" + why +
                             "): start one with `node "
                             "engine.mjs --listen " +
                             path + "`, or use engine=auto");
}

}  // namespace

std::string describe_engine_problem(const std::string& engine) {
    if (engine == "auto" || engine == "off") return "";
    if (engine.starts_with(unix_prefix) && engine.size() > unix_prefix.size()) return "";
    return "engine is \"" + engine + "\": use auto, off or unix:PATH";
}

struct EngineClient::Impl {
    explicit Impl(EngineConfig c) : config(std::move(c)) {}

    // A connection, owned by the I/O thread.
    struct Connection {
        std::unique_ptr<EngineProcess> process;  // null when joined by socket
        int joined = -1;
        FrameReader reader;
        std::size_t sent = 0;   // of outgoing.front()
        std::string log_line;   // what the child printed of a line
        std::string complaint;  // its last line, or the last one that speaks of an error
        bool log_open = true;

        ~Connection() {
            if (joined >= 0) close(joined);
        }
        int fd() const { return process ? process->channel() : joined; }
    };

    EngineConfig config;
    std::thread thread;
    int wake_fd = -1;

    mutable std::mutex mutex;
    std::condition_variable changed;  // responses, connection state, first attempt
    bool stopping = false;
    bool attempted = false;
    bool connected = false;
    std::atomic<unsigned> restarts{0};
    std::deque<std::vector<std::uint8_t>> outgoing;
    std::size_t outgoing_bytes = 0;
    std::uint64_t dropped = 0;
    std::uint64_t next_id = 1;
    std::map<std::uint64_t, std::optional<EngineMessage>>
        pending;  // requests without and with answer

    void run();
    std::unique_ptr<Connection> connect();
    std::string serve(Connection& connection);  // until it is lost: why
    void read_channel(Connection& connection);
    void read_log(Connection& connection);
    void write_channel(Connection& connection);
    void deliver(ChannelFrame frame);
    void set_connected(bool value);
    void wait_for(std::chrono::milliseconds time);
    void wake() const;
    bool enqueue(std::vector<std::uint8_t> frame);
    bool is_stopping() const {
        const std::lock_guard lock(mutex);
        return stopping;
    }
    void report(bool up, const std::string& why) const {
        if (config.on_state) config.on_state(up, why);
    }
};

namespace {

// The connection is lost; the message says why.
struct Lost : std::runtime_error {
    using std::runtime_error::runtime_error;
};

}  // namespace

void EngineClient::Impl::wake() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = write(wake_fd, &one, sizeof one);
}

void EngineClient::Impl::set_connected(bool value) {
    const std::lock_guard lock(mutex);
    connected = value;
    attempted = true;
    if (!value) {
        outgoing.clear();
        outgoing_bytes = 0;
        pending.clear();  // whoever waits finds its request gone
    }
    changed.notify_all();
}

void EngineClient::Impl::wait_for(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, time, [this] { return stopping; });
}

bool EngineClient::Impl::enqueue(std::vector<std::uint8_t> frame) {
    if (!connected || outgoing_bytes + frame.size() > max_queued_bytes) {
        ++dropped;
        return false;
    }
    outgoing_bytes += frame.size();
    outgoing.push_back(std::move(frame));
    wake();
    return true;
}

std::unique_ptr<EngineClient::Impl::Connection> EngineClient::Impl::connect() {
    auto connection = std::make_unique<Connection>();
    if (config.engine.starts_with(unix_prefix)) {
        connection->joined = connect_unix(config.engine.substr(unix_prefix.size()));
    } else {
        connection->process = std::make_unique<EngineProcess>(find_engine());
    }
    const EngineMessage hello = config.hello();
    std::vector<std::uint8_t> frame = write_frame(FrameKind::notification, hello.head, hello.blob);
    const std::lock_guard lock(mutex);
    // Not through enqueue(): nothing is connected yet, and a hello may be of any size.
    outgoing_bytes += frame.size();
    outgoing.push_back(std::move(frame));
    return connection;
}

void EngineClient::Impl::run() {
    std::chrono::milliseconds delay = first_delay;
    std::string last_why;
    bool was_connected = false;
    while (!is_stopping()) {
        std::string why;
        bool up = false;
        const auto began = Clock::now();
        try {
            const auto connection = connect();
            if (was_connected) ++restarts;
            was_connected = true;
            set_connected(true);
            up = true;
            GST_INFO("engine connected");
            report(true, "");
            why = serve(*connection);
        } catch (const std::exception& error) {
            why = error.what();
        }
        set_connected(false);
        if (is_stopping()) break;
        if (Clock::now() - began >= held_long_enough) delay = first_delay;
        // The same failure to start, again and again, is told once.
        if (up || why != last_why) {
            GST_WARNING("%s", why.c_str());
            report(false, why);
            last_why = why;
        }
        wait_for(delay);
        delay = std::min<std::chrono::milliseconds>(delay * 2, longest_delay);
    }
}

std::string EngineClient::Impl::serve(Connection& connection) {
    std::string why;
    try {
        for (;;) {
            bool to_write = false;
            {
                const std::lock_guard lock(mutex);
                if (stopping) break;
                to_write = !outgoing.empty();
            }
            std::array<pollfd, 3> polled{{
                {connection.fd(), static_cast<short>(to_write ? POLLIN | POLLOUT : POLLIN), 0},
                {wake_fd, POLLIN, 0},
                {connection.process && connection.log_open ? connection.process->log() : -1, POLLIN,
                 0},
            }};
            if (poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) {
                throw Lost(std::string("poll: ") + std::strerror(errno));
            }
            if (polled[1].revents) {
                std::uint64_t count = 0;
                [[maybe_unused]] const auto got = read(wake_fd, &count, sizeof count);
            }
            if (polled[2].revents) read_log(connection);
            // Reading first: what a dying engine still said counts.
            if (polled[0].revents & (POLLIN | POLLHUP | POLLERR)) read_channel(connection);
            if (polled[0].revents & POLLOUT) write_channel(connection);
        }
    } catch (const ChannelError& error) {
        why = std::string("the engine broke the channel's rules: ") + error.what();
        if (connection.process) connection.process->end(0ms);
    } catch (const Lost& lost) {
        why = lost.what();
        if (connection.process) {
            why = "the engine " + connection.process->end(lost_grace);
            read_log(connection);
            if (!connection.complaint.empty()) why += ": " + connection.complaint;
        }
    }
    if (connection.process) connection.process->end(stop_grace);
    return why;
}

void EngineClient::Impl::read_channel(Connection& connection) {
    std::array<std::uint8_t, 65536> bytes;
    const ssize_t got = recv(connection.fd(), bytes.data(), bytes.size(), 0);
    if (got == 0) throw Lost("the engine closed the channel");
    if (got < 0) {
        if (errno == EAGAIN || errno == EINTR) return;
        throw Lost(std::string("the channel failed: ") + std::strerror(errno));
    }
    connection.reader.feed(std::span(bytes).first(static_cast<std::size_t>(got)));
    while (auto frame = connection.reader.next()) {
        if (is_stopping()) return;
        deliver(std::move(*frame));
    }
}

void EngineClient::Impl::deliver(ChannelFrame frame) {
    EngineMessage message{std::move(frame.head), std::move(frame.blob)};
    if (frame.kind == FrameKind::notification) {
        config.on_message(std::move(message));
        return;
    }
    if (frame.kind == FrameKind::request) throw ChannelError("an engine makes no requests");
    const nlohmann::json& id = message.head["id"];
    const std::lock_guard lock(mutex);
    const auto waiting =
        id.is_number_unsigned() ? pending.find(id.get<std::uint64_t>()) : pending.end();
    if (waiting == pending.end()) return;  // its deadline has passed
    waiting->second = std::move(message);
    changed.notify_all();
}

void EngineClient::Impl::write_channel(Connection& connection) {
    for (;;) {
        const std::vector<std::uint8_t>* frame = nullptr;
        {
            // Elements of a deque stay where they are while others are pushed behind them.
            const std::lock_guard lock(mutex);
            if (outgoing.empty()) return;
            frame = &outgoing.front();
        }
        const ssize_t sent = send(connection.fd(), frame->data() + connection.sent,
                                  frame->size() - connection.sent, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EAGAIN || errno == EINTR) return;
            throw Lost(std::string("the channel failed: ") + std::strerror(errno));
        }
        connection.sent += static_cast<std::size_t>(sent);
        if (connection.sent < frame->size()) return;
        connection.sent = 0;
        const std::lock_guard lock(mutex);
        outgoing_bytes -= frame->size();
        outgoing.pop_front();
    }
}

void EngineClient::Impl::read_log(Connection& connection) {
    std::array<char, 4096> bytes;
    for (;;) {
        const ssize_t got = read(connection.process->log(), bytes.data(), bytes.size());
        if (got == 0) connection.log_open = false;
        if (got <= 0) return;
        for (ssize_t i = 0; i < got; ++i) {
            const char byte = bytes[static_cast<std::size_t>(i)];
            if (byte != '\n' && connection.log_line.size() < 1000) {
                connection.log_line += byte;
                continue;
            }
            const std::string line = std::exchange(connection.log_line, {});
            GST_INFO("engine: %s", line.c_str());
            // Node ends a stack trace with its own version: the line that names the error says
            // more.
            const auto says_error = [](const std::string& text) {
                return text.find("rror") != std::string::npos;
            };
            if (!line.empty() && (says_error(line) || !says_error(connection.complaint))) {
                connection.complaint = line;
            }
        }
    }
}

EngineClient::EngineClient(EngineConfig config) : impl_(std::make_unique<Impl>(std::move(config))) {
    init_debug_category();
}

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

unsigned EngineClient::restarts() const { return impl_->restarts; }

std::uint64_t EngineClient::dropped() const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->dropped;
}

bool EngineClient::notify(const nlohmann::json& head, std::span<const std::uint8_t> blob) {
    std::vector<std::uint8_t> frame = write_frame(FrameKind::notification, head, blob);
    const std::lock_guard lock(impl_->mutex);
    return impl_->enqueue(std::move(frame));
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
