// Frames of a moving texture and patches of them, for the tests of alignment.h.
#pragma once

#include <doctest/doctest.h>

#include "core/patch/residual.h"
#include "core/picture/crop.h"
#include "gst/enhancer/alignment.h"
#include "pictures.h"

namespace livesr::test::alignment {

using livesr::gst::Misfit;
using livesr::gst::PatchAligner;
using livesr::gst::ReceivedPatch;

constexpr int scale = 2;
constexpr int high_width = 192;
constexpr int high_height = 128;
constexpr int low_width = high_width / scale;
constexpr int low_height = high_height / scale;
constexpr std::uint64_t frame_ns = 40'000'000;
constexpr int pixels_a_frame = 3;

inline Plane high_frame(int number) {
    return livesr::test::texture(high_width, high_height, number * pixels_a_frame);
}
inline Plane low_frame(int number) { return livesr::test::shrink(high_frame(number), scale); }

inline PatchAligner::Options options() {
    PatchAligner::Options options;
    options.scale = scale;
    options.margin = 4;
    options.width = high_width / scale;
    options.height = high_height / scale;
    return options;
}

inline void add_frame(PatchAligner& aligner, int number, std::uint64_t interval_ns = frame_ns) {
    const Plane low = low_frame(number);
    aligner.add_frame(static_cast<std::uint64_t>(number) * frame_ns, interval_ns, low.pixels.data(),
                      low.width);
}

// A patch of what frame `number` shows, with the time stamp of frame `stamped`.
inline ReceivedPatch patch_of(int number, int stamped, int x = 40, int y = 32, int width = 64,
                              int height = 48) {
    ReceivedPatch patch;
    patch.hint_ns = static_cast<std::uint64_t>(stamped) * frame_ns;
    patch.sequence = static_cast<std::uint32_t>(stamped);
    patch.x = x;
    patch.y = y;
    patch.width = width;
    patch.height = height;
    patch.high = livesr::test::crop(high_frame(number), x, y, width, height).pixels;
    return patch;
}

// The residual of a patch at (40, 32), 64 x 48, of frame `number`, with the time stamp of
// `stamped`.
inline ReceivedPatch residual_of(int number, int stamped) {
    const Plane low = low_frame(number);
    const auto around = livesr::crop({low.pixels.data(), low.width, low.width, low.height}, 20, 16,
                                     32, 24, livesr::residual_margin);
    ReceivedPatch patch = patch_of(number, stamped);
    patch.residual = livesr::encode_residual(patch.high.data(), 64, {around, 64, 48, scale}, 8);
    patch.residual_step = 8;
    patch.high.clear();
    return patch;
}

inline std::uint64_t all_misfits(const PatchAligner& aligner) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < livesr::gst::misfit_count; ++i) {
        sum += aligner.misfits(static_cast<Misfit>(i));
    }
    return sum;
}

}  // namespace livesr::test::alignment
