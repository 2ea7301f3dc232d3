// Routers and budgets for any model folder, dense or not, along its own rollouts of prompts from a file: what
// router_stage.h does for the tiny model's scenes, on the kernels that serve (model/rollout), for networks of any size.
//
// No gradient goes through the network: its dense rollouts run as they are served, and after each denoising pass every
// router learns from what its block read and added. The same look gives the retention tables (update_energy.h) and,
// on prompts that are held out, how good the routers are.
#ifndef VIDEODIFFCR_TRAINING_STAGES_PROMPT_ROUTER_STAGE_H_
#define VIDEODIFFCR_TRAINING_STAGES_PROMPT_ROUTER_STAGE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "training/run/stage_options.h"
#include "training/run/training_run.h"
#include "training/stages/rollout_prompts.h"
#include "training/students/learned_ratios.h"

namespace videodiffcr::training {

struct PromptOptions : FilePromptOptions {
  int64_t held_out = 4;        // of them, spread evenly; at most half
  int64_t measure_every = 50;  // steps between measures on those
};

struct BudgetOptions {
  std::vector<double> targets = {0.9, 0.8, 0.7, 0.6, 0.5};
  RatioAccounting accounting = RatioAccounting::kNominal;
  std::string tables;  // a file of tables as config.json has them; empty: by what blocks change
};

struct PromptRouterOptions {
  StageOptions stage;
  std::string run_folder;  // gets text rows and measures beside the checkpoint
  int64_t min_chunks = 2, max_chunks = 4;
  PromptOptions prompts;
  BudgetOptions budgets;
};

// Overlaps are measured with so many of ten tokens kept: drawn tokens overlap by half.
inline constexpr int kMeasuredTenths = 5;

// Errors of the model folder's files, of the prompts and of the tables, each with its file.
absl::StatusOr<std::unique_ptr<TrainingStage>> MakePromptRouterStage(const PromptRouterOptions& options);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_PROMPT_ROUTER_STAGE_H_
