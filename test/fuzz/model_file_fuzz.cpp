// ONNX model files.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/model/model_file.h"
#include "targets.h"

namespace livesr::fuzz {

void model_file(Input input) {
    const std::vector<std::uint8_t> file(input.begin(), input.end());
    Network network;
    try {
        network = read_onnx(file);
    } catch (const ModelFileError& error) {
        require(std::strlen(error.what()) > 0, "a refusal has a reason");
        return;
    }
    require(describe_problem(network.architecture).empty(), "a network of the family");
    require(network.parameters.size() == parameter_count(network.architecture),
            "as many parameters as the architecture has");
    require(std::all_of(network.parameters.begin(), network.parameters.end(),
                        [](float p) { return std::isfinite(p); }),
            "finite weights");
    require(read_onnx(write_onnx(network)).parameters == network.parameters,
            "what was read can be written and read again");
}

}  // namespace livesr::fuzz
