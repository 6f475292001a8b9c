// Which network the element starts from: the property's text turned into weights, or into a cause
// and a remedy.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "core/network/network.h"

namespace livesr::gst {

struct ModelChoice {
    std::optional<Network> network;  // empty: bicubic
    // Empty when all is well. With a model named by path the start must fail; else it is a warning.
    std::string cause;
    std::string remedy;
    bool must_fail = false;
};

// model: "bicubic", "generic" (generic-x<scale>.onnx in models_directory()), "small"
// (generic-x<scale>-small.onnx there), or a path.
ModelChoice choose_model(const std::string& model, int scale);

struct ModelChoices {
    std::map<int, Network> networks;  // by scale; none: bicubic
    // Of what takes less time, for frames that have none; without those that are not there.
    std::map<int, Network> small;
    // As in ModelChoice.
    std::string cause;
    std::string remedy;
    bool must_fail = false;
};

// The networks for this scale, or for all that a sender may send at when it is 0: a model named by
// its path is that of its own scale then, the others are generic.
ModelChoices choose_models(const std::string& model, int scale);

// $LIVESR_MODELS, else the folder `models` beside the one that the plugin lies in.
std::string models_directory();

}  // namespace livesr::gst
