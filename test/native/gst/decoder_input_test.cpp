// What is counted of the stream that arrives, and read out of its pictures.
#include "gst/enhancer/decoder_input.h"

#include <doctest/doctest.h>

#include <cstddef>
#include <memory>
#include <string>

#include "gst/enhancer/encoded_source.h"
#include "gst/enhancer/patch_input.h"
#include "gst/stream_format.h"

namespace livesr::gst {
namespace {

std::uint64_t lost_of(std::initializer_list<std::uint32_t> sequences) {
    PacketLoss loss;
    for (const std::uint32_t sequence : sequences) loss.received(7, sequence);
    return loss.lost();
}

GstPadProbeReturn add_size(GstPad*, GstPadProbeInfo* info, gpointer sum) {
    *static_cast<std::uint64_t*>(sum) += gst_buffer_get_size(GST_PAD_PROBE_INFO_BUFFER(info));
    return GST_PAD_PROBE_OK;
}

struct Unref {
    void operator()(gpointer object) const { gst_object_unref(object); }
};
template <typename T>
using Owned = std::unique_ptr<T, Unref>;

// Bytes that were counted before the element "raw", and those that left the element "encoded".
struct Counted {
    std::optional<std::uint64_t> by_us;
    std::uint64_t in_truth = 0;
};

Counted count(const char* launch) {
    Owned<GstElement> pipeline(gst_parse_launch(launch, nullptr));
    REQUIRE(pipeline);
    Owned<GstElement> raw(gst_bin_get_by_name(GST_BIN(pipeline.get()), "raw"));
    Owned<GstPad> sink(gst_element_get_static_pad(raw.get(), "sink"));
    // In one thread: when the first frame waits in the sink, nothing flows.
    gst_element_set_state(pipeline.get(), GST_STATE_PAUSED);
    REQUIRE(gst_element_get_state(pipeline.get(), nullptr, nullptr, 20 * GST_SECOND) ==
            GST_STATE_CHANGE_SUCCESS);
    Counted counted;
    DecoderInput counter;
    counter.watch(sink.get());
    counter.watch(sink.get());  // counts once all the same
    Owned<GstElement> encoded(gst_bin_get_by_name(GST_BIN(pipeline.get()), "encoded"));
    Owned<GstPad> leaving(gst_element_get_static_pad(encoded.get(), "src"));
    gst_pad_add_probe(leaving.get(), GST_PAD_PROBE_TYPE_BUFFER, add_size, &counted.in_truth,
                      nullptr);
    gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
    Owned<GstBus> bus(gst_element_get_bus(pipeline.get()));
    GstMessage* end = gst_bus_timed_pop_filtered(
        bus.get(), 20 * GST_SECOND,
        static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
    REQUIRE(end);
    CHECK(GST_MESSAGE_TYPE(end) == GST_MESSAGE_EOS);
    gst_message_unref(end);
    counted.by_us = counter.bytes();
    counter.stop();
    gst_element_set_state(pipeline.get(), GST_STATE_NULL);
    return counted;
}

}  // namespace

TEST_CASE("packets that are missing are counted, those that come late are not") {
    CHECK(lost_of({0, 1, 2, 3}) == 0);
    CHECK(lost_of({0, 1, 4, 5}) == 2);
    CHECK(lost_of({0, 2, 1, 3}) == 0);
    CHECK(lost_of({5, 6}) == 0);
    CHECK(lost_of({0xffff'ffffU, 0, 2}) == 1);
    CHECK(lost_of({0, 0, 1}) == 0);
}

TEST_CASE("a sequence that jumps far, and another stream, are no loss") {
    CHECK(lost_of({0, 1'000'000, 1'000'001}) == 0);
    PacketLoss loss;
    loss.received(1, 5);
    loss.received(2, 90);
    loss.received(2, 91);
    CHECK(loss.lost() == 0);
}

TEST_CASE("the bytes into the decoder are counted") {
    const auto [by_us, in_truth] = count(
        "videotestsrc num-buffers=20 ! jpegenc ! identity name=encoded ! jpegdec ! videoconvert ! "
        "identity name=raw ! fakesink");
    CHECK(in_truth > 0);
    CHECK(by_us == in_truth);
}

TEST_CASE("the bytes into a decoder behind the walls of bins are counted") {
    const auto [by_us, in_truth] = count(
        "videotestsrc num-buffers=20 ! jpegenc ! identity name=encoded ! ( ( jpegdec ) "
        "! videoconvert ) ! ( identity name=raw ) ! fakesink");
    CHECK(in_truth > 0);
    CHECK(by_us == in_truth);
}

TEST_CASE("the decoder is found before anything flows, and not where there is none yet") {
    const auto found = [](const char* launch) -> std::string {
        Owned<GstElement> pipeline(gst_parse_launch(launch, nullptr));
        REQUIRE(pipeline);
        Owned<GstElement> raw(gst_bin_get_by_name(GST_BIN(pipeline.get()), "raw"));
        Owned<GstPad> sink(gst_element_get_static_pad(raw.get(), "sink"));
        Owned<GstPad> source(find_encoded_source(sink.get()));
        if (!source) return "none";
        Owned<GstElement> parent(gst_pad_get_parent_element(source.get()));
        gchar* name = gst_object_get_name(GST_OBJECT(parent.get()));
        const std::string text = name;
        g_free(name);
        return text;
    };
    CHECK(found("fakesrc ! h264parse name=parser ! avdec_h264 ! queue ! identity name=raw ! "
                "fakesink") == "parser");
    CHECK(found("fakesrc ! ( h264parse name=parser ! queue name=behind ! ( avdec_h264 ) ) ! "
                "videoconvert ! identity name=raw ! fakesink") == "behind");
    CHECK(found("fakesrc ! identity name=raw ! fakesink") == "none");
    CHECK(found("videotestsrc ! identity name=raw ! fakesink") == "none");
    CHECK(found("fakesrc ! decodebin ! identity name=raw ! fakesink") == "none");
}

TEST_CASE("caps say how coded pictures are written down") {
    const auto format_of = [](const char* text) {
        GstCaps* caps = gst_caps_from_string(text);
        const auto format = livesr::gst::stream_format_of(caps);
        gst_caps_unref(caps);
        return format;
    };
    CHECK(format_of("video/x-h264, stream-format=byte-stream") == StreamFormat{Codec::h264, 0});
    CHECK(format_of("video/x-h264") == StreamFormat{Codec::h264, 0});
    CHECK(format_of("video/x-h264, stream-format=avc, codec_data=(buffer)01640028ffe1") ==
          StreamFormat{Codec::h264, 4});
    CHECK(format_of("video/x-h264, stream-format=avc3, codec_data=(buffer)01640028fde1") ==
          StreamFormat{Codec::h264, 2});
    CHECK(format_of("video/x-h264, codec_data=(buffer)01640028ffe1") ==
          StreamFormat{Codec::h264, 4});
    CHECK(format_of("video/x-h265, stream-format=byte-stream") == StreamFormat{Codec::h265, 0});
    const std::string record(42, '0');
    CHECK(format_of(("video/x-h265, stream-format=hvc1, codec_data=(buffer)" + record + "0f03")
                        .c_str()) == StreamFormat{Codec::h265, 4});
    CHECK(format_of("video/x-av1, stream-format=obu-stream") == StreamFormat{Codec::av1, 0});
    CHECK(format_of("video/x-av1, alignment=tu") == StreamFormat{Codec::av1, 0});
    // What is not known is not guessed.
    CHECK_FALSE(format_of("video/x-av1, stream-format=annexb"));
    CHECK_FALSE(format_of("video/x-h264, stream-format=avc"));
    CHECK_FALSE(format_of("video/x-h264, stream-format=avc, codec_data=(buffer)0164"));
    CHECK_FALSE(format_of("video/x-h265, stream-format=hev1, codec_data=(buffer)01640028ffe1"));
    CHECK_FALSE(format_of("video/x-vp8"));
    CHECK_FALSE(format_of("ANY"));
    CHECK_FALSE(format_of("EMPTY"));
}

TEST_CASE("without a decoder nothing is said of the bytes") {
    const auto [by_us, in_truth] =
        count("videotestsrc num-buffers=3 ! identity name=encoded ! identity name=raw ! fakesink");
    CHECK_FALSE(by_us);
}

}  // namespace livesr::gst
