// What is counted of the stream that arrives, and read out of its pictures.
#include "gst/enhancer/decoder_input.h"

#include <doctest/doctest.h>

#include <memory>

#include "gst/enhancer/patch_input.h"

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

TEST_CASE("without a decoder nothing is said of the bytes") {
    const auto [by_us, in_truth] =
        count("videotestsrc num-buffers=3 ! identity name=encoded ! identity name=raw ! fakesink");
    CHECK_FALSE(by_us);
}

}  // namespace livesr::gst
