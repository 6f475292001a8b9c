// Writes a network as ONNX (model_file.h).
#include <bit>
#include <initializer_list>
#include <string>

#include "core/model/model_file.h"
#include "core/model/onnx_graph.h"
#include "core/model/protobuf.h"

namespace livesr {
namespace {

using onnx::ElementType;
using protobuf::Writer;

// AttributeProto.type
enum AttributeType {
    attribute_float = 1,
    attribute_int = 2,
    attribute_string = 3,
    attribute_ints = 7
};

Writer named_attribute(const char* name, AttributeType type) {
    Writer w;
    w.text(1, name);
    w.integer(20, type);
    return w;
}

Writer attribute(const char* name, float value) {
    Writer w = named_attribute(name, attribute_float);
    w.real(2, value);
    return w;
}

Writer attribute(const char* name, std::int64_t value) {
    Writer w = named_attribute(name, attribute_int);
    w.integer(3, value);
    return w;
}

Writer attribute(const char* name, const char* value) {
    Writer w = named_attribute(name, attribute_string);
    w.text(4, value);
    return w;
}

Writer attribute(const char* name, std::initializer_list<std::int64_t> values) {
    Writer w = named_attribute(name, attribute_ints);
    for (const std::int64_t v : values) w.integer(8, v);
    return w;
}

template <typename T, typename Bits>
std::vector<std::uint8_t> little_endian(std::span<const T> values) {
    std::vector<std::uint8_t> out;
    out.reserve(values.size() * sizeof(T));
    for (const T v : values) {
        const auto bits = std::bit_cast<Bits>(v);
        for (std::size_t i = 0; i < sizeof(T); ++i) {
            out.push_back(static_cast<std::uint8_t>(bits >> (8 * i)));
        }
    }
    return out;
}

Writer tensor(const std::string& name, std::initializer_list<std::int64_t> shape, ElementType type,
              const std::vector<std::uint8_t>& raw) {
    Writer w;
    for (const std::int64_t d : shape) w.integer(1, d);
    w.integer(2, type);
    w.text(8, name);
    w.bytes(9, raw);
    return w;
}

Writer tensor(const std::string& name, std::initializer_list<std::int64_t> shape,
              std::span<const float> values) {
    return tensor(name, shape, onnx::float32, little_endian<float, std::uint32_t>(values));
}

Writer tensor(const std::string& name, std::span<const std::int64_t> values) {
    return tensor(name, {static_cast<std::int64_t>(values.size())}, onnx::int64,
                  little_endian<std::int64_t, std::uint64_t>(values));
}

// A picture of one plane, [1, 1, rows, columns], whose sides have names only.
Writer picture(const char* name, const char* rows, const char* columns) {
    Writer shape;
    const auto one = [&] {
        Writer d;
        d.integer(1, 1);
        shape.message(1, d);
    };
    const auto symbol = [&](const char* text) {
        Writer d;
        d.text(2, text);
        shape.message(1, d);
    };
    one();
    one();
    symbol(rows);
    symbol(columns);
    Writer tensor_type, type, value;
    tensor_type.integer(1, onnx::float32);
    tensor_type.message(2, shape);
    type.message(1, tensor_type);
    value.text(1, name);
    value.message(2, type);
    return value;
}

class GraphWriter {
  public:
    void node(const char* operation, std::initializer_list<std::string> inputs,
              const std::string& output, std::initializer_list<Writer> attributes = {}) {
        Writer n;
        for (const std::string& i : inputs) n.text(1, i);
        n.text(2, output);
        n.text(3, "make_" + output);
        n.text(4, operation);
        for (const Writer& a : attributes) n.message(5, a);
        graph_.message(1, n);
    }
    void initializer(const Writer& t) { graph_.message(5, t); }
    Writer& fields() { return graph_; }

  private:
    Writer graph_;
};

}  // namespace

std::vector<std::uint8_t> write_onnx(const Network& network) {
    const Architecture& a = network.architecture;
    if (const std::string problem = describe_problem(a); !problem.empty()) {
        throw ModelFileError("cannot write this network: " + problem);
    }
    if (network.parameters.size() != parameter_count(a)) {
        throw ModelFileError("cannot write this network: it has " +
                             std::to_string(network.parameters.size()) + " parameters instead of " +
                             std::to_string(parameter_count(a)));
    }
    const std::span<const float> parameters(network.parameters);
    GraphWriter graph;

    const std::int64_t m = margin(a);
    graph.initializer(tensor("margins", std::vector<std::int64_t>{0, 0, m, m, 0, 0, m, m}));
    graph.node("Pad", {"lr", "margins"}, "padded", {attribute("mode", "edge")});
    std::string value = "padded";
    if (cell_side(a) > 1) {
        graph.node("SpaceToDepth", {value}, "cells",
                   {attribute("blocksize", std::int64_t{cell_side(a)})});
        value = "cells";
    }
    for (int layer = 0; layer < a.layers; ++layer) {
        const std::string n = std::to_string(layer);
        const std::int64_t in = input_channels(a, layer);
        const std::int64_t out = output_channels(a, layer);
        const std::size_t weights = static_cast<std::size_t>(in * out * 9);
        const std::size_t offset = parameter_offset(a, layer);
        graph.initializer(
            tensor("weights" + n, {out, in, 3, 3}, parameters.subspan(offset, weights)));
        graph.initializer(
            tensor("biases" + n, {out},
                   parameters.subspan(offset + weights, static_cast<std::size_t>(out))));
        graph.node("Conv", {value, "weights" + n, "biases" + n}, "conv" + n,
                   {attribute("kernel_shape", {3, 3}), attribute("pads", {0, 0, 0, 0})});
        value = "conv" + n;
        if (layer + 1 < a.layers) {
            graph.node("Relu", {value}, "features" + n);
            value = "features" + n;
        }
    }
    graph.node("DepthToSpace", {value}, "residual",
               {attribute("blocksize", std::int64_t{output_side(a)}), attribute("mode", "CRD")});
    if (a.scale == 1) {
        graph.node("Add", {"lr", "residual"}, "hr");
    } else {
        const auto s = static_cast<float>(a.scale);
        graph.initializer(tensor("scales", {4}, std::vector<float>{1.0F, 1.0F, s, s}));
        graph.node("Resize", {"lr", "", "scales"}, "base",
                   {attribute("mode", "cubic"), attribute("cubic_coeff_a", -0.5F),
                    attribute("coordinate_transformation_mode", "half_pixel"),
                    attribute("exclude_outside", std::int64_t{0})});
        graph.node("Add", {"base", "residual"}, "hr");
    }

    Writer& g = graph.fields();
    g.text(2, "livesr");
    g.message(11, picture("lr", "height", "width"));
    g.message(12, picture("hr", "enlarged_height", "enlarged_width"));

    Writer opset;
    opset.text(1, "");
    opset.integer(2, 17);
    Writer model;
    model.integer(1, 8);
    model.text(2, "livesr");
    model.message(7, g);
    model.message(8, opset);
    return std::move(model).take();
}

}  // namespace livesr
