// See test_engine.h.
#include "test_engine.h"

#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace livesr::test {

namespace {

const char* const channel_script = R"js(
import net from 'node:net';
import process from 'node:process';
const listen = process.argv.indexOf('--listen');
let socket;
function raw(bytes) { socket.write(bytes); }
function send(kind, head, blob = Buffer.alloc(0)) {
  const text = Buffer.from(JSON.stringify(head));
  const start = Buffer.alloc(12);
  start.writeUInt32LE(8 + text.length + blob.length, 0);
  start[4] = kind;
  start[5] = 1;
  start.writeUInt32LE(text.length, 8);
  raw(Buffer.concat([start, text, blob]));
}
// A session that gets on, unless the test says otherwise.
let progress = { handled: 0, waiting: 0, pairsDropped: 0, fieldsDropped: 0 };
let isSilent = false;
function pong(id) {
  if (!isSilent) send(3, { type: 'engine.ping', id, ...progress });
}
function attach(stream) {
  socket = stream;
  let held = Buffer.alloc(0);
  stream.on('data', (bytes) => {
    held = Buffer.concat([held, bytes]);
    while (held.length >= 4 && held.length >= 4 + held.readUInt32LE(0)) {
      const length = held.readUInt32LE(0);
      const headLength = held.readUInt32LE(8);
      const head = JSON.parse(held.subarray(12, 12 + headLength).toString());
      const blob = held.subarray(12 + headLength, 4 + length);
      const kind = held[4];
      held = held.subarray(4 + length);
      if (kind === 2 && head.type === 'engine.ping') pong(head.id);
      else on(kind, head, blob);
    }
  });
  stream.on('end', () => { if (listen < 0) process.exit(0); });
  stream.on('error', () => { if (listen < 0) process.exit(0); });
}
if (listen < 0) attach(new net.Socket({ fd: 3 }));
else net.createServer(attach).listen(process.argv[listen + 1]);
)js";

}  // namespace

TestEngine::TestEngine(const std::string& body) {
    std::string name = (std::filesystem::temp_directory_path() / "livesr-test-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
    folder_ = name;
    std::ofstream(script()) << channel_script << body;
    setenv("LIVESR_ENGINE", script().c_str(), 1);
}

TestEngine::~TestEngine() {
    unsetenv("LIVESR_ENGINE");
    std::error_code error;
    std::filesystem::remove_all(folder_, error);
}

Environment::Environment(std::string name, const std::string& value) : name_(std::move(name)) {
    const char* before = std::getenv(name_.c_str());
    was_set_ = before != nullptr;
    if (before) before_ = before;
    setenv(name_.c_str(), value.c_str(), 1);
}

Environment::~Environment() {
    if (was_set_) {
        setenv(name_.c_str(), before_.c_str(), 1);
    } else {
        unsetenv(name_.c_str());
    }
}

}  // namespace livesr::test
