// Finding and reading the model file.
#include "gst/enhancer/model_choice.h"

#include <dlfcn.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "core/model/model_file.h"

namespace livesr::gst {
namespace {

// Far above the largest network of the family (about 2 MB).
constexpr std::uintmax_t max_model_bytes = 64U << 20U;

}  // namespace

std::string models_directory() {
    if (const char* set = std::getenv("LIVESR_MODELS"); set != nullptr && *set != '\0') return set;
    Dl_info info{};
    if (dladdr(reinterpret_cast<const void*>(&models_directory), &info) == 0 ||
        info.dli_fname == nullptr) {
        return "models";
    }
    std::error_code ignored;
    const auto plugin = std::filesystem::absolute(info.dli_fname, ignored);
    return (plugin.parent_path().parent_path() / "models").lexically_normal().string();
}

ModelChoices choose_models(const std::string& model, int scale) {
    ModelChoices all;
    if (model == "bicubic") return all;
    const auto add = [&all](ModelChoice choice) {
        if (choice.network) {
            all.networks.try_emplace(choice.network->architecture.scale, *choice.network);
        } else if (all.cause.empty()) {
            all.cause = std::move(choice.cause);
            all.remedy = std::move(choice.remedy);
            all.must_fail = choice.must_fail;
        }
    };
    const bool is_small = model == "small";
    const bool is_ours = is_small || model == "generic";
    if (scale != 0 || !is_ours) add(choose_model(model, scale));
    for (const int each : {1, 2, 3, 4}) {
        if (scale == 0) add(choose_model(is_small ? model : "generic", each));
    }
    if (is_small) return all;
    for (const auto& [each, network] : all.networks) {
        if (auto choice = choose_model("small", each); choice.network) {
            all.small.try_emplace(each, std::move(*choice.network));
        }
    }
    return all;
}

ModelChoice choose_model(const std::string& model, int scale) {
    ModelChoice choice;
    if (model == "bicubic") return choice;

    const bool small = model == "small";
    const bool generic = small || model == "generic";
    const std::string file_name =
        "generic-x" + std::to_string(scale) + (small ? "-small.onnx" : ".onnx");
    const std::string path =
        generic ? (std::filesystem::path(models_directory()) / file_name).string() : model;
    const auto refuse = [&](std::string cause, std::string remedy) {
        choice.network.reset();
        choice.cause = std::move(cause);
        choice.remedy = std::move(remedy);
        choice.must_fail = !generic;
        return choice;
    };
    const std::string other_ways =
        generic
            ? "Install the models beside the plugin, name their folder in LIVESR_MODELS, or set "
              "model=bicubic; without one the picture starts from bicubic."
            : "Give the path of an ONNX file that livesr pretrain wrote, or set model=generic, "
              "model=small or model=bicubic.";

    std::error_code error;
    const auto size = std::filesystem::file_size(path, error);
    if (error) {
        return refuse("Model file " + path + " cannot be read: " + error.message() + ".",
                      other_ways);
    }
    if (size > max_model_bytes) {
        return refuse("Model file " + path + " has " + std::to_string(size) +
                          " bytes, more than any network of livesr.",
                      other_ways);
    }
    errno = 0;
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    if (!file.is_open() || file.bad() || bytes.size() != size) {
        return refuse("Model file " + path + " cannot be read: " +
                          (errno != 0 ? std::strerror(errno) : "it was cut short") + ".",
                      other_ways);
    }
    try {
        choice.network =
            read_onnx({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    } catch (const ModelFileError& fault) {
        return refuse("Model file " + path + " is not a livesr network: " + fault.what(),
                      other_ways);
    }
    const int model_scale = choice.network->architecture.scale;
    if (scale != 0 && model_scale != scale) {
        return refuse(
            "Model file " + path + " enlarges " + std::to_string(model_scale) +
                " times, but the scale is " + std::to_string(scale) + ".",
            "Set scale=" + std::to_string(model_scale) + ", or choose a model for this scale.");
    }
    return choice;
}

}  // namespace livesr::gst
