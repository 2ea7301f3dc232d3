#include "model/plain/transformer/selection.h"

#include <ATen/ops/isnan.h>
#include <ATen/ops/sort.h>

#include <limits>
#include <tuple>

namespace videodiffcr {

namespace {

// Token numbers from best to worst: [B, N]. A stable sort keeps equal scores in ascending order of their numbers.
at::Tensor Ranking(const at::Tensor& scores) {
  const at::Tensor fp32 = scores.to(at::kFloat);
  const at::Tensor comparable = fp32.masked_fill(at::isnan(fp32), -std::numeric_limits<float>::infinity());
  return std::get<1>(at::sort(comparable, /*stable=*/true, /*dim=*/-1, /*descending=*/true));
}

// Moves the best `rows` tokens of each frame to the front of `ranking` [B, N]; both parts keep their order.
at::Tensor PutFrameFloorFirst(const at::Tensor& ranking, int64_t rows, int64_t frames) {
  const int64_t tokens_per_frame = ranking.size(1) / frames;
  const at::Tensor frame = ranking.floor_divide(tokens_per_frame);  // [B, N], of the token at each rank
  at::Tensor is_protected = at::isnan(ranking);                     // all false
  for (int64_t f = 0; f < frames; ++f) {
    const at::Tensor of_frame = frame.eq(f);
    is_protected = is_protected.logical_or(of_frame.logical_and(of_frame.cumsum(1).le(rows)));
  }
  const at::Tensor order =
      std::get<1>(at::sort(is_protected.to(at::kInt), /*stable=*/true, /*dim=*/-1, /*descending=*/true));
  return ranking.gather(1, order);
}

}  // namespace

at::Tensor SelectTokens(const at::Tensor& scores, int64_t kept_rows, int64_t frames, double frame_floor) {
  at::Tensor ranking = Ranking(scores.detach());
  const int64_t floor_rows = FrameFloorRows(frame_floor, kept_rows, frames);
  if (floor_rows > 0) ranking = PutFrameFloorFirst(ranking, floor_rows, frames);
  return std::get<0>(ranking.slice(1, 0, kept_rows).sort(1));
}

}  // namespace videodiffcr
