#include "training/stages/router_target.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros_like.h>

#include "absl/strings/str_cat.h"
#include "model/plain/transformer/selection.h"
#include "system/wrong_usage.h"

namespace videodiffcr::training {
namespace {

// 1 where a token is among the `kept` best, else 0: [B, N].
at::Tensor KeptMask(const at::Tensor& scores, int64_t kept) {
  const at::Tensor places = SelectTokens(scores, kept);
  return at::zeros_like(scores).scatter(1, places, 1.0);
}

}  // namespace

absl::Status CheckChunks(int64_t least, int64_t most) {
  if (least <= most) return absl::OkStatus();
  return WrongUsageError(absl::StrCat("--min-chunks ", least, ": must be at most --max-chunks ", most));
}

RouterQuality JudgeScores(const at::Tensor& scores, const at::Tensor& targets, int64_t kept) {
  RouterQuality quality;
  quality.variance_explained = 1 - (scores - targets).square().mean().item<double>();
  const at::Tensor both = KeptMask(scores, kept) * KeptMask(targets, kept);
  quality.overlap = both.sum(1).mean().item<double>() / static_cast<double>(kept);
  return quality;
}

}  // namespace videodiffcr::training
