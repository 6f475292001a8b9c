// Starting and ending the engine's process. See engine_process.h.
#include "gst/engine/engine_process.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <thread>

namespace livesr::gst {

namespace {

namespace fs = std::filesystem;

constexpr int child_channel_fd = 3;
constexpr int exec_failed = 127;

// An address in this object file, for dladdr.
const int here = 0;

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value ? value : "";
}

bool executable(const fs::path& path) {
    std::error_code error;
    return fs::is_regular_file(path, error) && access(path.c_str(), X_OK) == 0;
}

std::string find_node() {
    if (const std::string chosen = environment("LIVESR_NODE"); !chosen.empty()) {
        if (executable(chosen)) return chosen;
        throw EngineProcessError("LIVESR_NODE is " + chosen +
                                 ", which is not a program: set it to node's path, or unset it");
    }
    std::istringstream folders(environment("PATH"));
    for (std::string folder; std::getline(folders, folder, ':');) {
        const fs::path candidate = fs::path(folder.empty() ? "." : folder) / "node";
        if (executable(candidate)) return candidate;
    }
    throw EngineProcessError(
        "no node on PATH: install Node.js 20.19 or newer, or set LIVESR_NODE to its path");
}

std::string find_script() {
    std::error_code error;
    if (const std::string chosen = environment("LIVESR_ENGINE"); !chosen.empty()) {
        if (fs::is_regular_file(chosen, error)) return chosen;
        throw EngineProcessError("LIVESR_ENGINE is " + chosen +
                                 ", which is not a file: set it to engine.mjs, or unset it");
    }
    Dl_info info;
    if (dladdr(&here, &info) == 0 || !info.dli_fname) {
        throw EngineProcessError(
            "the plugin's folder is unknown: set LIVESR_ENGINE to the path of engine.mjs");
    }
    const fs::path folder = fs::weakly_canonical(info.dli_fname, error).parent_path();
    const fs::path script = folder.parent_path() / "elements" / "engine.mjs";
    if (fs::is_regular_file(script, error)) return script;
    throw EngineProcessError("there is no " + script.string() +
                             ": run `npm run build`, or set LIVESR_ENGINE to engine.mjs");
}

std::string how_it_ended(int status) {
    if (WIFEXITED(status)) {
        if (WEXITSTATUS(status) == exec_failed) return "could not be executed";
        return "exited with status " + std::to_string(WEXITSTATUS(status));
    }
    return std::string("was killed by signal ") + std::to_string(WTERMSIG(status)) + " (" +
           strsignal(WTERMSIG(status)) + ")";
}

void set_non_blocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

// Runs in the child between fork and exec: system calls only, since other threads of the parent may
// have held any lock. Descriptors are out of the way (10 and up) before the low ones are set.
[[noreturn]] void become_engine(const EngineCommand& command, int channel, int log, pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(exec_failed);  // it died before the line above
    const int channel_high = fcntl(channel, F_DUPFD, 10);
    const int log_high = fcntl(log, F_DUPFD, 10);
    const int null_high = fcntl(open("/dev/null", O_RDONLY), F_DUPFD, 10);
    dup2(null_high, STDIN_FILENO);
    dup2(log_high, STDOUT_FILENO);
    dup2(log_high, STDERR_FILENO);
    dup2(channel_high, child_channel_fd);
    // The streams' own sockets and files are none of the engine's business.
    close_range(child_channel_fd + 1, ~0U, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    signal(SIGPIPE, SIG_DFL);
    const std::array<const char*, 5> arguments{command.node.c_str(), command.script.c_str(), "--fd",
                                               "3", nullptr};
    execv(arguments[0], const_cast<char* const*>(arguments.data()));
    _exit(exec_failed);
}

}  // namespace

EngineCommand find_engine() { return {find_node(), find_script()}; }

EngineProcess::EngineProcess(const EngineCommand& command) {
    std::array<int, 2> channel{-1, -1};
    std::array<int, 2> log{-1, -1};
    const bool made = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel.data()) == 0 &&
                      pipe2(log.data(), O_CLOEXEC) == 0;
    const pid_t parent = getpid();
    if (made) pid_ = fork();
    if (pid_ == 0) become_engine(command, channel[1], log[1], parent);
    const int problem = errno;
    for (const int fd : {channel[1], log[1]}) {
        if (fd >= 0) close(fd);
    }
    channel_ = channel[0];
    log_ = log[0];
    if (pid_ < 0) {
        close_channel();
        if (log_ >= 0) close(log_);
        throw EngineProcessError(std::string("the system gave no process for the engine: ") +
                                 std::strerror(problem));
    }
    set_non_blocking(channel_);
    set_non_blocking(log_);
}

EngineProcess::~EngineProcess() {
    end(std::chrono::milliseconds(0));
    if (log_ >= 0) close(log_);
}

void EngineProcess::close_channel() {
    if (channel_ >= 0) close(channel_);
    channel_ = -1;
}

std::string EngineProcess::end(std::chrono::milliseconds grace) {
    if (pid_ < 0) return ended_;
    close_channel();
    const auto deadline = std::chrono::steady_clock::now() + grace;
    bool killed = false;
    for (;;) {
        int status = 0;
        const pid_t reaped = waitpid(pid_, &status, killed ? 0 : WNOHANG);
        if (reaped == pid_) {
            ended_ = how_it_ended(status);
            break;
        }
        if (reaped < 0 && errno != EINTR) {
            ended_ = "ended";  // the host program reaps children by itself
            break;
        }
        if (killed) continue;
        if (std::chrono::steady_clock::now() >= deadline) {
            kill(pid_, SIGKILL);
            killed = true;
        } else {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    }
    pid_ = -1;
    return ended_;
}

}  // namespace livesr::gst
