// The part of config.json that makes budgets: how routed passes go about it, and the tables.
#ifndef VIDEODIFFCR_TRAINING_STAGES_NEW_RETENTION_H_
#define VIDEODIFFCR_TRAINING_STAGES_NEW_RETENTION_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/config/model_config.h"
#include "training/students/learned_ratios.h"

namespace videodiffcr::training {

// Of fresh routers that rank and do not gate. A model that has routers keeps its settings but for gate and tables;
// otherwise videodiffcr.md section 2.2 and section 6: width max(8, D / 24), mode A, deltas from -0.3 to +0.3.
RetentionConfig NewRetention(const ModelConfig& config);

// A table per target, each of least loss for its mean (LeastSensitiveTenths) among those whose ratios are near the
// target: within one tenth, as the paper's start is, or two where executed shares have to meet it. The losses are
// blind to what one block's omission does to the others; without the bound they empty some blocks to spare others.
// `losses`: see LossesOf().
std::vector<RetentionTable> TablesOfLosses(const std::vector<std::vector<double>>& losses,
                                           const std::vector<double>& targets, RatioAccounting accounting,
                                           const RetentionConfig& retention);

// The tables of the file at `path`, read with the deltas and the floor of config.retention and checked against the
// model. Errors name the path.
absl::StatusOr<std::vector<RetentionTable>> ReadTableFile(const std::string& path, ModelConfig config);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STAGES_NEW_RETENTION_H_
