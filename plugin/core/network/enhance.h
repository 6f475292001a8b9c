// Inference on 8-bit luma: what runs for every frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/network/isa.h"
#include "core/network/network.h"

namespace livesr {

// A network made ready for inference. Fixed point: 16-bit weights and activations, 32-bit sums that
// cannot overflow whatever the parameters, so that every path and every machine gives the same
// bytes. Immutable after construction: build one in any thread, swap a shared_ptr between two
// frames.
class PackedNetwork {
  public:
    // Throws std::invalid_argument when the parameters are not finite or do not fit the
    // architecture.
    explicit PackedNetwork(const Network& network);
    ~PackedNetwork();
    PackedNetwork(const PackedNetwork&) = delete;
    PackedNetwork& operator=(const PackedNetwork&) = delete;

    const Architecture& architecture() const;

    struct Data;
    const Data& data() const { return *data_; }

  private:
    std::unique_ptr<const Data> data_;
};

// Scratch memory of one thread; grows to the widest frame seen. Not to be shared between threads.
class EnhanceScratch {
  public:
    EnhanceScratch();
    ~EnhanceScratch();
    struct Data;
    Data& data() { return *data_; }

  private:
    std::unique_ptr<Data> data_;
};

// src: width x height luma, src_stride bytes a row. dst: (width*scale) x (height*scale).
// Any width, height >= 1. Writes exactly the dst rectangle. Must not alias.
// Rows [row_begin, row_end) of the source are enhanced (whole frame: 0, height): strips can run on
// several threads, each with its own scratch, and give the same bytes as one call.
void enhance(const PackedNetwork& network, EnhanceScratch& scratch, const std::uint8_t* src,
             std::ptrdiff_t src_stride, int width, int height, std::uint8_t* dst,
             std::ptrdiff_t dst_stride, int row_begin, int row_end, Isa isa = best_isa());

// The network in float, as ONNX Runtime computes it (tests, export checks). src: width x height in
// [0, 1], dense. dst: (width*scale) x (height*scale), dense, not clamped.
void enhance_float(const Network& network, const float* src, int width, int height, float* dst,
                   Isa isa = best_isa());

}  // namespace livesr
