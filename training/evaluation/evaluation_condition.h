// Under which conditions a model is judged, and on which prompts and noise: the same at every budget, for every ranking
// of tokens and every model.
#ifndef VIDEODIFFCR_TRAINING_EVALUATION_EVALUATION_CONDITION_H_
#define VIDEODIFFCR_TRAINING_EVALUATION_EVALUATION_CONDITION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/api/model_info.h"
#include "training/evaluation/clip_generator.h"
#include "training/evaluation/token_ranking.h"
#include "training/scenes/scene.h"

namespace videodiffcr::training {

enum class ConditionKind {
  kShort,    // four chunks
  kLong,     // the last four of many
  kSwitch,   // the prompt changes before chunk 3 of 8; the new one is judged
  kHeldOut,  // four chunks of the shape and colour pairs that training never shows
  kDrift,    // 40 chunks of captions that leave size, colour or the background open: does what was chosen stay?
};

// "short", "long", "switch", "held-out", "drift": in flags and in per-clip files.
const std::string& KindName(ConditionKind kind);
// From "short,long"; InvalidArgument names the one that is none.
absl::StatusOr<std::vector<ConditionKind>> ParseKinds(const std::string& names);

// What the clips of one row of the table have in common. Judged are the last 45 frames: the last four chunks.
struct EvaluationCondition {
  std::string name;  // for people
  RetentionTenths budget = kDenseTenths;
  int64_t chunks = 4;
  int64_t switch_chunk = 0;     // above 0: the prompt changes before this chunk, and the new one is judged
  bool held_out_pairs = false;  // only the shape and colour pairs that training never shows; else all pairs
  TokenRanking ranking = TokenRanking::kRouter;
  ConditionKind kind = ConditionKind::kShort;
};

// "dense", or "retention 0.9" and so on.
std::string BudgetName(RetentionTenths budget);

struct ConditionChoice {
  std::vector<ConditionKind> kinds;
  std::vector<RetentionTenths> budgets;
  std::vector<TokenRanking> rankings = {TokenRanking::kRouter};  // dense has nothing to rank: it is there once
  int64_t long_chunks = 24;
};
// Every kind at every budget with every ranking: "dense", "retention 0.7, random", "after 24 chunks, retention 0.7".
std::vector<EvaluationCondition> MakeConditions(const ConditionChoice& choice);

// An attribute of a prompt that its caption leaves open.
inline constexpr int kNotSaid = -1;

struct EvaluationClip {
  ClipRequest request;
  AttributeValues prompted;  // kNotSaid where the caption leaves it open
  AttributeValues drawn;     // the same, with a value for those too
};

// Clip `index` of a condition. Its prompt, its seed and so its noise depend on (seed, index) and, for held-out pairs
// and drift, on that; never on the budget, so budgets are compared on the same noise.
EvaluationClip MakeEvaluationClip(const EvaluationCondition& condition, uint64_t seed, uint64_t index);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_EVALUATION_EVALUATION_CONDITION_H_
