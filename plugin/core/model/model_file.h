// Networks as ONNX files: what the family looks like as a graph, written and read without a
// protobuf library. The reader takes exactly what the writer writes (any ONNX tool may rename
// nodes; the structure must hold) and says in words why it refuses anything else.
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

#include "core/network/network.h"

namespace livesr {

struct ModelFileError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// ONNX opset 17, IR 8. Input "lr" [1,1,h,w] float in [0,1], output "hr" [1,1,h*s,w*s] float.
// Graph: Pad(edge) -> (Conv valid, Relu)* -> Conv -> DepthToSpace(CRD), plus Resize(cubic, -0.5,
// half_pixel) of the input, added.
std::vector<std::uint8_t> write_onnx(const Network& network);

// Throws ModelFileError: not ONNX, not this family, inconsistent shapes, non-finite weights.
Network read_onnx(std::span<const std::uint8_t> bytes);

}  // namespace livesr
