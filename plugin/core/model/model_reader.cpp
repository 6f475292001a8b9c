// Reads a network from ONNX (model_file.h): follows the graph from its output to its input and
// compares each step with what the family computes there.
#include <algorithm>
#include <cmath>
#include <string>

#include "core/model/model_file.h"
#include "core/model/onnx_graph.h"

namespace livesr {
namespace {

using onnx::Attribute;
using onnx::Graph;
using onnx::Node;
using onnx::Tensor;
using Integers = std::vector<std::int64_t>;

[[noreturn]] void refuse(const std::string& why) {
    throw ModelFileError("not a livesr network: " + why);
}

// The node that makes `value`, which must be `operation` with that many inputs and nothing unusual.
const Node& expect(const Graph& g, std::string_view value, const char* operation,
                   std::size_t inputs) {
    const Node* node = g.producer(value);
    if (node == nullptr || node->operation != operation) {
        refuse(std::string("expected ") + operation + " where it has " +
               (node == nullptr ? std::string("nothing") : std::string(node->operation)));
    }
    if (node->inputs.size() != inputs || node->outputs.size() != 1) {
        refuse(std::string(operation) + " has " + std::to_string(node->inputs.size()) +
               " inputs instead of " + std::to_string(inputs));
    }
    return *node;
}

// Attributes checked off one by one; what is left over changes the meaning in ways nobody looked
// at.
class Attributes {
  public:
    explicit Attributes(const Node& node) : node_(node) {}

    Attributes& text(const char* name, std::string_view wanted, bool optional = false) {
        return check(name, optional, [&](const Attribute& a) { return a.text == wanted; });
    }
    Attributes& integers(const char* name, const Integers& wanted, bool optional = false) {
        return check(name, optional, [&](const Attribute& a) { return a.integers == wanted; });
    }
    Attributes& integer(const char* name, std::int64_t wanted, bool optional = false) {
        return check(name, optional, [&](const Attribute& a) { return a.integer == wanted; });
    }
    Attributes& real(const char* name, float wanted) {
        return check(name, false, [&](const Attribute& a) { return a.real == wanted; });
    }
    void nothing_else() const {
        if (seen_ != node_.attributes.size()) {
            refuse(std::string(node_.operation) + " has attributes that the family does not use");
        }
    }

  private:
    template <typename Test>
    Attributes& check(const char* name, bool optional, Test test) {
        const Attribute* a = node_.attribute(name);
        if (a != nullptr ? !test(*a) : !optional) {
            refuse(std::string(node_.operation) + " has another " + name);
        }
        if (a != nullptr) ++seen_;
        return *this;
    }

    const Node& node_;
    std::size_t seen_ = 0;
};

const Tensor& constant(const Graph& g, std::string_view name, onnx::ElementType type) {
    const Tensor* t = g.tensor(name);
    if (t == nullptr || t->type != type) {
        refuse("'" + std::string(name) + "' is not a constant of the expected type");
    }
    return *t;
}

struct Layer {
    const Tensor* weights;
    const Tensor* biases;
};

Layer read_convolution(const Graph& g, const Node& node) {
    Attributes(node)
        .integers("kernel_shape", {3, 3}, true)
        .integers("pads", {0, 0, 0, 0}, true)
        .integers("strides", {1, 1}, true)
        .integers("dilations", {1, 1}, true)
        .integer("group", 1, true)
        .text("auto_pad", "NOTSET", true)
        .nothing_else();
    const Layer layer = {&constant(g, node.inputs[1], onnx::float32),
                         &constant(g, node.inputs[2], onnx::float32)};
    const Integers& shape = layer.weights->shape;
    if (shape.size() != 4 || shape[2] != 3 || shape[3] != 3 ||
        layer.biases->shape != Integers{shape[0]}) {
        refuse("a convolution is not 3x3, or its biases do not match its weights");
    }
    return layer;
}

// Convolutions from the residual back to the picture; returns them first to last.
std::vector<Layer> read_layers(const Graph& g, std::string_view residual, std::string_view picture,
                               int cell_side) {
    constexpr std::size_t most_layers = 16;
    std::vector<Layer> layers;
    std::string_view value = residual;
    for (;;) {
        const Node& convolution = expect(g, value, "Conv", 3);
        layers.push_back(read_convolution(g, convolution));
        const Node* before = g.producer(convolution.inputs[0]);
        if (before == nullptr || before->operation != "Relu") {
            value = convolution.inputs[0];
            break;
        }
        if (layers.size() == most_layers) refuse("it has more than 16 convolutions");
        const Node& relu = expect(g, convolution.inputs[0], "Relu", 1);
        Attributes(relu).nothing_else();
        value = relu.inputs[0];
    }
    if (cell_side > 1) {
        const Node& cells = expect(g, value, "SpaceToDepth", 1);
        Attributes(cells).integer("blocksize", cell_side).nothing_else();
        value = cells.inputs[0];
    }
    const Node& pad = expect(g, value, "Pad", 2);
    Attributes(pad).text("mode", "edge").nothing_else();
    const auto m = static_cast<std::int64_t>(layers.size()) * cell_side;
    if (pad.inputs[0] != picture ||
        constant(g, pad.inputs[1], onnx::int64).integers != Integers{0, 0, m, m, 0, 0, m, m}) {
        refuse("the picture is not padded by one pixel (cell) a layer");
    }
    std::reverse(layers.begin(), layers.end());
    return layers;
}

// Returns the factor.
int read_enlargement(const Graph& g, const Node& resize, std::string_view picture) {
    Attributes(resize)
        .text("mode", "cubic")
        .real("cubic_coeff_a", -0.5F)
        .text("coordinate_transformation_mode", "half_pixel", true)
        .integer("exclude_outside", 0, true)
        .nothing_else();
    const Tensor& scales = constant(g, resize.inputs[2], onnx::float32);
    if (resize.inputs[0] != picture || !resize.inputs[1].empty() || scales.floats.size() != 4 ||
        scales.floats[0] != 1 || scales.floats[1] != 1 || scales.floats[2] != scales.floats[3]) {
        refuse("the bicubic base does not enlarge the picture evenly");
    }
    for (int s = 2; s <= 4; ++s) {
        if (scales.floats[2] == static_cast<float>(s)) return s;
    }
    refuse("its scale is not 2, 3 or 4");
}

Network collect(const Architecture& a, const std::vector<Layer>& layers) {
    Network network{a, {}};
    network.parameters.reserve(parameter_count(a));
    for (int i = 0; i < a.layers; ++i) {
        const Layer& layer = layers[static_cast<std::size_t>(i)];
        const Integers wanted = {output_channels(a, i), input_channels(a, i), 3, 3};
        if (layer.weights->shape != wanted) {
            refuse("convolution " + std::to_string(i) + " has " +
                   std::to_string(layer.weights->shape[1]) + " to " +
                   std::to_string(layer.weights->shape[0]) + " channels instead of " +
                   std::to_string(wanted[1]) + " to " + std::to_string(wanted[0]));
        }
        for (const Tensor* t : {layer.weights, layer.biases}) {
            if (!std::all_of(t->floats.begin(), t->floats.end(),
                             [](float v) { return std::isfinite(v); })) {
                throw ModelFileError("tensor '" + std::string(t->name) +
                                     "' has values that are not finite");
            }
            network.parameters.insert(network.parameters.end(), t->floats.begin(), t->floats.end());
        }
    }
    return network;
}

}  // namespace

Network read_onnx(std::span<const std::uint8_t> bytes) {
    const Graph g = onnx::parse(bytes);
    if (g.opset < 13) {
        refuse("it is written for opset " + std::to_string(g.opset) + " (13 or newer is needed)");
    }
    if (g.inputs.size() != 1 || g.outputs.size() != 1) {
        refuse("it has " + std::to_string(g.inputs.size()) + " inputs and " +
               std::to_string(g.outputs.size()) + " outputs instead of one each");
    }
    const std::string_view picture = g.inputs[0];
    const Node& add = expect(g, g.outputs[0], "Add", 2);
    const Node* first = g.producer(add.inputs[0]);
    const bool base_first = first == nullptr || first->operation == "Resize";
    const std::string_view base = add.inputs[base_first ? 0 : 1];
    const Node& shuffle = expect(g, add.inputs[base_first ? 1 : 0], "DepthToSpace", 1);

    Architecture a;
    a.scale = base == picture ? 1 : read_enlargement(g, expect(g, base, "Resize", 3), picture);
    // Of one plane, CRD and DCR are the same shuffle; DCR is the default.
    const Attribute* mode = shuffle.attribute("mode");
    Attributes(shuffle)
        .integer("blocksize", output_side(a))
        .text("mode", mode != nullptr && mode->text == "DCR" ? "DCR" : "CRD", true)
        .nothing_else();
    const std::vector<Layer> layers = read_layers(g, shuffle.inputs[0], picture, cell_side(a));
    a.layers = static_cast<int>(layers.size());
    a.channels =
        static_cast<int>(std::clamp<std::int64_t>(layers[0].weights->shape[0], 0, 1 << 16));
    if (const std::string problem = describe_problem(a); !problem.empty()) refuse(problem);
    // Two for each layer, less one Relu, and Pad, DepthToSpace, Resize or SpaceToDepth, Add.
    if (g.nodes.size() != layers.size() * 2 + 3) refuse("it has more operations than the family");
    return collect(a, layers);
}

}  // namespace livesr
