// videodiffcr-train: trains and judges models. Exit status: 0 done, 1 failed, 2 a wrong flag or value.
#include <exception>
#include <iostream>
#include <string_view>
#include <vector>

#include "command_line/subcommands.h"
#include "training/command/evaluate_command.h"
#include "training/command/figures_command.h"
#include "training/command/train_command.h"

namespace videodiffcr::training {
namespace {

constexpr Subcommand kSubcommands[] = {
    {"autoencoder", "trains the autoencoder", &AutoencoderHelp, &RunAutoencoder},
    {"classifier", "trains the classifier that judges", &ClassifierHelp, &RunClassifier},
    {"denoiser", "trains the causal denoiser and its text encoder", &DenoiserHelp, &RunDenoiser},
    {"distill", "distills the denoiser to few steps", &DistillHelp, &RunDistill},
    {"routers", "teaches the routers which tokens matter", &RoutersHelp, &RunRouters},
    {"videodiffcr", "learns what each layer and step keeps", &VideodiffcrHelp, &RunVideodiffcr},
    {"wording", "teaches the text encoder other words for background colours", &WordingHelp, &RunWording},
    {"figures", "draws what routers and retention tables do", &FiguresHelp, &RunFigures},
    {"evaluate", "says how often a model shows what its prompts say", &EvaluateHelp, &RunEvaluate},
};

constexpr Program kProgram = {"videodiffcr-train", "trains and judges models", kSubcommands};

}  // namespace
}  // namespace videodiffcr::training

int main(int argc, char** argv) {
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  try {
    return videodiffcr::RunSubcommand(videodiffcr::training::kProgram, arguments, std::cout, std::cerr);
  } catch (const std::exception& error) {  // LibTorch throws when memory runs out
    std::cerr << "videodiffcr-train: " << error.what() << "\n";
    return 1;
  }
}
