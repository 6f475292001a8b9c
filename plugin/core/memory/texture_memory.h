// Texture memory: detail that arrived once as a patch is put back wherever the picture shows the
// same thing again. Blocks of the decoded low-resolution picture are matched with what was decoded
// where patches came from; a block that matches gets the patch's detail (what the network's picture
// lacks there) on top of the network, in two bands whose strengths are fitted on patches as they
// arrive. The same calls give the same picture.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/memory/block.h"
#include "core/memory/detail_strength.h"
#include "core/memory/match_field.h"
#include "core/memory/patch_store.h"
#include "core/network/enhance.h"

namespace livesr {

class TextureMemory {
  public:
    // What matching sees around a block, and one pixel more.
    static constexpr int least_margin = block_context + 1;

    struct Options {
        int scale = 2;
        int width = 0;  // of the low-resolution picture
        int height = 0;
        // Low-resolution pixels around a patch that add() is given: what the network sees, and
        // least_margin.
        int margin = 4;
        // About 50 kB each where patches are of 120x120 pixels; they may be of 512x512. What was
        // matched longest ago makes room.
        std::size_t max_patches = 1000;
        std::size_t max_bytes = 64U << 20U;
        std::uint32_t seed = 1;
    };

    // Throws std::invalid_argument when the margin is too small.
    explicit TextureMemory(const Options& options);
    TextureMemory(const TextureMemory&) = delete;
    TextureMemory& operator=(const TextureMemory&) = delete;

    // A patch and the decoded crop under it, margin included; x, y, width, height in
    // high-resolution pixels, multiples of the scale. `network`: what the picture is made with.
    struct Patch {
        int x = 0, y = 0, width = 0, height = 0;
        const std::vector<std::uint8_t>& low;
        const std::vector<std::uint8_t>& high;
    };
    // What was known before it came is tested and fitted on it first.
    void add(const Patch& patch, const std::shared_ptr<const PackedNetwork>& network);

    // The decoded picture of the next frame: matches are followed and looked for.
    void follow(const std::uint8_t* luma, std::ptrdiff_t stride);
    // Adds what is remembered to the picture that `network` made of that frame; returns the share
    // of its blocks that got something. width x height: of the picture, at most scale times the
    // frame.
    double restore(const std::shared_ptr<const PackedNetwork>& network, std::uint8_t* picture,
                   std::ptrdiff_t stride, int width, int height);

    // Of each of columns x rows squares of the picture with sides of `cell` high-resolution pixels,
    // row by row: the share, of 255, of its blocks that the latest frame shows as the store has
    // them.
    std::vector<std::uint8_t> cover(int cell, int columns, int rows) const;

    // Forgets matches, not patches: the next frame shows something else.
    void lose_track();

    int width() const { return options_.width; }
    int height() const { return options_.height; }
    std::size_t patches() const { return store_.size(); }
    std::size_t bytes() const { return store_.bytes(); }
    // Of the mean squared error on the latest patches, the share that memory took away; what comes
    // is left as it is while this is not above 0. Absent before there is evidence.
    std::optional<double> benefit() const { return strength_.benefit(); }

  private:
    void learn(const StoredPatch& fresh);
    void gather(const BlockMatch& match, int column, int row, const std::uint8_t* picture,
                std::ptrdiff_t stride, int width, int height);

    Options options_;
    PatchStore store_;
    MatchField field_;
    DetailStrength strength_;
    std::uint64_t frame_ = 0;
    EnhanceScratch scratch_;
    // What is to be added to the picture, sixteenths of a grey level.
    std::vector<std::int16_t> gathered_;
};

}  // namespace livesr
