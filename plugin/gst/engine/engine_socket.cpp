// See engine_socket.h.
#include "gst/engine/engine_socket.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "gst/engine/engine_process.h"

namespace livesr::gst {

namespace {

// An engine gets tokens and decides what the picture is made with: another user's is none of ours.
std::string describe_stranger(int fd, const std::string& path) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return "who listens at " + path + " is unknown: " + std::strerror(errno);
    }
    if (peer.uid == geteuid() || peer.uid == 0) return "";
    return "the engine at " + path + " is run by another user (uid " + std::to_string(peer.uid) +
           "): start one as this user, or use engine=auto";
}

}  // namespace

int connect_engine_socket(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        throw EngineProcessError("the socket path " + path +
                                 " is too long: use one below 108 bytes");
    }
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    std::string why;
    if (fd >= 0 && ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
        why = describe_stranger(fd, path);
        if (why.empty()) return fd;
    } else {
        why = "no engine at " + path + " (" + std::strerror(errno) +
              "): start one with `node engine.mjs --listen " + path + "`, or use engine=auto";
    }
    if (fd >= 0) close(fd);
    throw EngineProcessError(why);
}

}  // namespace livesr::gst
