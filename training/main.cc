// videodiffcr-train: trains and judges models. Exit status: 0 done, 1 failed, 2 a wrong flag or value.
#include <algorithm>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "training/command/evaluate_command.h"
#include "training/command/train_command.h"

namespace videodiffcr::training {
namespace {

struct Subcommand {
  std::string_view name;
  std::string_view summary;
  std::string (*help)();
  absl::Status (*run)(const std::vector<std::string_view>& arguments);
};

constexpr Subcommand kSubcommands[] = {
    {"autoencoder", "trains the autoencoder", &AutoencoderHelp, &RunAutoencoder},
    {"classifier", "trains the classifier that judges", &ClassifierHelp, &RunClassifier},
    {"denoiser", "trains the causal denoiser and its text encoder", &DenoiserHelp, &RunDenoiser},
    {"distill", "distills the denoiser to few steps", &DistillHelp, &RunDistill},
    {"routers", "teaches the routers which tokens matter", &RoutersHelp, &RunRouters},
    {"wording", "teaches the text encoder other words for background colours", &WordingHelp, &RunWording},
    {"evaluate", "says how often a model shows what its prompts say", &EvaluateHelp, &RunEvaluate},
};

bool IsHelp(std::string_view argument) { return argument == "--help" || argument == "-h"; }

void PrintUsage(std::ostream& out) {
  out << "videodiffcr-train: trains and judges models\n\n";
  for (const Subcommand& subcommand : kSubcommands) {
    out << "  videodiffcr-train " << subcommand.name << "  " << subcommand.summary << "\n";
  }
  out << "\n`videodiffcr-train SUBCOMMAND --help` lists its flags and an example.\n";
}

int Main(const std::vector<std::string_view>& arguments) {
  if (!arguments.empty() && IsHelp(arguments[0])) {
    PrintUsage(std::cout);
    return 0;
  }
  const auto subcommand =
      std::find_if(std::begin(kSubcommands), std::end(kSubcommands),
                   [&](const Subcommand& candidate) { return !arguments.empty() && candidate.name == arguments[0]; });
  if (subcommand == std::end(kSubcommands)) {
    if (!arguments.empty()) std::cerr << "videodiffcr-train: unknown subcommand '" << arguments[0] << "'\n\n";
    PrintUsage(std::cerr);
    return 2;
  }
  const std::vector<std::string_view> rest(arguments.begin() + 1, arguments.end());
  if (std::any_of(rest.begin(), rest.end(), IsHelp)) {
    std::cout << subcommand->help();
    return 0;
  }
  const absl::Status status = subcommand->run(rest);
  if (status.ok()) return 0;
  std::cerr << "videodiffcr-train: " << status.message() << "\n";
  if (!absl::IsInvalidArgument(status)) return 1;
  std::cerr << "`videodiffcr-train " << subcommand->name << " --help` lists the flags\n";
  return 2;
}

}  // namespace
}  // namespace videodiffcr::training

int main(int argc, char** argv) {
  try {
    return videodiffcr::training::Main(std::vector<std::string_view>(argv + 1, argv + argc));
  } catch (const std::exception& error) {  // LibTorch throws when memory runs out
    std::cerr << "videodiffcr-train: " << error.what() << "\n";
    return 1;
  }
}
