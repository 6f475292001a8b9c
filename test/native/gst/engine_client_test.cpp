// The engine client against real child processes: delivery, requests, death, rebirth, bad conduct.
#include "gst/engine/engine_client.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <thread>

#include "test_engine.h"

using livesr::gst::Delivery;
using livesr::gst::EngineClient;
using livesr::gst::EngineConfig;
using livesr::gst::EngineMessage;
using livesr::gst::EngineState;
using livesr::gst::HeartbeatBounds;
using livesr::test::Environment;
using livesr::test::TestEngine;
using nlohmann::json;
using namespace std::chrono_literals;

namespace {

constexpr auto plenty = 20s;  // for whatever is expected to happen; failing is what takes this long

const char* const echo = R"js(
function on(kind, head, blob) {
  if (head.type === 'test.start') { send(1, { type: 'test.hello', pid: process.pid, start: head }); return; }
  if (head.type === 'exit') process.exit(3);
  if (head.type === 'throw') throw new Error('out of ideas');
  if (head.type === 'garbage') { raw(Buffer.from('HTTP/1.1 400 Bad Request')); return; }
  if (head.type === 'ask') { send(2, { type: 'ask', id: 1 }); return; }
  if (head.type === 'mute') return;
  if (kind === 1) send(1, { type: 'test.echo', head }, blob);
  if (kind === 2) {
    for (let i = 0; i < 3; i++) send(1, { type: 'test.before', id: head.id, i });
    send(3, { type: head.type, id: head.id, sum: blob.reduce((a, b) => a + b, 0) });
  }
}
)js";

// A client with everything it reports written down.
struct Watched {
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<EngineMessage> messages;
    std::vector<std::pair<EngineState, std::string>> states;
    std::function<void(const EngineMessage&)> also;
    int hellos = 0;
    EngineClient client;

    explicit Watched(const std::string& engine = "auto", const HeartbeatBounds& bounds = {})
        : client(EngineConfig{
              engine,
              [this] {
                  const std::lock_guard lock(mutex);
                  return EngineMessage{{{"type", "test.start"}, {"hello", ++hellos}}, {1, 2, 3}};
              },
              [this](EngineMessage message) {
                  if (also) also(message);
                  const std::lock_guard lock(mutex);
                  messages.push_back(std::move(message));
                  changed.notify_all();
              },
              [this](EngineState state, const std::string& why) {
                  const std::lock_guard lock(mutex);
                  states.emplace_back(state, why);
                  changed.notify_all();
              },
              bounds,
          }) {}
    ~Watched() { client.stop(); }

    template <typename Condition>
    bool wait(Condition condition) {
        std::unique_lock lock(mutex);
        return changed.wait_for(lock, plenty, condition);
    }
    std::size_t count(const std::string& type) const {
        std::size_t n = 0;
        for (const EngineMessage& m : messages) n += m.head["type"] == type ? 1 : 0;
        return n;
    }
    std::size_t count_states(EngineState state) const {
        std::size_t n = 0;
        for (const auto& reported : states) n += reported.first == state ? 1 : 0;
        return n;
    }
    bool wait_for_state(EngineState state, std::size_t n = 1) {
        return wait([&] { return count_states(state) >= n; });
    }
    bool wait_for(const std::string& type, std::size_t n = 1) {
        return wait([&] { return count(type) >= n; });
    }
    bool wait_for_lost() {
        return wait([&] { return count_states(EngineState::lost) > 0; });
    }
    pid_t last_pid() {
        const std::lock_guard lock(mutex);
        for (auto m = messages.rbegin(); m != messages.rend(); ++m) {
            if (m->head["type"] == "test.hello") return m->head["pid"].get<pid_t>();
        }
        return -1;
    }
    std::string why() {
        const std::lock_guard lock(mutex);
        for (auto s = states.rbegin(); s != states.rend(); ++s) {
            if (s->first == EngineState::lost) return s->second;
        }
        return "";
    }
};

}  // namespace

TEST_CASE("engine client: the hello comes first, then what is sent, blobs intact") {
    const TestEngine engine(echo);
    Watched watched;
    watched.client.start();
    CHECK(watched.client.connected());
    std::vector<std::uint8_t> blob(300'000);
    for (std::size_t i = 0; i < blob.size(); ++i) blob[i] = static_cast<std::uint8_t>(i * 7);
    CHECK(watched.client.notify({{"type", "big"}, {"n", 5}}, blob));
    REQUIRE(watched.wait_for("test.echo"));
    const std::lock_guard lock(watched.mutex);
    CHECK(watched.messages[0].head["type"] == "test.hello");
    CHECK(watched.messages[0].head["start"]["hello"] == 1);
    CHECK(watched.messages[1].head["head"] == json{{"type", "big"}, {"n", 5}});
    CHECK(watched.messages[1].blob == blob);
}

TEST_CASE("engine client: a request returns its response after what came before it was delivered") {
    const TestEngine engine(echo);
    Watched watched;
    watched.client.start();
    for (std::size_t round = 1; round <= 20; ++round) {
        const std::vector<std::uint8_t> blob{1, 2, static_cast<std::uint8_t>(round)};
        const auto response = watched.client.request({{"type", "work"}}, blob, plenty);
        REQUIRE(response);
        CHECK(response->head["sum"] == 3 + round);
        const std::lock_guard lock(watched.mutex);
        CHECK(watched.count("test.before") == 3 * round);
    }
}

TEST_CASE("engine client: requests from several threads get their own responses") {
    const TestEngine engine(echo);
    Watched watched;
    watched.client.start();
    std::vector<std::thread> threads;
    std::atomic<int> right{0};
    for (unsigned t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (unsigned i = 0; i < 25; ++i) {
                const std::vector<std::uint8_t> blob(1, static_cast<std::uint8_t>(t * 25 + i));
                const auto response = watched.client.request({{"type", "work"}}, blob, plenty);
                if (response && response->head["sum"] == t * 25 + i) ++right;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(right == 100);
}

TEST_CASE("engine client: a request that is not answered ends at its deadline") {
    const TestEngine engine(echo);
    Watched watched;
    watched.client.start();
    CHECK_FALSE(watched.client.request({{"type", "mute"}}, {}, 50ms));
    CHECK(watched.client.request({{"type", "work"}}, {}, plenty));
}

TEST_CASE("engine client: a message handler may send without a deadlock") {
    const TestEngine engine(echo);
    Watched watched;
    int left = 50;
    watched.also = [&](const EngineMessage&) {
        if (left-- > 0) watched.client.notify({{"type", "again"}});
    };
    watched.client.start();
    CHECK(watched.wait_for("test.echo", 50));
}

TEST_CASE("engine client: a killed engine is started again and gets a new hello") {
    const TestEngine engine(echo);
    Watched watched;
    watched.client.start();
    REQUIRE(watched.wait_for("test.hello"));
    const pid_t first = watched.last_pid();
    kill(first, SIGKILL);
    REQUIRE(watched.wait_for("test.hello", 2));
    CHECK(watched.last_pid() != first);
    CHECK(watched.client.restarts() == 1);
    CHECK(watched.why().find("killed by signal 9") != std::string::npos);
    CHECK(watched.client.request({{"type", "work"}}, {}, plenty));
    const std::lock_guard lock(watched.mutex);
    CHECK(watched.messages.back().head["type"] == "test.before");
    CHECK(watched.hellos == 2);
}

TEST_CASE("engine client: a request is let go when the engine dies under it") {
    const TestEngine engine(echo);
    Watched watched;
    watched.client.start();
    CHECK_FALSE(watched.client.request({{"type", "exit"}}, {}, plenty));
    REQUIRE(watched.wait_for_lost());
    CHECK(watched.why().find("exited with status 3") != std::string::npos);
}

TEST_CASE("engine client: why an engine died is told in its own words") {
    const TestEngine engine(echo);
    Watched watched;
    watched.client.start();
    watched.client.notify({{"type", "throw"}});
    REQUIRE(watched.wait_for_lost());
    CHECK(watched.why().find("Error: out of ideas") != std::string::npos);
}

TEST_CASE("engine client: an engine that breaks the channel's rules is replaced") {
    const TestEngine engine(echo);
    Watched watched;
    watched.client.start();
    SUBCASE("bytes that are no frames") { watched.client.notify({{"type", "garbage"}}); }
    SUBCASE("a request") { watched.client.notify({{"type", "ask"}}); }
    REQUIRE(watched.wait_for_lost());
    CHECK(watched.why().find("broke the channel's rules") != std::string::npos);
    CHECK(watched.wait_for("test.hello", 2));
}

TEST_CASE("engine client: a message that its handler refuses replaces the engine") {
    const TestEngine engine(echo);
    Watched watched;
    watched.also = [](const EngineMessage& message) {
        if (message.head["type"] == "test.echo")
            throw std::runtime_error("plan.set without a rate");
    };
    watched.client.start();
    watched.client.notify({{"type", "x"}});
    REQUIRE(watched.wait_for_lost());
    CHECK(watched.why() == "plan.set without a rate");
}

TEST_CASE("engine client: an engine that does not start is reported once, with a remedy") {
    Watched watched;
    SUBCASE("no node") {
        const TestEngine engine(echo);
        const Environment path("PATH", engine.folder().string());
        watched.client.start();
        REQUIRE(watched.wait_for_lost());
        std::this_thread::sleep_for(1s);  // two more attempts
        CHECK(watched.why().find("install Node.js") != std::string::npos);
    }
    SUBCASE("LIVESR_NODE that is no program") {
        const TestEngine engine(echo);
        const Environment node("LIVESR_NODE", engine.script().string());
        watched.client.start();
        REQUIRE(watched.wait_for_lost());
        std::this_thread::sleep_for(1s);
        CHECK(watched.why().find("LIVESR_NODE") != std::string::npos);
    }
    SUBCASE("no script") {
        const Environment script("LIVESR_ENGINE", "/nowhere/engine.mjs");
        watched.client.start();
        REQUIRE(watched.wait_for_lost());
        std::this_thread::sleep_for(1s);
        CHECK(watched.why().find("LIVESR_ENGINE is /nowhere/engine.mjs") != std::string::npos);
    }
    SUBCASE("no script beside the plugin") {
        watched.client.start();
        REQUIRE(watched.wait_for_lost());
        std::this_thread::sleep_for(1s);
        CHECK(watched.why().find("npm run build") != std::string::npos);
    }
    CHECK_FALSE(watched.client.connected());
    CHECK_FALSE(watched.client.notify({{"type", "x"}}));
    CHECK(watched.client.dropped() == 1);
    CHECK_FALSE(watched.client.request({{"type", "x"}}, {}, plenty));
    const std::lock_guard lock(watched.mutex);
    CHECK(watched.states.size() == 1);
    CHECK(watched.hellos == 0);
}

TEST_CASE("engine client: off means no engine and no complaint") {
    Watched watched("off");
    watched.client.start();
    CHECK_FALSE(watched.client.connected());
    CHECK(watched.states.empty());
}

TEST_CASE("engine client: it joins a running engine by socket, and joins again") {
    const TestEngine engine(echo);
    const std::string socket = (engine.folder() / "socket").string();
    Watched watched("unix:" + socket);
    watched.client.start();
    REQUIRE(watched.wait_for_lost());
    CHECK(watched.why().find(socket) != std::string::npos);
    // An engine of another program, here one that we start by hand.
    const auto start = [&] {
        const pid_t pid = fork();
        if (pid == 0) {
            execlp("node", "node", engine.script().c_str(), "--listen", socket.c_str(), nullptr);
            _exit(127);
        }
        return pid;
    };
    pid_t pid = start();
    REQUIRE(watched.wait_for("test.hello"));
    CHECK(watched.client.request({{"type", "work"}}, {}, plenty));
    kill(pid, SIGKILL);
    REQUIRE(watched.wait_for_lost());
    unlink(socket.c_str());
    pid = start();
    CHECK(watched.wait_for("test.hello", 2));
    kill(pid, SIGKILL);
}

TEST_CASE(
    "engine client: it neither waits nor grows without bound for an engine that reads nothing") {
    const TestEngine engine("function on() {}\nprocess.kill(process.pid, 'SIGSTOP');\n");
    Watched watched;
    watched.client.start();
    const std::vector<std::uint8_t> blob(1 << 20);
    int taken = 0;
    while (taken < 100 && watched.client.notify({{"type", "x"}}, blob)) ++taken;
    CHECK(taken >= 7);
    CHECK(taken < 20);
    CHECK(watched.client.dropped() == 1);
}

TEST_CASE("engine client: what may be lost gives way, the oldest first, and the rest arrives") {
    const TestEngine engine(std::string(echo) + R"js(
import { spawn } from 'node:child_process';
spawn('sh', ['-c', `sleep 1; kill -CONT ${process.pid}`], { stdio: 'ignore' });
process.kill(process.pid, 'SIGSTOP');
)js");
    Watched watched;
    watched.client.start();
    const std::vector<std::uint8_t> blob(1 << 20);
    for (int i = 0; i < 20; ++i) {
        CHECK(watched.client.notify({{"type", "x"}, {"n", i}}, blob, Delivery::can_be_lost));
        CHECK(watched.client.notify({{"type", "tick"}, {"n", i}}));
    }
    CHECK(watched.client.lost() >= 10);
    CHECK(watched.client.dropped() == 0);
    REQUIRE(watched.wait([&] { return watched.count("test.echo") == 40 - watched.client.lost(); }));
    const std::lock_guard lock(watched.mutex);
    std::vector<int> ticks;
    std::vector<int> others;
    for (const EngineMessage& message : watched.messages) {
        if (message.head["type"] != "test.echo") continue;
        const json& head = message.head["head"];
        (head["type"] == "tick" ? ticks : others).push_back(head["n"].get<int>());
    }
    CHECK(ticks.size() == 20);
    CHECK(others.back() == 19);
    CHECK(std::is_sorted(ticks.begin(), ticks.end()));
}

TEST_CASE("engine client: an engine that is stopped is late, then ended and replaced") {
    const TestEngine engine(echo);
    Watched watched("auto", {10s, 3s, 10s});
    watched.client.start();
    REQUIRE(watched.wait_for("test.hello"));
    REQUIRE(watched.wait_for_state(EngineState::ready));
    const pid_t first = watched.last_pid();
    REQUIRE(kill(first, SIGSTOP) == 0);
    REQUIRE(watched.wait_for_state(EngineState::late));
    REQUIRE(watched.wait_for_lost());
    CHECK(watched.why().find("has not answered for 3 s") != std::string::npos);
    CHECK(kill(first, 0) == -1);
    REQUIRE(watched.wait_for("test.hello", 2));
    CHECK(watched.client.counts().unresponsive == 1);
    CHECK(watched.wait_for_state(EngineState::ready, 2));
}

TEST_CASE("engine client: an engine that is late and comes back goes on") {
    const TestEngine engine(echo);
    Watched watched("auto", {10s, 10s, 10s});
    watched.client.start();
    REQUIRE(watched.wait_for("test.hello"));
    REQUIRE(watched.wait_for_state(EngineState::ready));
    REQUIRE(kill(watched.last_pid(), SIGSTOP) == 0);
    REQUIRE(watched.wait_for_state(EngineState::late));
    REQUIRE(kill(watched.last_pid(), SIGCONT) == 0);
    CHECK(watched.wait_for_state(EngineState::ready, 2));
    CHECK(watched.client.counts().unresponsive == 0);
    CHECK(watched.client.restarts() == 0);
}

TEST_CASE("engine client: a node that says nothing is never taken for an engine that is ready") {
    const TestEngine engine(echo);
    const auto node = engine.folder() / "node";
    std::ofstream(node) << "#!/bin/sh\nexec sleep 1000\n";
    std::filesystem::permissions(node, std::filesystem::perms::owner_all);
    const Environment environment("LIVESR_NODE", node.string());
    Watched watched("auto", {1s, 1s, 1s});
    watched.client.start();
    REQUIRE(watched.wait([&] { return watched.count_states(EngineState::lost) >= 2; }));
    CHECK(watched.why().find("said nothing") != std::string::npos);
    CHECK(watched.why().find("LIVESR_NODE") != std::string::npos);
    CHECK(watched.client.counts().unresponsive >= 2);
    const std::lock_guard lock(watched.mutex);
    CHECK(watched.count_states(EngineState::ready) == 0);
}

TEST_CASE("engine client: an engine that answers, but whose session stands still, is replaced") {
    const TestEngine engine(std::string(echo) +
                            "progress.waiting = 1;\nprogress.pairsDropped = 7;\n");
    Watched watched("auto", {10s, 10s, 2s});
    watched.client.start();
    REQUIRE(watched.wait_for_lost());
    CHECK(watched.why().find("finished none of its work") != std::string::npos);
    CHECK(watched.client.counts().unresponsive == 1);
    CHECK(watched.client.counts().pairs_dropped == 7);
    CHECK(watched.client.counts().waiting == 1);
}

TEST_CASE("engine client: a joined engine that does not answer is left and joined again") {
    const TestEngine engine("isSilent = true;\nfunction on() {}\n");
    const std::string socket = (engine.folder() / "socket").string();
    const pid_t pid = fork();
    if (pid == 0) {
        execlp("node", "node", engine.script().c_str(), "--listen", socket.c_str(), nullptr);
        _exit(127);
    }
    Watched watched("unix:" + socket, {1s, 1s, 1s});
    watched.client.start();
    CHECK(watched.wait([&] { return watched.client.counts().unresponsive >= 2; }));
    CHECK(watched.why().find("joined again") != std::string::npos);
    CHECK(kill(pid, SIGKILL) == 0);
}

TEST_CASE("engine client: the engine leaves when the client stops, and comes back when it starts") {
    const TestEngine engine(echo);
    Watched watched;
    for (std::size_t round = 1; round <= 3; ++round) {
        watched.client.start();
        REQUIRE(watched.wait_for("test.hello", round));
        const pid_t pid = watched.last_pid();
        watched.client.stop();
        CHECK(kill(pid, 0) == -1);
        CHECK_FALSE(watched.client.connected());
    }
}

TEST_CASE(
    "engine client: the engine has descriptors 0 to 3 of ours and no more, and our priority") {
    const TestEngine engine(R"js(
import fs from 'node:fs';
import os from 'node:os';
function on(kind, head) {
  const targets = fs.readdirSync('/proc/self/fd').map((fd) => {
    try { return fs.readlinkSync('/proc/self/fd/' + fd); } catch { return ''; }
  });
  send(1, { type: 'test.hello', pid: process.pid, leaked: targets.includes(head.secret), nice: os.getPriority() });
}
)js");
    const auto secret = engine.folder() / "secret";
    std::ofstream held(secret);  // its descriptor is not close-on-exec
    EngineMessage got;
    std::mutex mutex;
    std::condition_variable changed;
    EngineClient client(
        {"auto",
         [&] {
             return EngineMessage{{{"type", "test.start"}, {"secret", secret.string()}}, {}};
         },
         [&](EngineMessage message) {
             const std::lock_guard lock(mutex);
             got = std::move(message);
             changed.notify_all();
         },
         {},
         {}});
    client.start();
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, plenty, [&] { return got.head.is_object(); }));
    CHECK(got.head["leaked"] == false);
    // It gives way to the frames by itself, once it has something to train.
    CHECK(got.head["nice"].get<int>() == getpriority(PRIO_PROCESS, 0));
}

TEST_CASE("engine client: what the property takes is checked") {
    CHECK(livesr::gst::describe_engine_problem("auto").empty());
    CHECK(livesr::gst::describe_engine_problem("off").empty());
    CHECK(livesr::gst::describe_engine_problem("unix:/run/x").empty());
    CHECK_FALSE(livesr::gst::describe_engine_problem("unix:").empty());
    CHECK_FALSE(livesr::gst::describe_engine_problem("on").empty());
}
