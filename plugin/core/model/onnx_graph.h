// An ONNX file as a graph of views into its bytes: syntax only, no opinion on what it computes.
// Field numbers and types as in onnx.proto (IR 8).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/protobuf.h"

namespace livesr::onnx {

enum ElementType : std::int64_t { float32 = 1, int64 = 7 };

struct Tensor {
    std::string_view name;
    std::vector<std::int64_t> shape;
    std::int64_t type = 0;
    protobuf::Bytes raw;  // little-endian values

    // Values, from whichever field the file keeps them in.
    std::vector<float> floats;
    std::vector<std::int64_t> integers;
};

struct Attribute {
    std::string_view name;
    float real = 0;
    std::int64_t integer = 0;
    std::string_view text;
    std::vector<std::int64_t> integers;
};

struct Node {
    std::string_view operation;
    std::vector<std::string_view> inputs;
    std::vector<std::string_view> outputs;
    std::vector<Attribute> attributes;

    const Attribute* attribute(std::string_view name) const;
};

struct Graph {
    std::int64_t opset = 0;  // of the default domain
    std::vector<Node> nodes;
    std::vector<Tensor> tensors;
    std::vector<std::string_view> inputs;  // those that are not tensors
    std::vector<std::string_view> outputs;

    // The node that makes a value; nullptr when none does.
    const Node* producer(std::string_view value) const;
    const Tensor* tensor(std::string_view name) const;
};

// Throws ModelFileError. Memory is bounded by a small multiple of the file's size. The views live
// as long as `file`.
Graph parse(protobuf::Bytes file);

}  // namespace livesr::onnx
