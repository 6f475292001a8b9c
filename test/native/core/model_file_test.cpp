// ONNX model files: what is written is read, what is not ours is refused with a reason. That other
// readers compute the same from them is tested with ONNX Runtime (unit/model-file.test.ts).
#include "core/model/model_file.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <string>

#include "../bytes.h"
#include "core/model/protobuf.h"

namespace livesr {
namespace {

using protobuf::Field;
using protobuf::Reader;
using protobuf::Writer;
using test::Bytes;
using Path = std::vector<int>;

Network random_network(const Architecture& a, unsigned seed) {
    Network n = make_network(a, seed);
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> values(-1, 1);
    for (float& p : n.parameters) p = values(random);
    return n;
}

const Bytes& small_file() {
    static const Bytes file = write_onnx(random_network({2, 8, 3}, 1));
    return file;
}

// Copies a field as it is.
void copy(const Field& f, Writer& out) {
    switch (f.kind) {
        case Field::Kind::varint:
            out.integer(f.number, f.integer());
            break;
        case Field::Kind::fixed32:
            out.real(f.number, std::bit_cast<float>(static_cast<std::uint32_t>(f.value)));
            break;
        case Field::Kind::bytes:
            out.bytes(f.number, f.data);
            break;
        case Field::Kind::fixed64:
            FAIL("ONNX has no fixed64 field that we write");
    }
}

// Rewrites a file: edit(path, field, out) returns true when it has written the field in its own way
// (or left it out). Paths are field numbers from ModelProto down.
using Edit = std::function<bool(const Path&, const Field&, Writer&)>;

Writer rewritten(std::span<const std::uint8_t> message, const Path& at, const Edit& edit) {
    static const std::vector<Path> messages = {{7},        {8},           {7, 1},       {7, 1, 5},
                                               {7, 5},     {7, 11},       {7, 12},      {7, 11, 2},
                                               {7, 12, 2}, {7, 11, 2, 1}, {7, 12, 2, 1}};
    Writer out;
    Reader reader(message);
    while (const auto field = reader.next()) {
        Path path = at;
        path.push_back(field->number);
        if (edit(path, *field, out)) continue;
        if (std::find(messages.begin(), messages.end(), path) != messages.end()) {
            out.message(field->number, rewritten(field->data, path, edit));
        } else {
            copy(*field, out);
        }
    }
    REQUIRE_FALSE(reader.failed());
    return out;
}

Bytes edited(const Edit& edit) { return rewritten(small_file(), {}, edit).take(); }

// The reason a file is refused for; empty when it is not.
std::string refusal(std::span<const std::uint8_t> file) {
    try {
        read_onnx(file);
        return "";
    } catch (const ModelFileError& error) {
        return error.what();
    }
}

// Replaces every text at `path` that is `from`.
Edit replace_text(Path path, std::string from, std::string to) {
    return [=](const Path& at, const Field& f, Writer& out) {
        if (at != path || f.text() != from) return false;
        out.text(f.number, to);
        return true;
    };
}

#define CHECK_REFUSED(file, reason)                   \
    do {                                              \
        const std::string why = refusal(file);        \
        CAPTURE(why);                                 \
        CHECK(why.find(reason) != std::string::npos); \
    } while (false)

}  // namespace

TEST_CASE("model file: every architecture comes back as it went, to the bit") {
    for (const Architecture& a : {Architecture{2, 8, 2},
                                  {2, 16, 4},
                                  {3, 16, 4},
                                  {4, 16, 4},
                                  {3, 32, 6},
                                  {4, 64, 16},
                                  {2, 24, 5}}) {
        const Network written = random_network(a, 7);
        const Network read = read_onnx(write_onnx(written));
        CHECK(read.architecture == a);
        CHECK(read.parameters == written.parameters);
    }
}

TEST_CASE("model file: the same network gives the same bytes") {
    CHECK(write_onnx(random_network({3, 16, 4}, 3)) == write_onnx(random_network({3, 16, 4}, 3)));
}

TEST_CASE("model file: names are of no account") {
    // Every value, node and initializer gets another name; operations and attributes keep theirs.
    const Bytes file = edited([](const Path& at, const Field& f, Writer& out) {
        static const std::vector<Path> names = {{7, 1, 1}, {7, 1, 2},  {7, 1, 3}, {7, 2},
                                                {7, 5, 8}, {7, 11, 1}, {7, 12, 1}};
        if (std::find(names.begin(), names.end(), at) == names.end() || f.data.empty()) {
            return false;
        }
        out.text(f.number, "renamed/" + std::string(f.text()));
        return true;
    });
    CHECK(file != small_file());
    CHECK(read_onnx(file).parameters == read_onnx(small_file()).parameters);
}

TEST_CASE("model file: weights may stand as lists of numbers instead of raw bytes") {
    for (const bool packed : {false, true}) {
        const Bytes file = edited([&](const Path& at, const Field& f, Writer& out) {
            if (at != Path{7, 5}) return false;
            std::int64_t type = 0;
            Writer tensor;
            Reader fields(f.data);
            while (const auto field = fields.next()) {
                if (field->number == 2) type = field->integer();
                if (field->number != 9) {
                    copy(*field, tensor);
                } else if (type == 1 && packed) {
                    tensor.bytes(4, field->data);
                } else if (type == 1) {
                    for (std::size_t i = 0; i < field->data.size(); i += 4) {
                        float value;
                        std::memcpy(&value, field->data.data() + i, 4);
                        tensor.real(4, value);
                    }
                } else {
                    for (std::size_t i = 0; i < field->data.size(); i += 8) {
                        std::int64_t value;
                        std::memcpy(&value, field->data.data() + i, 8);
                        tensor.integer(7, value);
                    }
                }
            }
            out.message(5, tensor);
            return true;
        });
        CHECK(read_onnx(file).parameters == read_onnx(small_file()).parameters);
    }
}

TEST_CASE("model file: what is not ONNX is refused as that") {
    CHECK_REFUSED(Bytes{}, "empty");
    CHECK_REFUSED(Bytes(100, 0), "not an ONNX file");
    const std::string text = "livesr is not a model\n";
    CHECK_REFUSED(Bytes(text.begin(), text.end()), "not an ONNX file");
    CHECK_REFUSED((Bytes{0x08, 0x08}), "no graph");
    std::mt19937 random(1);
    for (int round = 0; round < 2000; ++round) {
        CHECK_FALSE(refusal(test::random_bytes(1 + random() % 300, random)).empty());
    }
}

TEST_CASE("model file: cut off anywhere it is refused") {
    for (std::size_t size = 0; size < small_file().size(); ++size) {
        const Bytes part(small_file().begin(),
                         small_file().begin() + static_cast<std::ptrdiff_t>(size));
        CAPTURE(size);
        REQUIRE_FALSE(refusal(part).empty());
    }
}

TEST_CASE("model file: a damaged file is refused, or is a network with finite weights") {
    std::mt19937 random(2);
    int refused = 0;
    for (int round = 0; round < 4000; ++round) {
        Bytes file = small_file();
        file[random() % file.size()] = static_cast<std::uint8_t>(random());
        try {
            const Network n = read_onnx(file);
            REQUIRE(describe_problem(n.architecture).empty());
            REQUIRE(n.parameters.size() == parameter_count(n.architecture));
            for (const float p : n.parameters) REQUIRE(std::isfinite(p));
        } catch (const ModelFileError&) {
            ++refused;
        }
    }
    CHECK(refused > 100);
}

TEST_CASE("model file: another graph is refused by what differs") {
    const Path operation = {7, 1, 4}, text_attribute = {7, 1, 5, 4};
    CHECK_REFUSED(edited(replace_text(operation, "Relu", "Sigmoid")),
                  "expected Pad where it has Sigmoid");
    CHECK_REFUSED(edited(replace_text(operation, "Add", "Sub")), "expected Add where it has Sub");
    CHECK_REFUSED(edited(replace_text(operation, "DepthToSpace", "SpaceToDepth")),
                  "expected DepthToSpace");
    CHECK_REFUSED(edited(replace_text(text_attribute, "edge", "reflect")), "Pad has another mode");
    CHECK_REFUSED(edited(replace_text(text_attribute, "cubic", "linear")),
                  "Resize has another mode");
    CHECK_REFUSED(edited(replace_text(text_attribute, "half_pixel", "align_corners")),
                  "another coordinate_transformation_mode");
    CHECK_REFUSED(edited(replace_text({7, 1, 1}, "biases1", "nowhere")),
                  "'nowhere' is not a constant");
    CHECK_REFUSED(edited(replace_text({7, 11, 1}, "lr", "weights0")), "0 inputs");
    CHECK_REFUSED(edited(replace_text({7, 12, 1}, "hr", "base")),
                  "expected Add where it has Resize");
}

TEST_CASE("model file: another cubic, an older opset, and left-over operations are refused") {
    CHECK_REFUSED(edited([](const Path& at, const Field& f, Writer& out) {
                      if (at != Path{7, 1, 5, 2}) return false;
                      out.real(f.number, -0.75F);
                      return true;
                  }),
                  "Resize has another cubic_coeff_a");
    CHECK_REFUSED(edited([](const Path& at, const Field& f, Writer& out) {
                      if (at != Path{8, 2}) return false;
                      out.integer(f.number, 9);
                      return true;
                  }),
                  "opset 9");
    CHECK_REFUSED(edited([](const Path& at, const Field& f, Writer& out) {
                      if (at != Path{7, 2}) return false;
                      Writer node;
                      node.text(1, "lr");
                      node.text(2, "unused");
                      node.text(4, "Relu");
                      out.message(1, node);
                      copy(f, out);
                      return true;
                  }),
                  "more operations");
    CHECK_REFUSED(edited([](const Path& at, const Field& f, Writer& out) {
                      if (at != Path{7, 1, 4} || f.text() != "Relu") return false;
                      out.text(4, "Relu");
                      out.text(7, "com.example");
                      return true;
                  }),
                  "domain com.example");
}

TEST_CASE("model file: scales and channels outside the family are refused") {
    CHECK_REFUSED(edited([](const Path& at, const Field& f, Writer& out) {
                      if (at != Path{7, 1, 5, 3} || f.integer() != 2) return false;
                      out.integer(f.number, 5);
                      return true;
                  }),
                  "DepthToSpace has another blocksize");
    const auto with_scales = [](float s) {
        return edited([s](const Path& at, const Field& f, Writer& out) {
            if (at != Path{7, 5, 9} || f.data.size() != 16) return false;
            Writer values;
            for (const float v : {1.0F, 1.0F, s, s}) values.real(1, v);
            Bytes raw;  // without the tags
            for (std::size_t i = 0; i < values.data().size(); ++i) {
                if (i % 5 != 0) raw.push_back(values.data()[i]);
            }
            out.bytes(9, raw);
            return true;
        });
    };
    CHECK(refusal(with_scales(2)).empty());
    CHECK_REFUSED(with_scales(5), "scale is not 2, 3 or 4");
    CHECK_REFUSED(with_scales(2.5F), "scale is not 2, 3 or 4");
    CHECK_REFUSED(with_scales(3), "DepthToSpace has another blocksize");
}

TEST_CASE("model file: weights that are not finite are refused, by the tensor's name") {
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
          -std::numeric_limits<float>::infinity()}) {
        Network n = random_network({2, 8, 3}, 1);
        n.parameters[parameter_offset(n.architecture, 1) + 5] = bad;
        CHECK_REFUSED(write_onnx(n), "tensor 'weights1' has values that are not finite");
    }
}

TEST_CASE("model file: a tensor that lies about its shape is refused without allocating for it") {
    for (const std::int64_t lie :
         {std::int64_t{0}, std::int64_t{-8}, std::int64_t{16}, std::int64_t{1} << 40,
          std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()}) {
        CHECK_REFUSED(edited([&](const Path& at, const Field& f, Writer& out) {
                          if (at != Path{7, 5, 1} || f.integer() != 8) return false;
                          out.integer(1, lie);
                          return true;
                      }),
                      "as its shape says");
    }
    CHECK_REFUSED(edited([](const Path& at, const Field& f, Writer& out) {
                      if (at != Path{7, 5, 2}) return false;
                      out.integer(2, f.integer());
                      out.integer(14, 1);
                      return true;
                  }),
                  "kept in another file");
}

TEST_CASE("model file: a graph of a million empty parts is refused at once") {
    for (const int part : {1, 5, 11, 12}) {
        Writer graph;
        for (int i = 0; i < 1'000'000; ++i) graph.bytes(part, {});
        Writer model;
        model.integer(1, 8);
        model.message(7, graph);
        CHECK_REFUSED(model.data(), "thousands of parts");
    }
}

TEST_CASE("model file: a network outside the family is not written") {
    CHECK_THROWS_AS(write_onnx(Network{{5, 8, 3}, {}}), ModelFileError);
    CHECK_THROWS_AS(write_onnx(Network{{2, 8, 3}, {1, 2, 3}}), ModelFileError);
}

}  // namespace livesr
