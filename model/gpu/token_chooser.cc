#include "model/gpu/token_chooser.h"

#include <algorithm>

#include "model/gpu/current_device.h"
#include "model/gpu/linear.h"
#include "model/kernels/token_routing.h"

namespace videodiffcr::gpu {
namespace {

kernels::Gate GateOf(RouterGate gate) {
  switch (gate) {
    case RouterGate::kTwoSigmoid:
      return kernels::Gate::kTwoSigmoid;
    case RouterGate::kSigmoid:
      return kernels::Gate::kSigmoid;
    case RouterGate::kNone:
      break;
  }
  return kernels::Gate::kNone;
}

}  // namespace

TokenChooser::TokenChooser(const TransformerConfig& config, const RetentionConfig& retention, int most_sessions)
    : config_(config), retention_(retention) {
  const int64_t tokens = config.tokens_per_chunk();
  channels_ = EmptyOnGpu({tokens, std::max<int64_t>(retention.router_dim, 1)}, at::kFloat);
  scores_ = EmptyOnGpu({tokens}, at::kFloat);
  kept_ = EmptyOnGpu({most_sessions, tokens}, at::kInt);
  places_ = EmptyOnGpu({most_sessions, tokens}, at::kInt);
  factor_ = EmptyOnGpu({most_sessions, tokens}, at::kFloat);
}

TokenChooser::Chosen TokenChooser::Choose(int session, int kept_rows) {
  const int frames = static_cast<int>(config_.chunk_frames);
  kernels::SelectTokensCall select;
  select.tokens = static_cast<int>(config_.tokens_per_chunk());
  select.frames = frames;
  select.kept_rows = kept_rows;
  select.floor_rows = static_cast<int>(FrameFloorRows(retention_.frame_floor, kept_rows, frames));
  select.gate = GateOf(retention_.gate);
  select.scores = scores_.const_data_ptr<float>();
  select.kept = kept_[session].mutable_data_ptr<int32_t>();
  select.factor = factor_[session].mutable_data_ptr<float>();
  select.place = places_[session].mutable_data_ptr<int32_t>();
  kernels::SelectTokens(select, CurrentStream());
  Chosen chosen;
  chosen.kept = kept_[session].narrow(0, 0, kept_rows);
  if (retention_.gate != RouterGate::kNone) chosen.factor = factor_[session].narrow(0, 0, kept_rows);
  return chosen;
}

void TokenChooser::Score(const GpuRouter& router, const at::Tensor& normed) {
  const int tokens = static_cast<int>(config_.tokens_per_chunk());
  ApplyWide(router.down, normed, channels_);
  kernels::RouterScoresCall scores;
  scores.tokens = tokens;
  scores.frames = static_cast<int>(config_.chunk_frames);
  scores.width = static_cast<int>(router.down.size(0));
  scores.channels = channels_.const_data_ptr<float>();
  scores.bias = router.bias.const_data_ptr<float>();
  scores.mix = router.mix.const_data_ptr<float>();
  scores.score = router.score.const_data_ptr<float>();
  scores.scores = scores_.mutable_data_ptr<float>();
  kernels::RouterScores(scores, CurrentStream());
}

void TokenChooser::CopyScores(const at::Tensor& scores) const { scores.copy_(scores_, /*non_blocking=*/true); }

}  // namespace videodiffcr::gpu
