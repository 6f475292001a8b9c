// Budgets and times of patches that come in.
#include "gst/enhancer/patch_input.h"

#include <doctest/doctest.h>

#include "core/patch/residual.h"
#include "gst/enhancer/media_time.h"

using namespace livesr::gst;

namespace {

constexpr std::uint64_t frame_ns = 40'000'000;
constexpr std::uint64_t second_ns = 1'000'000'000;

// Residuals of `side` x `side` pixels that say nothing, as short as they can be.
std::vector<std::uint8_t> packet(int patches, int side, std::uint64_t time_ns) {
    static std::uint32_t sequence = 0;
    livesr::PacketHeader header;
    header.scale = 2;
    header.sequence = sequence++;
    header.running_time_ns = time_ns;
    header.frame_width = 1280;
    header.frame_height = 720;
    const std::vector<std::uint8_t> payload(8, 0);
    livesr::CodedPatch patch;
    patch.codec = livesr::PatchCodec::residual;
    patch.quality = 8;
    patch.width = static_cast<std::uint16_t>(side);
    patch.height = static_cast<std::uint16_t>(side);
    patch.payload = payload;
    return livesr::write_packet(header, std::vector(static_cast<std::size_t>(patches), patch));
}

}  // namespace

TEST_CASE("patch input: a stream's patches have a budget in number and in pixels") {
    for (const auto& [side, a_second] : {std::pair{16, 100}, {512, 7}}) {
        CAPTURE(side);
        PatchInput input({});
        std::uint64_t taken = 0;
        for (int frame = 0; frame < 250; ++frame) {
            const auto time = static_cast<std::uint64_t>(frame) * frame_ns;
            taken += input.read(packet(64, side, time), {time, time, frame_ns}).patches.size();
        }
        // Ten seconds, and two at once.
        CHECK(taken <= static_cast<std::uint64_t>(12 * a_second + 12));
        CHECK(taken >= static_cast<std::uint64_t>(11 * a_second));
        CHECK(input.counts().patches == 250 * 64);
        CHECK(input.counts().over_budget == 250 * 64 - taken);
    }
}

TEST_CASE("patch input: what a scheduler sends is within the budget") {
    PatchInput input({});
    for (int frame = 0; frame < 250; ++frame) {
        const auto time = static_cast<std::uint64_t>(frame) * frame_ns;
        const auto arrivals =
            input.read(packet(frame % 2 == 0 ? 4 : 1, 120, time), {time, time, frame_ns});
        CHECK(arrivals.patches.size() == (frame % 2 == 0 ? 4 : 1));
    }
}

TEST_CASE("patch input: a clock that jumps gives no more than a burst") {
    PatchInput input({});
    std::uint64_t taken = 0;
    for (const std::uint64_t now : {std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{5},
                                    std::uint64_t{6}, longest_time_ns}) {
        for (int i = 0; i < 10; ++i) {
            taken += input.read(packet(200, 16, 0), {now, std::nullopt, 0}).patches.size();
        }
    }
    CHECK(taken <= 3 * 200);
}

TEST_CASE("patch input: a time that no stream can have come to is left out, its patches stay") {
    PatchInput input({});
    for (const std::uint64_t time :
         {std::uint64_t{1} << 62, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
        const auto arrivals = input.read(packet(1, 16, time), {0, 5 * frame_ns, 0});
        REQUIRE(arrivals.patches.size() == 1);
        CHECK_FALSE(arrivals.patches[0].sender_time_ns);
    }
    CHECK(input.counts().bad_time == 3);
    // 104 days and more are possible.
    const auto arrivals = input.read(packet(1, 16, std::uint64_t{1} << 54), {});
    CHECK(arrivals.patches.at(0).sender_time_ns == std::uint64_t{1} << 54);
}

TEST_CASE("patch input: a packet that comes on two ways is used once and is no loss") {
    PatchInput input({});
    std::vector<std::vector<std::uint8_t>> packets;
    for (int i = 0; i < 40; ++i) packets.push_back(packet(1, 16, 0));
    std::uint64_t taken = 0;
    std::uint64_t told = 0;
    const auto read = [&](const std::vector<std::uint8_t>& bytes, bool inside) {
        PatchInput::Moment moment;
        moment.now_ns = second_ns;
        if (inside) {
            moment.carrier = {5 * frame_ns, 2};
        } else {
            moment.hint_ns = 4 * frame_ns;
        }
        const auto arrivals = input.read(bytes, moment);
        taken += arrivals.patches.size();
        if (arrivals.size) ++told;
    };
    // One way is 20 packets behind the other.
    for (std::size_t i = 0; i < packets.size(); ++i) {
        read(packets[i], true);
        if (i >= 20) read(packets[i - 20], false);
    }
    CHECK(taken == 40);
    CHECK(told == 40);
    CHECK(input.counts().received == 60);
    CHECK(input.counts().repeated == 20);
    CHECK(input.lost() == 0);
    // A transport that begins again brings nothing new, a recording that is sought in does.
    input.restart();
    read(packets.back(), true);
    CHECK(taken == 40);
    input.forget();
    read(packets.back(), true);
    CHECK(taken == 41);
}

TEST_CASE("patch input: packets are remembered within their stream and within bounds") {
    SeenPackets seen;
    CHECK(seen.add(1, 0xFFFF'FFFE));
    CHECK_FALSE(seen.add(1, 0xFFFF'FFFE));
    CHECK(seen.add(1, 1));
    CHECK(seen.add(1, 0xFFFF'FFFF));
    CHECK(seen.add(1, 0));
    CHECK_FALSE(seen.add(1, 0));
    CHECK_FALSE(seen.add(1, 1));
    // Another stream begins anew, and so does a jump, to either side.
    CHECK(seen.add(2, 1));
    CHECK(seen.add(2, 1'000'000));
    CHECK(seen.add(2, 5));
    CHECK_FALSE(seen.add(2, 5));
    CHECK(seen.add(2, 5 + 1023));
    CHECK_FALSE(seen.add(2, 5));
    CHECK(seen.add(2, 5 + 1024));
    CHECK(seen.add(2, 6));
    CHECK_FALSE(seen.add(2, 5 + 1024));
}

TEST_CASE("patch input: a packet inside a picture has its carrier, and no time of the transport") {
    PatchInput input({});
    const auto arrivals =
        input.read(packet(1, 16, second_ns), {.carrier = Carrier{9 * frame_ns, 3}});
    REQUIRE(arrivals.patches.size() == 1);
    CHECK(arrivals.patches[0].carrier == Carrier{9 * frame_ns, 3});
    CHECK_FALSE(arrivals.patches[0].hint_ns);
    // Its size holds from that picture on.
    REQUIRE(arrivals.size);
    CHECK(arrivals.size->hint_ns == 9 * frame_ns);
    CHECK_FALSE(input.transport_offset_ns());
}

TEST_CASE("patch input: times of the transport are trusted while they keep to the sender's") {
    PatchInput input({});
    const auto hint_of = [&](std::uint64_t sender, std::uint64_t hint) {
        return input
            .read(packet(1, 16, sender),
                  {.now_ns = sender, .hint_ns = hint, .interval_ns = frame_ns})
            .patches.at(0)
            .hint_ns;
    };
    CHECK(hint_of(0, 9 * second_ns) == 9 * second_ns);
    CHECK(hint_of(frame_ns, 9 * second_ns + frame_ns) == 9 * second_ns + frame_ns);
    // Rounded to MPEG-TS's clock.
    CHECK(hint_of(2 * frame_ns, 9 * second_ns + 2 * frame_ns + 11'000).has_value());
    // Repeated.
    CHECK_FALSE(hint_of(3 * frame_ns, 9 * second_ns + 2 * frame_ns));
    CHECK_FALSE(hint_of(4 * frame_ns, 9 * second_ns + 2 * frame_ns));
    // Begun again, and steady from then on.
    CHECK_FALSE(hint_of(5 * frame_ns, frame_ns));
    CHECK(hint_of(6 * frame_ns, 2 * frame_ns) == 2 * frame_ns);
    CHECK(input.counts().distrusted_times == 3);
}
