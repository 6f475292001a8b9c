// What simulated senders give out in any second; no clock. And what is in packets.
#include "gst/sender/wire_limit.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <iterator>
#include <random>
#include <vector>

#include "gst/sender/wire_content.h"

namespace livesr::gst {
namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr std::size_t packet_bytes = 1316;

struct Sent {
    std::uint64_t at_ns;
    std::size_t bytes;
};

std::size_t max_in_a_second(const std::vector<Sent>& all) {
    std::deque<Sent> window;
    std::size_t bytes = 0;
    std::size_t most = 0;
    for (const Sent& sent : all) {
        window.push_back(sent);
        bytes += sent.bytes;
        while (window.front().at_ns + 1000 * ms <= sent.at_ns) {
            bytes -= window.front().bytes;
            window.pop_front();
        }
        most = std::max(most, bytes);
    }
    return most;
}

// All at once, as fast as it is let: how much goes in `seconds`, and the most in any of them.
std::vector<Sent> flood(WireLimit& limit, std::size_t media_bytes, std::uint64_t seconds) {
    std::vector<Sent> all;
    std::uint64_t now = 0;
    while (now < seconds * 1000 * ms) {
        if (const std::uint64_t wait = limit.wait_ns(now, packet_bytes, media_bytes)) {
            now += wait;
            continue;
        }
        limit.sent(now, packet_bytes, media_bytes);
        all.push_back({now, packet_bytes});
        now += 10'000;
    }
    return all;
}

}  // namespace

TEST_CASE("a backlog goes out at a tenth above the cap in any second, and not slower") {
    WireLimit limit;
    limit.set_cap(1'500'000);
    const auto all = flood(limit, 1250, 10);
    CHECK(max_in_a_second(all) * 8 <= 1'650'000);
    std::size_t bytes = 0;
    for (const Sent& sent : all) bytes += sent.bytes;
    CHECK(bytes * 8 > 9.8 * 1'600'000);
}

TEST_CASE("what the transport needs on top is not held against video that keeps to the cap") {
    WireLimit limit;
    limit.set_cap(300'000);
    // Half of it is sound and tables.
    std::uint64_t longest = 0;
    for (std::uint64_t now = 0; now < 20'000 * ms; now += 17'600'000) {
        longest = std::max(longest, limit.wait_ns(now, packet_bytes, packet_bytes / 2));
        limit.sent(now, packet_bytes, packet_bytes / 2);
    }
    CHECK(longest == 0);
}

TEST_CASE("bursts of any shape keep to the limit, whatever the timers make of a wait") {
    std::mt19937 random(3);
    WireLimit limit;
    limit.set_cap(800'000);
    std::vector<Sent> all;
    std::uint64_t now = 0;
    for (int i = 0; i < 20'000; ++i) {
        const std::size_t bytes = 188 * (1 + random() % 7);
        if (const std::uint64_t wait = limit.wait_ns(now, bytes, bytes)) {
            now += wait + random() % ms;
            --i;
            continue;
        }
        limit.sent(now, bytes, bytes);
        all.push_back({now, bytes});
        if (random() % 50 == 0) now += random() % (500 * ms);
    }
    CHECK(max_in_a_second(all) * 8 <= 880'000);
}

TEST_CASE(
    "without a cap nothing waits, and a packet above the cap goes after a second of nothing") {
    WireLimit limit;
    CHECK(limit.wait_ns(0, 1'000'000, 1'000'000) == 0);
    limit.set_cap(1000);
    CHECK(limit.wait_ns(0, 1316, 1316) == 0);
    limit.sent(0, 1316, 1316);
    CHECK(limit.wait_ns(5 * ms, 1316, 1316) == 1005 * ms);
    CHECK(limit.wait_ns(1010 * ms, 1316, 1316) == 0);
}

TEST_CASE("packets of MPEG-TS tell video and patches from the rest, and where a key frame begins") {
    const auto packet = [](std::uint16_t pid, bool starts, std::uint8_t stream, bool is_key) {
        std::vector<std::uint8_t> bytes(188, 0xff);
        bytes[0] = 0x47;
        bytes[1] = static_cast<std::uint8_t>((starts ? 0x40 : 0) | pid >> 8);
        bytes[2] = static_cast<std::uint8_t>(pid);
        bytes[3] = 0x30;
        bytes[4] = 7;  // adaptation field
        bytes[5] = is_key ? 0x50 : 0x10;
        if (starts) {
            const std::uint8_t head[] = {0, 0, 1, stream};
            std::copy(std::begin(head), std::end(head), bytes.begin() + 12);
        }
        return bytes;
    };
    WireReader reader;
    CHECK(reader.read_ts(packet(0x41, false, 0, false)).media_bytes == 0);
    const WireContent key = reader.read_ts(packet(0x41, true, 0xe0, true));
    CHECK(key.has_key);
    CHECK(key.pictures == 1);
    CHECK(key.media_bytes == 176);
    const WireContent rest = reader.read_ts(packet(0x41, false, 0, false));
    CHECK_FALSE(rest.has_key);
    CHECK(rest.pictures == 0);
    CHECK(rest.media_bytes == 176);
    CHECK_FALSE(reader.read_ts(packet(0x41, true, 0xe0, false)).has_key);
    // Patches and sound; the latter may be decoded from anywhere, which says nothing of pictures.
    CHECK(reader.read_ts(packet(0x42, true, 0xfc, false)).media_bytes == 176);
    const WireContent sound = reader.read_ts(packet(0x43, true, 0xc0, true));
    CHECK(sound.media_bytes == 0);
    CHECK_FALSE(sound.has_key);
    CHECK(reader.read_ts(packet(0, true, 0, false)).media_bytes == 0);
    // An adaptation field that is longer than its packet.
    auto broken = packet(0x41, true, 0xe0, true);
    broken[4] = 255;
    CHECK(reader.read_ts(broken).media_bytes == 0);
}

}  // namespace livesr::gst
