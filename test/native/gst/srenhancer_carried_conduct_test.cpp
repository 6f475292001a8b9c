// Conduct of srenhancer where patches come inside the pictures: next to the pad, before any picture
// is out, from recordings, and with what is none.

#include "carried_fixture.h"
#include "enhancer_checks.h"

using namespace livesr::test;

TEST_CASE("a packet that comes inside a picture and on the pad too is used once") {
    const Models models;
    auto stream = CarriedStream::encode(in_order.encoder, frames);
    REQUIRE(stream);
    const auto decoded = stream->decode(in_order.decoder);
    std::map<int, std::vector<std::uint8_t>> packets;
    for (std::size_t i = 0; i + 6 < frames; i += 3) {
        const int number = stream->pictures()[i].number;
        packets[number] = CarriedStream::residual_packet(decoded.at(number), number,
                                                         static_cast<std::uint32_t>(i));
        stream->carry(packets[number], number, i + 3, static_cast<std::uint16_t>(i));
    }
    const TestEngine engine(answers);
    Receiver receiver(*stream, in_order.decoder, "scale=2");
    GstHarness* pad = gst_harness_new_with_element(receiver.element(), "patches", nullptr);
    gst_harness_set_src_caps_str(pad, "meta/x-klv, parsed=(boolean)true");
    for (const auto& picture : stream->pictures()) {
        const auto packet = packets.find(picture.number);
        if (packet != packets.end()) {
            GstBuffer* buffer = gst_buffer_new_memdup(packet->second.data(), packet->second.size());
            GST_BUFFER_PTS(buffer) = static_cast<GstClockTime>(picture.number) * frame_duration;
            gst_harness_push(pad, buffer);
        }
        receiver.push(picture);
    }
    receiver.end();
    CHECK(eventually([&] { return receiver.count("patches-aligned") == packets.size(); }));
    CHECK(receiver.count("packets-received") == 2 * packets.size());
    CHECK(receiver.count("packets-repeated") == packets.size());
    CHECK(receiver.count("patches-received") == packets.size());
    CHECK(receiver.count("patches-dropped-other-frame") == 0);
    gst_harness_teardown(pad);
}

TEST_CASE("a stream that begins on the pad takes no patch away that came inside a picture") {
    const Models models;
    auto stream = CarriedStream::encode(with_b_frames.encoder, frames);
    REQUIRE(stream);
    const auto carried = carry_residuals(*stream, stream->decode(with_b_frames.decoder));
    const TestEngine engine(answers);
    Receiver receiver(*stream, with_b_frames.decoder, "scale=2");
    GstHarness* pad = gst_harness_new_with_element(receiver.element(), "patches", nullptr);
    for (const auto& picture : stream->pictures()) {
        receiver.push(picture);
        gst_harness_push_event(pad,
                               gst_event_new_stream_start(std::to_string(picture.number).c_str()));
    }
    receiver.end();
    CHECK(eventually([&] { return receiver.count("patches-aligned") == carried; }));
    gst_harness_teardown(pad);
}

TEST_CASE("in lockstep a linked pad that is silent is not waited for where patches come inside") {
    const Models models;
    auto stream = CarriedStream::encode(in_order.encoder, 20);
    REQUIRE(stream);
    const auto decoded = stream->decode(in_order.decoder);
    stream->carry(CarriedStream::announcement(0), 0, 0, 0);
    stream->carry(CarriedStream::residual_packet(decoded.at(4), 4, 1), 4, 6, 1);
    const TestEngine engine(answers);
    Receiver receiver(*stream, in_order.decoder, "lockstep=true");
    GstHarness* pad = gst_harness_new_with_element(receiver.element(), "patches", nullptr);
    receiver.push_all();
    receiver.end();
    CHECK(receiver.shown() == 20);
    CHECK(receiver.count("patches-aligned") == 1);
    gst_harness_teardown(pad);
}

TEST_CASE("the size that the first picture announces is the first output's") {
    for (const bool has_pad : {false, true}) {
        CAPTURE(has_pad);
        auto stream = CarriedStream::encode(in_order.encoder, 10);
        REQUIRE(stream);
        livesr::PacketHeader header;
        header.scale = 4;
        header.stream_id = 77;
        // Four times 96x64, less what padding adds.
        header.frame_width = 379;
        header.frame_height = 253;
        stream->carry(livesr::write_packet(header, {}), 0, 0, 0);
        Receiver receiver(*stream, in_order.decoder, "training=off model=bicubic");
        GstHarness* pad = has_pad
                              ? gst_harness_new_with_element(receiver.element(), "patches", nullptr)
                              : nullptr;
        receiver.push_all();
        receiver.end();
        CHECK(receiver.shown() == 10);
        CHECK(receiver.output_size() == std::pair{379, 253});
        int caps_told = 0;
        while (GstEvent* event = gst_harness_try_pull_event(receiver.harness())) {
            if (GST_EVENT_TYPE(event) == GST_EVENT_CAPS) ++caps_told;
            gst_event_unref(event);
        }
        CHECK(caps_told == 1);
        if (pad != nullptr) gst_harness_teardown(pad);
    }
}

TEST_CASE("user data that is damaged, foreign or without end is counted and harms no picture") {
    const Models models;
    auto stream = CarriedStream::encode(in_order.encoder, frames);
    REQUIRE(stream);
    const livesr::StreamFormat format{livesr::Codec::h264, 0};
    std::uint32_t random = 1;
    for (auto& picture : stream->pictures()) {
        const auto place = livesr::user_data_place(format, picture.bytes);
        REQUIRE(place);
        livesr::Uuid other = livesr::carriage_uuid;
        other[0] ^= 1;
        std::vector<std::uint8_t> junk =
            livesr::write_user_data(format, other, std::vector<std::uint8_t>(50, 1));
        const auto append = [&](const std::vector<std::uint8_t>& payload) {
            const auto unit = livesr::write_user_data(format, livesr::carriage_uuid, payload);
            junk.insert(junk.end(), unit.begin(), unit.end());
        };
        append({});
        std::vector<std::uint8_t> noise(40);
        for (auto& byte : noise) byte = static_cast<std::uint8_t>((random *= 69069) >> 24);
        append(noise);
        // A part of a packet that never becomes whole, and a whole packet that is none.
        livesr::CarriedPart part;
        part.picture = random;
        part.back = static_cast<std::int16_t>(random >> 7);
        part.message = static_cast<std::uint16_t>(picture.number);
        part.parts = 2;
        part.bytes = noise;
        append(livesr::write_part(part));
        part.parts = 1;
        append(livesr::write_part(part));
        for (std::size_t i = 0; i < livesr::max_units; ++i)
            junk.insert(junk.end(), {0, 0, 1, 6, 0x80});
        picture.bytes.insert(picture.bytes.begin() + static_cast<std::ptrdiff_t>(place->offset),
                             junk.begin(), junk.end());
    }
    const TestEngine engine(answers);
    Receiver receiver(*stream, in_order.decoder, "scale=2 lockstep=true");
    receiver.push_all();
    receiver.end();
    CHECK(receiver.shown() == frames);
    CHECK(receiver.count("carried-damaged") >= 2 * frames - 2);
    CHECK(receiver.count("carried-packets") == frames);
    CHECK(receiver.count("carried-left-out") == frames);
    CHECK(receiver.count("packets-received") >= frames);
    CHECK(receiver.count("patches-received") == 0);
    CHECK(receiver.count("frames") == frames);
}

namespace {

// A recording of the stream, as a file of Matroska.
std::string record(const CarriedStream& stream, const Folder& folder, const std::string& parser) {
    const std::string file = (folder.path() / "recording.mkv").string();
    GstHarness* harness =
        gst_harness_new_parse((parser + " ! matroskamux ! filesink location=" + file).c_str());
    gst_harness_set_src_caps(harness, gst_caps_ref(stream.caps()));
    for (const auto& picture : stream.pictures()) {
        gst_harness_push(harness, stream.buffer(picture));
    }
    gst_harness_push_event(harness, gst_event_new_eos());
    gst_harness_teardown(harness);
    return file;
}

// Runs a launch line with an srenhancer "e" to its end, and asks for these of its counts.
std::map<std::string, std::uint64_t> counts_of(const std::string& launch,
                                               const std::vector<std::string>& names) {
    EnhancerHarness registers("");
    GError* error = nullptr;
    GstElement* pipeline = gst_parse_launch(launch.c_str(), &error);
    REQUIRE(error == nullptr);
    GstElement* enhancer = gst_bin_get_by_name(GST_BIN(pipeline), "e");
    GstBus* bus = gst_element_get_bus(pipeline);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    GstMessage* end = gst_bus_timed_pop_filtered(
        bus, 60 * GST_SECOND, static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
    REQUIRE(end != nullptr);
    CHECK(GST_MESSAGE_TYPE(end) == GST_MESSAGE_EOS);
    gst_message_unref(end);
    std::map<std::string, std::uint64_t> counts;
    for (const std::string& name : names) counts[name] = count_of(enhancer, name.c_str());
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(bus);
    gst_object_unref(enhancer);
    gst_object_unref(pipeline);
    return counts;
}

}  // namespace

TEST_CASE("a recording is a stream: its patches are aligned again, behind decodebin too") {
    const Models models;
    for (const std::string parser : {"h264parse", "h265parse"}) {
        CAPTURE(parser);
        const bool is_h264 = parser == "h264parse";
        auto stream = CarriedStream::encode(is_h264 ? with_b_frames.encoder : hevc.encoder, frames);
        if (!stream) continue;
        const std::string decoder = is_h264 ? "avdec_h264" : "avdec_h265";
        const auto decoded = stream->decode(parser + " ! " + decoder);
        // It has the zeros that emulation prevention is about.
        stream->carry(CarriedStream::announcement(1000), stream->pictures()[0].number, 0, 1000);
        const auto carried = carry_residuals(*stream, decoded);
        const Folder folder;
        const std::string file = record(*stream, folder, parser);
        const TestEngine engine(answers);
        const std::string enhancer = " ! srenhancer name=e lockstep=true ! fakesink";
        const std::vector<std::string> names = {"frames",           "carried-packets",
                                                "patches-aligned",  "announcements",
                                                "carried-damaged",  "carried-incomplete",
                                                "packets-repeated", "patches-aligned-to-neighbour"};
        auto counts = counts_of("filesrc location=" + file + " ! matroskademux ! " + parser +
                                    " ! " + decoder + enhancer,
                                names);
        CHECK(counts["frames"] == frames);
        CHECK(counts["carried-packets"] == carried + 1);
        CHECK(counts["announcements"] == 1);
        CHECK(counts["patches-aligned"] == carried);

        counts = counts_of("filesrc location=" + file + " ! decodebin" + enhancer, names);
        CHECK(counts["frames"] == frames);
        CHECK(counts["carried-damaged"] == 0);
        CHECK(counts["packets-repeated"] == 0);
        CHECK(counts["patches-aligned-to-neighbour"] == 0);
        // What the decoder had before it was linked is read from the decoded pictures where the
        // parser tells of it; h265parse of GStreamer 1.22 does not.
        if (is_h264 && GST_CHECK_VERSION(1, 22, 0)) {
            CHECK(counts["carried-packets"] == carried + 1);
            CHECK(counts["announcements"] == 1);
            CHECK(counts["patches-aligned"] == carried);
            CHECK(counts["carried-incomplete"] == 0);
        } else {
            CHECK(counts["patches-aligned"] >= carried - 5);
        }
    }
}

TEST_CASE("without a pad silence is noticed where no patch comes inside, and nowhere else") {
    const Models models;
    for (const bool carries : {true, false}) {
        CAPTURE(carries);
        auto stream = CarriedStream::encode(in_order.encoder, frames);
        REQUIRE(stream);
        if (carries) carry_residuals(*stream, stream->decode(in_order.decoder));
        const TestEngine engine(answers);
        Receiver receiver(*stream, in_order.decoder, "scale=2");
        GstBus* bus = gst_bus_new();
        gst_element_set_bus(receiver.element(), bus);
        // As if it were 20 s long.
        for (const auto& picture : stream->pictures()) {
            receiver.push(picture, static_cast<GstClockTime>(picture.number) * 9 * frame_duration);
        }
        int silences = 0;
        while (GstMessage* message = gst_bus_pop_filtered(bus, GST_MESSAGE_WARNING)) {
            const std::string text = text_of(message);
            if (text.find("no patch packet") != std::string::npos) ++silences;
        }
        CHECK(silences == (carries ? 0 : 1));
        gst_element_set_bus(receiver.element(), nullptr);
        gst_object_unref(bus);
    }
}
