// A pad that is paced, and what comes through it.
#include "gst/sender/paced_pad.h"

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <vector>

namespace livesr::gst {
namespace {

// A pad that notes what comes, linked to one that pushes.
class Way {
  public:
    Way() : src_(gst_pad_new("src", GST_PAD_SRC)), sink_(gst_pad_new("sink", GST_PAD_SINK)) {
        gst_pad_set_element_private(sink_, this);
        gst_pad_set_chain_function(sink_, [](GstPad* pad, GstObject*, GstBuffer* buffer) {
            auto* way = static_cast<Way*>(gst_pad_get_element_private(pad));
            way->sizes.push_back(gst_buffer_get_size(buffer));
            gst_buffer_unref(buffer);
            return way->sizes.size() == way->fails_at ? GST_FLOW_ERROR : GST_FLOW_OK;
        });
        gst_pad_set_active(src_, TRUE);
        gst_pad_set_active(sink_, TRUE);
        REQUIRE(gst_pad_link(src_, sink_) == GST_PAD_LINK_OK);
        GstSegment segment;
        gst_segment_init(&segment, GST_FORMAT_TIME);
        gst_pad_push_event(src_, gst_event_new_stream_start("s"));
        gst_pad_push_event(src_, gst_event_new_segment(&segment));
    }
    ~Way() {
        gst_pad_set_active(src_, FALSE);
        gst_pad_set_active(sink_, FALSE);
        gst_object_unref(src_);
        gst_object_unref(sink_);
    }
    Way(const Way&) = delete;
    Way& operator=(const Way&) = delete;

    GstPad* sink() const { return sink_; }
    GstFlowReturn push_list(int buffers, gsize bytes) {
        GstBufferList* list = gst_buffer_list_new();
        for (int i = 0; i < buffers; ++i) {
            gst_buffer_list_add(list, gst_buffer_new_allocate(nullptr, bytes, nullptr));
        }
        return gst_pad_push_list(src_, list);
    }

    std::vector<gsize> sizes;
    std::size_t fails_at = 0;

  private:
    GstPad* src_;
    GstPad* sink_;
};

double seconds_of(const std::function<void()>& action) {
    const gint64 start = g_get_monotonic_time();
    action();
    return static_cast<double>(g_get_monotonic_time() - start) / 1e6;
}

}  // namespace

TEST_CASE("a list goes through packet by packet, no faster than the rate") {
    Way way;
    PacedPad paced;
    paced.set_rate(1'000'000);
    paced.hold(way.sink());
    // 10 ms each; the last one's own time is not waited for, nor are 2 ms of slack.
    CHECK(seconds_of([&] { CHECK(way.push_list(11, 1250) == GST_FLOW_OK); }) > 0.09);
    CHECK(way.sizes == std::vector<gsize>(11, 1250));
}

TEST_CASE("where the rate is not known a list goes through as it comes") {
    Way way;
    PacedPad paced;
    paced.hold(way.sink());
    CHECK(way.push_list(100, 1250) == GST_FLOW_OK);
    CHECK(way.sizes.size() == 100);
}

TEST_CASE("what is downstream ends a list with its error") {
    Way way;
    way.fails_at = 3;
    PacedPad paced;
    paced.hold(way.sink());
    CHECK(way.push_list(10, 1250) == GST_FLOW_ERROR);
    CHECK(way.sizes.size() == 3);
}

TEST_CASE("a pad that is released is paced no more, and another one may be") {
    Way first;
    Way second;
    auto paced = std::make_unique<PacedPad>();
    paced->set_rate(1);
    paced->hold(first.sink());
    paced->hold(second.sink());
    paced.reset();
    CHECK(seconds_of([&] {
              CHECK(first.push_list(200, 1250) == GST_FLOW_OK);
              CHECK(second.push_list(200, 1250) == GST_FLOW_OK);
          }) < 10);
    CHECK(first.sizes.size() + second.sizes.size() == 400);
}

}  // namespace livesr::gst
