// A patchpicker between three pads of ours, and engines for it whose conduct a test writes.
#pragma once

#include <gst/check/gstharness.h>
#include <gst/gst.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/patch/packet.h"
#include "pictures.h"
#include "test_engine.h"

namespace livesr::test {

constexpr GstClockTime frame_time = 40 * GST_MSECOND;  // 25 frames a second

// An engine that writes what it gets to a file, gives a plan at the start, and answers an offer
// `head` with the cells that `cells`, the body of a JavaScript function, returns; undefined is no
// answer.
std::string picking_engine(const std::string& cells);
// What it got of one type, with `kind` and the blob's numbers as `errors`.
std::vector<nlohmann::json> log_of(const TestEngine& engine, const std::string& type);

class PickerFixture {
  public:
    explicit PickerFixture(const std::string& properties, int width = 480, int height = 360,
                           int scale = 2);
    ~PickerFixture();
    PickerFixture(const PickerFixture&) = delete;
    PickerFixture& operator=(const PickerFixture&) = delete;

    // Caps of both inputs; those of the pictures alone.
    void set_size(int width, int height);
    void set_low_size(int width, int height);

    // The n-th frame and its picture.
    Plane picture(int n) const;
    Plane low_picture(int n) const;
    GstFlowReturn push_high(int n);
    GstFlowReturn push_low(int n, GstClockTime shift = 0);
    void push(int first, int last);  // both, frame by frame

    // The next packet of the patches pad, payload copied. Waits for it.
    struct Received {
        PacketHeader header;
        std::vector<CodedPatch> patches;  // their payloads lie below
        std::vector<std::vector<std::uint8_t>> payloads;
        GstClockTime pts = 0;
        std::size_t bytes = 0;
    };
    Received pull();
    // Whether the patches pad comes to this time, by a gap. Waits for it.
    bool reaches(GstClockTime time);
    GstClockTime last_gap() const { return last_gap_; }
    bool ends();  // waits

    guint64 stat(const char* name) const;
    double real_stat(const char* name) const;
    bool wait_for_stat(const char* name, guint64 least) const;
    std::string warning() const;  // text of the next one on the bus; waits

    GstElement* element() const { return element_; }
    GstHarness* high() const { return high_; }
    GstHarness* low() const { return low_; }

  private:
    GstEvent* next_event();

    int scale_;
    int width_ = 0;
    int height_ = 0;
    int low_width_ = 0;
    int low_height_ = 0;
    GstElement* element_ = nullptr;
    GstBus* bus_ = nullptr;
    GstHarness* high_ = nullptr;
    GstHarness* low_ = nullptr;
    GstClockTime last_gap_ = 0;
};

}  // namespace livesr::test
