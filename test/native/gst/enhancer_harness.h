// srenhancer under GstHarness, with its bus, its patches pad and the frames that a test feeds it.
#pragma once

#include <gst/check/gstharness.h>
#include <gst/gst.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/network/network.h"
#include "core/patch/packet.h"
#include "pictures.h"

namespace livesr::test {

constexpr GstClockTime frame_duration = 40 * GST_MSECOND;

// A network of the family with random weights in all layers: its picture is not bicubic's.
Network random_network(int scale, unsigned seed);
// What the network makes of a plane; null: bicubic.
Plane apply(const Network* network, const Plane& low, int scale);

// A folder that is gone when the test is over.
class Folder {
  public:
    Folder();
    ~Folder();
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::string write(const std::string& name, const std::vector<std::uint8_t>& bytes) const;
    std::string write_model(const std::string& name, const Network& network) const;
    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

// Asks until the answer is yes; false after 20 s.
bool eventually(const std::function<bool()>& condition);

class EnhancerHarness {
  public:
    // properties as gst-launch has them, "scale=2 training=off"; max-latency is 10 s without one.
    explicit EnhancerHarness(const std::string& properties);
    ~EnhancerHarness();
    EnhancerHarness(const EnhancerHarness&) = delete;
    EnhancerHarness& operator=(const EnhancerHarness&) = delete;

    GstHarness* video() { return video_; }
    GstElement* element() { return element_; }
    GstHarness* patches();  // requests the pad at the first call

    void set_caps(GstVideoFormat format, int width, int height);
    // Pushes frame `number` (texture at position 3*number) and returns what came out, null if
    // nothing.
    GstBuffer* enhance(int number);
    GstBuffer* enhance(GstBuffer* buffer);
    // Size by the caps that the output has now.
    std::pair<int, int> output_size();

    GstFlowReturn push_patch_bytes(const std::vector<std::uint8_t>& bytes, int frame_number);
    // A good patch of frame `frame_number` (see high_frame).
    std::vector<std::uint8_t> patch_packet(int frame_number, std::uint32_t sequence,
                                           PatchCodec codec = PatchCodec::jpeg_luma) const;
    std::vector<std::uint8_t> announcement(int true_width, int true_height);
    // The original that frame `number` is the shrunk picture of, when fed by enhance_low().
    Plane high_frame(int number) const;
    Plane low_frame(int number) const;
    GstBuffer* enhance_low(int number);

    double scale();  // of the stats
    std::uint64_t count(const char* stat);
    std::string text(const char* property);
    // The next message of these types, null when there is none.
    GstMessage* message(GstMessageType types);

  private:
    GstElement* element_;
    GstBus* bus_;
    GstHarness* video_;
    GstHarness* patches_ = nullptr;
    GstVideoFormat format_ = GST_VIDEO_FORMAT_I420;
    int width_ = 0;
    int height_ = 0;
    int scale_ = 2;
    std::uint32_t announcements_ = 0;
};

}  // namespace livesr::test
