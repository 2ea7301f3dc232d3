#include "training/students/videodiffcr_options.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "system/wrong_usage.h"

namespace videodiffcr::training {
namespace {

int TenthsOfDelta(double delta) { return static_cast<int>(std::lround(10 * delta)); }

}  // namespace

absl::Status CheckDeltas(const std::vector<double>& deltas, const RetentionConfig& retention) {
  if (deltas.empty()) return absl::OkStatus();
  if (deltas.size() != retention.step_delta_tenths.size()) {
    return WrongUsageError(absl::StrCat("--deltas: ", deltas.size(), " numbers; the model has ",
                                        retention.step_delta_tenths.size(), " denoising steps"));
  }
  for (const double delta : deltas) {
    if (!(std::abs(delta) <= 1) || std::abs(10 * delta - TenthsOfDelta(delta)) > 1e-6) {
      return WrongUsageError(absl::StrCat("--deltas ", delta, ": must be a tenth from -1 to 1"));
    }
  }
  return absl::OkStatus();
}

RatioRule RatioRuleOf(const std::vector<double>& deltas, const RetentionConfig& retention) {
  RatioRule rule = {retention.step_delta_tenths, retention.floor_tenths};
  for (size_t step = 0; step < deltas.size(); ++step) rule.step_delta_tenths[step] = TenthsOfDelta(deltas[step]);
  return rule;
}

absl::Status CheckOptions(const VideodiffcrOptions& options, const ModelConfig& config, const std::string& folder) {
  const RetentionConfig& retention = config.retention;
  if (!options.deltas.empty() && !options.step_deltas) {
    return WrongUsageError("--deltas: goes with --step-deltas yes only");
  }
  if (absl::Status deltas = CheckDeltas(options.deltas, retention); !deltas.ok()) return deltas;
  if (options.model_ratios && !options.initial_ratios.empty()) {
    return WrongUsageError("--model-ratios yes: takes no --initial-ratios");
  }
  const int least_width = options.router == RouterKind::kLinear ? 2 : 1;
  if (retention.file.empty() || retention.router_dim < least_width || retention.gate == RouterGate::kSigmoid) {
    return absl::FailedPreconditionError(absl::StrCat(folder,
                                                      "/config.json: retention needs a file, a router_dim of at least ",
                                                      least_width, " and gate \"none\" or \"two_sigmoid\""));
  }
  if (options.light_bypass != 0 && retention.bypass_rank != 0 && options.light_bypass != retention.bypass_rank) {
    return WrongUsageError(absl::StrCat("--light-bypass ", options.light_bypass, ": the model has one of rank ",
                                        retention.bypass_rank, " (retention.bypass_rank of its config.json)"));
  }
  if (options.cache_aware && options.router == RouterKind::kLinear) {
    return WrongUsageError("--cache-aware yes: goes with --router temporal only");
  }
  const double least = 0.1 * retention.floor_tenths;
  for (const double ratio : options.initial_ratios) {
    if (!(ratio >= least && ratio <= 1)) {
      return WrongUsageError(
          absl::StrCat("--initial-ratios ", ratio, ": must be from ", least, " (floor_tenths) to 1"));
    }
  }
  return absl::OkStatus();
}

RatioRule RatioRuleOf(const VideodiffcrOptions& options, const RetentionConfig& retention) {
  RatioRule rule = RatioRuleOf(options.deltas, retention);
  if (!options.step_deltas) std::fill(rule.step_delta_tenths.begin(), rule.step_delta_tenths.end(), 0);
  return rule;
}

}  // namespace videodiffcr::training
