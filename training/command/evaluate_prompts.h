// videodiffcr-train evaluate --prompts: what a model folder of any kind makes of one's own prompts at its budgets.
#ifndef VIDEODIFFCR_TRAINING_COMMAND_EVALUATE_PROMPTS_H_
#define VIDEODIFFCR_TRAINING_COMMAND_EVALUATE_PROMPTS_H_

#include "absl/status/status.h"
#include "training/command/evaluate_options.h"

namespace videodiffcr::training {

// Of the options those that --prompts names, and model, clips, budgets, seed, threads, csv and sheets. Prints the table
// of budget_distance.h.
absl::Status EvaluatePrompts(const EvaluateOptions& options);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_COMMAND_EVALUATE_PROMPTS_H_
