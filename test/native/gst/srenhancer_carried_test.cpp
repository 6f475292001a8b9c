// srenhancer behind a real decoder, without a patches pad: patches come inside the coded pictures,
// through any codec, framing and order, and through relays.
#include <algorithm>

#include "carried_fixture.h"

using namespace livesr::test;

namespace {

const Way ways[] = {
    in_order,
    with_b_frames,
    {"x264enc speed-preset=veryfast bframes=3 b-adapt=false key-int-max=20 ! "
     "capsfilter caps=video/x-h264,stream-format=avc",
     "h264parse ! avdec_h264"},
    {"x264enc speed-preset=veryfast bframes=2 b-adapt=false ! "
     "capsfilter caps=video/x-h264,stream-format=byte-stream",
     "h264parse ! video/x-h264,stream-format=avc ! avdec_h264"},
    {"x264enc speed-preset=veryfast tune=zerolatency ! "
     "capsfilter caps=video/x-h264,stream-format=byte-stream,profile=constrained-baseline",
     "h264parse ! openh264dec"},
    hevc,
    {"x265enc speed-preset=veryfast option-string=bframes=3:log-level=none ! h265parse ! "
     "capsfilter caps=video/x-h265,stream-format=hvc1,alignment=au",
     "h265parse ! avdec_h265"},
    {"av1enc cpu-used=8 lag-in-frames=0 ! av1parse ! capsfilter caps=video/x-av1,alignment=tu",
     "av1parse ! av1dec"},
};

}  // namespace

TEST_CASE("patches inside coded pictures are aligned, whatever codec, framing and order") {
    const Models models;
    int run = 0;
    for (const Way& way : ways) {
        CAPTURE(std::string(way.encoder));
        auto stream = CarriedStream::encode(way.encoder, frames);
        if (!stream) continue;
        const auto decoded = stream->decode(way.decoder);
        REQUIRE(decoded.size() == frames);
        const auto carried = carry_residuals(*stream, decoded);
        for (const bool lockstep : {true, false}) {
            CAPTURE(lockstep);
            const TestEngine engine(answers);
            Receiver receiver(*stream, way.decoder,
                              std::string("scale=2 lockstep=") + (lockstep ? "true" : "false"));
            receiver.push_all();
            receiver.end();
            CHECK(receiver.shown() == frames);
            CHECK(receiver.count("carried-packets") == carried);
            CHECK(eventually([&] { return receiver.count("patches-aligned") == carried; }));
            CHECK(receiver.count("patches-aligned-to-neighbour") == 0);
            CHECK(receiver.count("packets-received") == carried);
            CHECK(receiver.count("packets-lost") == 0);
            CHECK(receiver.count("packets-repeated") == 0);
            CHECK(receiver.count("carried-damaged") == 0);
            CHECK(receiver.count("carried-incomplete") == 0);
            CHECK(receiver.count("carried-left-out") == 0);
        }
        ++run;
    }
    CHECK(run >= 4);
}

TEST_CASE("JPEG patches inside coded pictures meet the frames that they name, B frames or not") {
    const Models models;
    for (const Way& way : {in_order, with_b_frames}) {
        CAPTURE(std::string(way.encoder));
        auto stream = CarriedStream::encode(way.encoder, frames);
        REQUIRE(stream);
        std::vector<std::uint64_t> wanted;
        for (std::size_t i = 0; i + 8 < stream->pictures().size(); i += 4) {
            const int number = stream->pictures()[i].number;
            stream->carry(CarriedStream::jpeg_packet(number, static_cast<std::uint32_t>(number)),
                          number, i + 5, static_cast<std::uint16_t>(number));
            wanted.push_back(static_cast<std::uint64_t>(number) * frame_duration);
        }
        const TestEngine engine(answers);
        Receiver receiver(*stream, way.decoder, "scale=2 lockstep=true");
        receiver.push_all();
        receiver.end();
        CHECK(receiver.count("patches-aligned") == wanted.size());
        CHECK(receiver.count("patches-aligned-to-neighbour") == 0);
        CHECK(eventually([&] { return notes(engine).size() >= wanted.size(); }));
        std::vector<std::uint64_t> found;
        for (const json& pair : notes(engine)) found.push_back(pair["mediaTimeNs"]);
        std::ranges::sort(found);
        std::ranges::sort(wanted);
        CHECK(found == wanted);
    }
}

TEST_CASE("a relay that drops pictures of a stream, or gives it other times, loses no patch more") {
    const Models models;
    // Each picture can be dropped.
    auto stream = CarriedStream::encode(
        "x264enc speed-preset=veryfast tune=zerolatency key-int-max=1 ! "
        "capsfilter caps=video/x-h264,stream-format=byte-stream",
        frames);
    REQUIRE(stream);
    const auto decoded = stream->decode("h264parse ! avdec_h264");
    const auto is_dropped = [](std::size_t i) { return i % 5 == 2; };
    std::uint64_t wanted = 0;
    std::uint32_t sequence = 0;
    for (std::size_t i = 0; i + 6 < frames; ++i) {
        const int number = stream->pictures()[i].number;
        stream->carry(i % 2 == 0
                          ? CarriedStream::residual_packet(decoded.at(number), number, sequence)
                          : CarriedStream::jpeg_packet(number, sequence),
                      number, i + 3, static_cast<std::uint16_t>(sequence));
        ++sequence;
        if (!is_dropped(i) && !is_dropped(i + 3)) ++wanted;
    }
    const TestEngine engine(answers);
    Receiver receiver(*stream, "h264parse ! avdec_h264", "scale=2 lockstep=true");
    for (std::size_t i = 0; i < frames; ++i) {
        if (!is_dropped(i)) receiver.push(stream->pictures()[i], 12'345'678'901);
    }
    receiver.end();
    CHECK(receiver.shown() == frames * 4 / 5);
    CHECK(receiver.count("patches-aligned") == wanted);
    CHECK(receiver.count("patches-aligned-to-neighbour") == 0);
}

TEST_CASE("a sender that comes back with other times, and a flush, cost no patch") {
    const Models models;
    auto stream = CarriedStream::encode(with_b_frames.encoder, frames);
    REQUIRE(stream);
    const auto decoded = stream->decode(with_b_frames.decoder);
    const TestEngine engine(answers);
    const auto carried = carry_residuals(*stream, decoded);
    Receiver receiver(*stream, with_b_frames.decoder, "scale=2 lockstep=true");
    const auto begin_segment = [&receiver] {
        GstSegment segment;
        gst_segment_init(&segment, GST_FORMAT_TIME);
        gst_harness_push_event(receiver.harness(), gst_event_new_segment(&segment));
    };
    SUBCASE("its time is far behind") {
        receiver.push_all(20 * GST_SECOND);
        begin_segment();
        auto again = CarriedStream::encode(with_b_frames.encoder, frames);
        REQUIRE(again);
        auto more = carry_residuals(*again, decoded, 500);
        for (std::size_t i = 1; i + 6 < again->pictures().size(); i += 6, ++more) {
            const int number = again->pictures()[i].number;
            again->carry(CarriedStream::jpeg_packet(number, 600 + static_cast<unsigned>(i)), number,
                         i + 3, static_cast<std::uint16_t>(600 + i));
        }
        for (const auto& picture : again->pictures()) receiver.push(picture);
        receiver.end();
        CHECK(receiver.count("time-shifts") == 1);
        CHECK(receiver.count("packets-repeated") == 0);
        CHECK(receiver.count("patches-aligned") == carried + more);
        CHECK(receiver.count("patches-aligned-to-neighbour") == 0);
    }
    SUBCASE("it is flushed, as a recording is that is sought in") {
        receiver.push_all();
        gst_harness_push_event(receiver.harness(), gst_event_new_flush_start());
        gst_harness_push_event(receiver.harness(), gst_event_new_flush_stop(TRUE));
        begin_segment();
        receiver.push_all();
        receiver.end();
        CHECK(receiver.count("packets-repeated") == 0);
        CHECK(receiver.count("carried-packets") == 2 * carried);
        // Those whose frames the decoder still held when it was flushed are gone with them.
        CHECK(receiver.count("patches-aligned") >= 2 * carried - 2);
    }
    CHECK(receiver.count("patches-dropped-no-frame") == 0);
    CHECK(receiver.count("patches-dropped-other-frame") == 0);
}
