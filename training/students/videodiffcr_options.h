// What a person may say about VideoDiffCR's training.
#ifndef VIDEODIFFCR_TRAINING_STUDENTS_VIDEODIFFCR_OPTIONS_H_
#define VIDEODIFFCR_TRAINING_STUDENTS_VIDEODIFFCR_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "model/config/model_config.h"
#include "training/students/learned_ratios.h"

namespace videodiffcr::training {

enum class RouterKind {
  kTemporal,  // mixes the frames of a site
  kLinear,    // looks at a token alone (linear_router.h)
};

struct VideodiffcrOptions {
  std::vector<double> targets = {0.7};
  RatioAccounting accounting = RatioAccounting::kNominal;
  // Of layer 0, 1, ..., then again from the first one; empty: target + 0.1 and target - 0.1 in turns.
  std::vector<double> initial_ratios;
  bool model_ratios = false;   // those of the model folder's own tables, for targets that it has as budgets
  bool fresh_routers = false;  // as drawn, not the model folder's or, linear ones, fitted
  RouterKind router = RouterKind::kTemporal;
  bool step_deltas = true;  // else a block keeps the same share in every step, as DiffCR's
  // Added to a block's ratio in each denoising step, noisiest first; empty: as the model folder has it.
  std::vector<double> deltas;
  bool learn_ratios = true;  // else they stay as they are at first
  double router_learning_rate = 1e-3;
  double ratio_learning_rate = 5e-3;
  int64_t light_bypass = 0;  // rank for a model without one, trained as routers are; 0: as the model has it
  bool cache_aware = false;  // routers also see the chunk before; trained as routers are
  double budget_weight = 0;  // lambda; 0: by the size of the matching gradient on the ratios in the first stage
};

// InvalidArgument names the flag that does not go with the others or with the model, FailedPrecondition what the model
// of `folder` lacks: routers, or such with another gate than none or two_sigmoid.
absl::Status CheckOptions(const VideodiffcrOptions& options, const ModelConfig& config, const std::string& folder);

// What steps add to the ratios that are trained, and the least that a block keeps.
RatioRule RatioRuleOf(const VideodiffcrOptions& options, const RetentionConfig& retention);

// InvalidArgument unless --deltas are tenths, one for each denoising step, or none: then the folder's own count.
absl::Status CheckDeltas(const std::vector<double>& deltas, const RetentionConfig& retention);
RatioRule RatioRuleOf(const std::vector<double>& deltas, const RetentionConfig& retention);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STUDENTS_VIDEODIFFCR_OPTIONS_H_
