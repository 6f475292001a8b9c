#include "core/model/onnx_graph.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

#include "core/model/model_file.h"

namespace livesr::onnx {
namespace {

using protobuf::Bytes;
using protobuf::Field;
using protobuf::Reader;

constexpr auto bytes_kind = Field::Kind::bytes;
constexpr auto varint_kind = Field::Kind::varint;

// Calls visit(field) for each field of a message.
template <typename Visit>
void for_each_field(Bytes message, const char* what, Visit visit) {
    Reader reader(message);
    while (const auto field = reader.next()) visit(*field);
    if (reader.failed()) {
        throw ModelFileError(std::string("not an ONNX file, or a truncated one: its ") + what +
                             " is not well-formed protobuf");
    }
}

// A repeated integer field, packed or not.
void append_integers(const Field& field, std::vector<std::int64_t>& out) {
    if (field.kind == varint_kind) {
        out.push_back(field.integer());
        return;
    }
    if (field.kind != bytes_kind)
        throw ModelFileError("not an ONNX file: a list of integers is not");
    // Every element takes at least a byte, so that the list is no longer than what was read.
    std::size_t count = 0;
    for (const std::uint8_t b : field.data) count += (b & 0x80) == 0 ? 1 : 0;
    out.reserve(out.size() + count);
    Reader reader(field.data);
    for (; count > 0; --count) {
        const auto value = reader.varint();
        if (!value) throw ModelFileError("not an ONNX file: a list of integers is malformed");
        out.push_back(static_cast<std::int64_t>(*value));
    }
}

void append_floats(const Field& field, std::vector<float>& out) {
    if (field.kind == Field::Kind::fixed32) {
        out.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(field.value)));
        return;
    }
    if (field.kind != bytes_kind || field.data.size() % 4 != 0) {
        throw ModelFileError("not an ONNX file: a list of floats is malformed");
    }
    out.reserve(out.size() + field.data.size() / 4);
    for (std::size_t i = 0; i < field.data.size(); i += 4) {
        std::uint32_t bits = 0;
        for (std::size_t j = 0; j < 4; ++j) bits |= std::uint32_t{field.data[i + j]} << (8 * j);
        out.push_back(std::bit_cast<float>(bits));
    }
}

void decode_raw(Tensor& t) {
    if (t.type == float32 && t.raw.size() % 4 == 0) {
        Field all;
        all.kind = bytes_kind;
        all.data = t.raw;
        append_floats(all, t.floats);
    } else if (t.type == int64 && t.raw.size() % 8 == 0) {
        for (std::size_t i = 0; i < t.raw.size(); i += 8) {
            std::uint64_t value = 0;
            for (std::size_t j = 0; j < 8; ++j) value |= std::uint64_t{t.raw[i + j]} << (8 * j);
            t.integers.push_back(static_cast<std::int64_t>(value));
        }
    }
}

// Whether a tensor has as many values as its shape says, without trusting the product not to
// overflow.
bool is_complete(const Tensor& t) {
    std::size_t expected = 1;
    for (const std::int64_t d : t.shape) {
        if (d < 0) return false;
        const auto side = static_cast<std::uint64_t>(d);
        if (side != 0 && expected > std::numeric_limits<std::uint32_t>::max() / side) return false;
        expected *= side;
    }
    const std::size_t values = t.type == float32 ? t.floats.size() : t.integers.size();
    return values == expected;
}

Tensor parse_tensor(Bytes message) {
    Tensor t;
    bool elsewhere = false;
    for_each_field(message, "tensor", [&](const Field& f) {
        if (f.number == 1) append_integers(f, t.shape);
        if (f.number == 2 && f.kind == varint_kind) t.type = f.integer();
        if (f.number == 4) append_floats(f, t.floats);
        if (f.number == 7) append_integers(f, t.integers);
        if (f.number == 8 && f.kind == bytes_kind) t.name = f.text();
        if (f.number == 9 && f.kind == bytes_kind) t.raw = f.data;
        if (f.number == 14 && f.kind == varint_kind && f.value != 0) elsewhere = true;
    });
    const std::string name(t.name);
    if (elsewhere) {
        throw ModelFileError("tensor '" + name +
                             "' is kept in another file: save the model with its weights inside");
    }
    if (!t.raw.empty()) {
        if (!t.floats.empty() || !t.integers.empty()) {
            throw ModelFileError("tensor '" + name + "' has its values twice");
        }
        decode_raw(t);
    }
    if ((t.type == float32 || t.type == int64) && !is_complete(t)) {
        throw ModelFileError("tensor '" + name +
                             "' does not have as many values as its shape says");
    }
    return t;
}

Attribute parse_attribute(Bytes message) {
    Attribute a;
    for_each_field(message, "attribute", [&](const Field& f) {
        if (f.number == 1 && f.kind == bytes_kind) a.name = f.text();
        if (f.number == 2 && f.kind == Field::Kind::fixed32) {
            a.real = std::bit_cast<float>(static_cast<std::uint32_t>(f.value));
        }
        if (f.number == 3 && f.kind == varint_kind) a.integer = f.integer();
        if (f.number == 4 && f.kind == bytes_kind) a.text = f.text();
        if (f.number == 8) append_integers(f, a.integers);
    });
    return a;
}

Node parse_node(Bytes message) {
    Node n;
    std::string_view domain;
    for_each_field(message, "node", [&](const Field& f) {
        if (f.kind != bytes_kind) return;
        if (f.number == 1) n.inputs.push_back(f.text());
        if (f.number == 2) n.outputs.push_back(f.text());
        if (f.number == 4) n.operation = f.text();
        if (f.number == 5) n.attributes.push_back(parse_attribute(f.data));
        if (f.number == 7) domain = f.text();
    });
    if (!domain.empty() && domain != "ai.onnx") {
        throw ModelFileError("not a livesr network: operation " + std::string(n.operation) +
                             " is of domain " + std::string(domain));
    }
    return n;
}

std::string_view parse_value_name(Bytes message) {
    std::string_view name;
    for_each_field(message, "value", [&](const Field& f) {
        if (f.number == 1 && f.kind == bytes_kind) name = f.text();
    });
    return name;
}

// Appends to a list of the graph. The family has under a hundred of anything; the bound keeps a
// file of a million empty nodes from taking many times its size, and from being searched for ever.
template <typename T>
void append(std::vector<T>& list, T element) {
    constexpr std::size_t most = 1000;
    if (list.size() == most) {
        throw ModelFileError("not a livesr network: its graph has thousands of parts");
    }
    list.push_back(std::move(element));
}

void parse_graph(Bytes message, Graph& g) {
    for_each_field(message, "graph", [&](const Field& f) {
        if (f.kind != bytes_kind) return;
        if (f.number == 1) append(g.nodes, parse_node(f.data));
        if (f.number == 5) append(g.tensors, parse_tensor(f.data));
        if (f.number == 11) append(g.inputs, parse_value_name(f.data));
        if (f.number == 12) append(g.outputs, parse_value_name(f.data));
    });
    // Files of older writers list initializers as inputs too.
    std::erase_if(g.inputs, [&](std::string_view name) { return g.tensor(name) != nullptr; });
}

}  // namespace

const Attribute* Node::attribute(std::string_view wanted) const {
    const auto found = std::find_if(attributes.begin(), attributes.end(),
                                    [&](const Attribute& a) { return a.name == wanted; });
    return found == attributes.end() ? nullptr : &*found;
}

const Node* Graph::producer(std::string_view value) const {
    const auto found = std::find_if(nodes.begin(), nodes.end(), [&](const Node& n) {
        return std::find(n.outputs.begin(), n.outputs.end(), value) != n.outputs.end();
    });
    return found == nodes.end() ? nullptr : &*found;
}

const Tensor* Graph::tensor(std::string_view name) const {
    const auto found = std::find_if(tensors.begin(), tensors.end(),
                                    [&](const Tensor& t) { return t.name == name; });
    return found == tensors.end() ? nullptr : &*found;
}

Graph parse(Bytes file) {
    if (file.empty()) throw ModelFileError("not an ONNX file: it is empty");
    Graph g;
    Bytes graph;
    std::int64_t ir_version = 0;
    for_each_field(file, "model", [&](const Field& f) {
        if (f.number == 1 && f.kind == varint_kind) ir_version = f.integer();
        if (f.number == 7 && f.kind == bytes_kind) graph = f.data;
        if (f.number == 8 && f.kind == bytes_kind) {
            std::string_view domain;
            std::int64_t version = 0;
            for_each_field(f.data, "opset", [&](const Field& o) {
                if (o.number == 1 && o.kind == bytes_kind) domain = o.text();
                if (o.number == 2 && o.kind == varint_kind) version = o.integer();
            });
            if (domain.empty() || domain == "ai.onnx") g.opset = version;
        }
    });
    if (ir_version == 0 || graph.empty()) {
        throw ModelFileError("not an ONNX file: it has no IR version or no graph");
    }
    parse_graph(graph, g);
    return g;
}

}  // namespace livesr::onnx
