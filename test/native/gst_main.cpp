// Entry point of gst-tests: GStreamer is set up once, and not torn down (its threads outlive a test
// case only when that case leaked an element, which the sanitizer build reports).
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <gst/gst.h>

#include "gst/register.h"

int main(int argc, char** argv) {
    gst_init(nullptr, nullptr);
    if (!livesr::gst::register_elements(nullptr)) return 1;
    return doctest::Context(argc, argv).run();
}
