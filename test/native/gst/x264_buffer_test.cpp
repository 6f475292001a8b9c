// How large x264's buffer is made for a frame.
#include "gst/sender/x264_buffer.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace livesr::gst {
namespace {

// Of a buffer, as x264 has it: all of less than five frames, half of more.
double usable_ms(unsigned buffer_ms, double frame_ms) {
    return buffer_ms < 5 * frame_ms ? buffer_ms : buffer_ms / 2.0;
}

TEST_CASE("with room the buffer is the one that gives the clearly larger key frame") {
    CHECK(x264_buffer_ms(2000, 40, 250, false) == 196);
    CHECK(x264_buffer_ms(2000, 1000.0 / 24, 250, false) == 204);
    // Five frames of these are not so much more than half of it, or less.
    CHECK(x264_buffer_ms(2000, 1000.0 / 30, 250, false) == 250);
    CHECK(x264_buffer_ms(2000, 1000.0 / 60, 250, false) == 250);
    CHECK(x264_buffer_ms(2000, 40, 600, false) == 600);
    CHECK(x264_buffer_ms(2000, 40, 100, false) == 100);
}

TEST_CASE("a key frame that is due may take all the room, another frame half a buffer") {
    CHECK(x264_buffer_ms(160, 40, 250, true) == 152);
    CHECK(x264_buffer_ms(160, 40, 250, false) == 250);
    CHECK(x264_buffer_ms(115, 40, 250, false) == 218);
}

TEST_CASE("without room it is a frame") {
    CHECK(x264_buffer_ms(0, 40, 250, false) == 40);
    CHECK(x264_buffer_ms(0, 40, 250, true) == 40);
}

TEST_CASE("no frame gets more than its room, or a frame of the rate, or than the fragment says") {
    for (const unsigned most : {100U, 196U, 250U, 400U, 600U}) {
        for (const double fps : {10.0, 24.0, 25.0, 30.0, 60.0}) {
            const double frame = 1000 / fps;
            for (double room = 0; room < 500; room += 3) {
                for (const bool key_due : {false, true}) {
                    const unsigned buffer = x264_buffer_ms(room, frame, most, key_due);
                    CHECK(buffer >= 1);
                    CHECK(usable_ms(buffer, frame) <= std::max(room, frame));
                    CHECK(buffer <= std::max<double>(most, 5 * frame + 5));
                }
            }
        }
    }
}

}  // namespace
}  // namespace livesr::gst
