// The training step of the network family in libtorch, on one thread. For every line on standard
// input it takes one step and prints its milliseconds: the benchmark alternates the contenders.
//   libtorch-step SCALE CHANNELS LAYERS BATCH WINDOW
#include <time.h>
#include <torch/torch.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

namespace {

constexpr double charbonnier = 0.01;

double thread_milliseconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

struct Convolution {
    torch::Tensor weight;
    torch::Tensor bias;
};

std::vector<Convolution> make_layers(int scale, int channels, int layers) {
    std::vector<Convolution> result;
    for (int l = 0; l < layers; ++l) {
        const int in = l == 0 ? 1 : channels;
        const int out = l + 1 == layers ? scale * scale : channels;
        const auto options = torch::TensorOptions().requires_grad(true);
        result.push_back({torch::empty({out, in, 3, 3}, options), torch::zeros({out}, options)});
        const torch::NoGradGuard guard;
        result.back().weight.normal_(0, 0.1);
    }
    return result;
}

torch::Tensor forward(const std::vector<Convolution>& layers, torch::Tensor x) {
    for (std::size_t l = 0; l < layers.size(); ++l) {
        x = torch::conv2d(x, layers[l].weight, layers[l].bias);
        if (l + 1 < layers.size()) x = torch::relu(x);
    }
    return x;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 6) {
        std::cerr << "usage: libtorch-step SCALE CHANNELS LAYERS BATCH WINDOW\n";
        return 2;
    }
    const int scale = std::atoi(argv[1]);
    const int layer_count = std::atoi(argv[3]);
    const int batch = std::atoi(argv[4]);
    const int window = std::atoi(argv[5]);
    at::set_num_threads(1);
    torch::manual_seed(1);

    const auto layers = make_layers(scale, std::atoi(argv[2]), layer_count);
    std::vector<torch::Tensor> parameters;
    for (const Convolution& layer : layers) {
        parameters.push_back(layer.weight);
        parameters.push_back(layer.bias);
    }
    torch::optim::Adam adam(parameters, torch::optim::AdamOptions(1e-4));
    const int side = window + 2 * layer_count;
    const auto low = torch::rand({batch, 1, side, side});
    const auto residual = 0.1 * torch::randn({batch, scale * scale, window, window});

    std::string line;
    while (std::getline(std::cin, line)) {
        const double begin = thread_milliseconds();
        adam.zero_grad();
        const auto error = forward(layers, low) - residual;
        const auto root = torch::sqrt(error * error + charbonnier * charbonnier);
        (root.mean() - charbonnier).backward();
        adam.step();
        std::cout << thread_milliseconds() - begin << std::endl;
    }
}
