// SPViT (Kong et al., 2022, arXiv 2112.13890) on a video denoiser: tokens are dropped in two stages and stay dropped,
// and what a stage drops goes on as one package token (videodiffcr.md section 7.4).
//
// Before blocks L/3 and 2L/3 a selector gives every token left the chance to be kept: a head's local features beside
// the mean over the tokens left, two layers, heads weighted by a squeeze-and-excitation branch. Each stage keeps the
// share q that makes the mean of rows, packages included, the target's. The package is the mean of what was dropped,
// weighted by the chances, at their mean position; it is attended to and changed by all later blocks, and never cached.
// After the last block a dropped token is as it was when it was dropped plus what became of its package.
//
// Selectors begin as fitted to what the blocks behind them change most, as all rankings here do: drawn ones drop whole
// regions. Trained passes draw what is kept: scores get the difference of two Gumbel draws, and the best are kept, so
// that rows are exact and no loss on their number is needed. A kept token's chance has a straight-through gradient,
// through what blocks add to the token; a dropped one's through its package.
#ifndef VIDEODIFFCR_TRAINING_STUDENTS_SPVIT_STUDENT_H_
#define VIDEODIFFCR_TRAINING_STUDENTS_SPVIT_STUDENT_H_

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "training/students/baseline_student.h"

namespace videodiffcr::training {

inline constexpr size_t kSpvitStages = 2;

// Where tokens are dropped, and how many are left without the packages.
struct SpvitStages {
  std::array<size_t, kSpvitStages> before_block = {};
  std::array<int64_t, kSpvitStages> kept = {};
};

// Of `layers` blocks. Nothing is left of no stage: InvalidArgument when the target is not within reach.
absl::StatusOr<SpvitStages> SpvitStagesOf(double target, size_t layers, int64_t tokens);

// A stage's selector; d is the width of a head.
struct SpvitSelector {
  LinearWeights features;  // [d, d]: half local, half for the mean
  LinearWeights hidden;    // [d/2, d]
  LinearWeights decision;  // [2, d/2]: kept, dropped
  LinearWeights heads;     // [heads, heads]: which head counts how much
};

// Logarithms of the chances that tokens x [B, L, D] are kept, and dropped: [B, L] each, fp32.
struct SpvitChances {
  at::Tensor kept, dropped;
};
SpvitChances ChancesOf(const SpvitSelector& selector, int64_t heads, double eps, const at::Tensor& x);

class SpvitStudent final : public BaselineStudent {
 public:
  static absl::StatusOr<std::unique_ptr<SpvitStudent>> Make(const BaselineOptions& options, TrainingModel& model);

  std::vector<WeightRow> OwnRows() override;
  absl::Status Initialize(uint64_t seed) override;

 private:
  SpvitStudent(const BaselineOptions& options, const SpvitStages& stages, TrainingModel& model)
      : BaselineStudent(options, model), stages_(stages) {}

  // Teaches the selectors the standardised log norm of what the blocks behind them add to a token of the dense network,
  // as the stage `routers` teaches routers.
  absl::Status FitSelectors(uint64_t seed);
  std::unique_ptr<StudentNetwork> OpenPruned(const RolloutPurpose& purpose) const override;
  PassRows PrunedRows() const override;

  const SpvitStages stages_;
  std::array<SpvitSelector, kSpvitStages> selectors_;
};

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_STUDENTS_SPVIT_STUDENT_H_
