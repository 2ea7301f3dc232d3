// videodiffcr-train: trains and judges models. Exit status: 0 done, 1 failed, 2 a wrong flag or value.
#include <exception>
#include <iostream>
#include <vector>

#include "command_line/program.h"
#include "command_line/standard_streams.h"
#include "training/command/compare_command.h"
#include "training/command/evaluate_command.h"
#include "training/command/figures_command.h"
#include "training/command/regress_command.h"
#include "training/command/train_command.h"

int main(int argc, char** argv) {
  using videodiffcr::training::CompareSubcommand, videodiffcr::training::EvaluateSubcommand;
  using videodiffcr::training::FiguresSubcommand, videodiffcr::training::RegressSubcommand;
  using videodiffcr::training::StageSubcommands;
  videodiffcr::PrepareStandardStreams();
  try {
    videodiffcr::Program program = {{"videodiffcr-train", "trains and judges models", "",
                                     "videodiffcr-train denoiser --output out/tiny --run out/denoiser"},
                                    StageSubcommands()};
    program.subcommands.push_back(EvaluateSubcommand());
    program.subcommands.push_back(CompareSubcommand());
    program.subcommands.push_back(FiguresSubcommand());
    program.subcommands.push_back(RegressSubcommand());
    return videodiffcr::RunProgram(program, {argv + 1, argv + argc}, std::cout, std::cerr);
  } catch (const std::exception& error) {  // LibTorch throws when memory runs out
    std::cerr << "videodiffcr-train: " << error.what() << "\n";
    return 1;
  }
}
