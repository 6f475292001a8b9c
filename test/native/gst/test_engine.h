// Small engines written in JavaScript for tests: the real channel, a real child process, conduct
// that each test chooses.
#pragma once

#include <filesystem>
#include <string>

namespace livesr::test {

// Writes an engine into a folder of its own and makes it the one that "auto" starts, until
// destroyed. `body` may use: on(kind, head, blob), which it should define and which is called for
// each frame but pings; send(kind, head, blob); raw(bytes); kinds as in the protocol (1
// notification, 2 request, 3 response). Pings are answered with `progress`, unless `isSilent`.
class TestEngine {
  public:
    explicit TestEngine(const std::string& body);
    ~TestEngine();
    TestEngine(const TestEngine&) = delete;
    TestEngine& operator=(const TestEngine&) = delete;

    const std::filesystem::path& folder() const { return folder_; }
    std::filesystem::path script() const { return folder_ / "engine.mjs"; }

  private:
    std::filesystem::path folder_;
};

// Sets an environment variable until destroyed.
class Environment {
  public:
    Environment(std::string name, const std::string& value);
    ~Environment();
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;

  private:
    std::string name_;
    std::string before_;
    bool was_set_;
};

}  // namespace livesr::test
