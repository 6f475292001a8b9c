// What the tests of srenhancer ask of its pictures and messages.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "enhancer_harness.h"

namespace livesr::test {

// Output planes must be the enlarged input planes, cropped to the output's own plane sizes.
inline void check_planes(GstBuffer* out, GstVideoFormat format, const std::vector<Plane>& in,
                         int scale, int out_width, int out_height, const Network* network) {
    REQUIRE(out != nullptr);
    const auto result = planes(out, format, out_width, out_height);
    REQUIRE(result.size() == in.size());
    for (std::size_t i = 0; i < in.size(); ++i) {
        CAPTURE(i);
        const Plane full = apply(i == 0 ? network : nullptr, in[i], scale);
        CHECK(result[i] == livesr::test::crop(full, 0, 0, result[i].width, result[i].height));
    }
}

inline std::string text_of(GstMessage* message) {
    REQUIRE(message != nullptr);
    GError* error = nullptr;
    gchar* remedy = nullptr;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
        gst_message_parse_error(message, &error, &remedy);
    } else {
        gst_message_parse_warning(message, &error, &remedy);
    }
    const std::string text = std::string(error->message) + " | " + (remedy ? remedy : "");
    g_error_free(error);
    g_free(remedy);
    gst_message_unref(message);
    return text;
}

inline GstStateChangeReturn start_alone(const std::string& properties, GstBus* bus) {
    EnhancerHarness known("");  // registers the element
    GstElement* element = gst_parse_launch(("srenhancer " + properties).c_str(), nullptr);
    gst_object_ref_sink(element);
    gst_element_set_bus(element, bus);
    const auto result = gst_element_set_state(element, GST_STATE_PAUSED);
    gst_element_set_state(element, GST_STATE_NULL);
    gst_element_set_bus(element, nullptr);
    gst_object_unref(element);
    return result;
}

}  // namespace livesr::test
