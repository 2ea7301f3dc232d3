#include "model/gpu/compact_pasts.h"

#include <ATen/ops/tensor.h>

#include "model/config/noise.h"
#include "model/gpu/current_device.h"
#include "model/kernels/chunk_latents.h"

namespace videodiffcr::gpu {
namespace {

at::Tensor OnGpu(const std::vector<int64_t>& values, at::ScalarType type) {
  return at::tensor(values, at::kLong).to(at::TensorOptions(at::kCUDA).dtype(type));
}

int64_t BytesOf(at::ScalarType type) { return static_cast<int64_t>(c10::elementSize(type)); }

}  // namespace

CompactPasts::CompactPasts(const TransformerConfig& config, const CacheRetention& cache, const KeyLayout& layout,
                           int slots)
    : config_(config),
      score_(cache.score),
      counts_(config, cache),
      rows_(static_cast<size_t>(slots), PastRows(config)),
      chunk_choice_(static_cast<size_t>(slots)) {
  const int64_t layers = config.num_layers, tokens = config.tokens_per_chunk();
  std::vector<int64_t> kept, first_row;
  for (int choice = 0; choice < counts_.choices(); ++choice) {
    kept.insert(kept.end(), counts_.kept(choice).begin(), counts_.kept(choice).end());
  }
  for (int64_t slot = 0; slot < slots; ++slot) {
    for (int64_t layer = 0; layer < layers; ++layer) {
      first_row.push_back(layout.first_row[layer] + slot * layout.slot_rows[layer]);
    }
  }
  kept_ = OnGpu(kept, at::kInt).view({counts_.choices(), layers});
  first_row_ = OnGpu(first_row, at::kLong).view({slots, layers});
  chunk_behind_past_ = OnGpu(layout.most_past_rows, at::kInt);
  places_ = ZerosOnGpu({layout.rows()}, at::kInt);
  past_rows_ = ZerosOnGpu({slots, layers}, at::kInt);
  scores_ = ZerosOnGpu({slots, layers, tokens}, at::kFloat);
  moves_ = ZerosOnGpu({layers, tokens, 2}, at::kInt);
  move_count_ = ZerosOnGpu({layers}, at::kInt);
  chunk_row_ = ZerosOnGpu({layers}, at::kInt);
}

int64_t CompactPasts::SlotBytes(const TransformerConfig& config, const RetentionConfig& retention) {
  return KeyLayout::SlotRows(config, retention) * BytesOf(at::kInt) +
         config.num_layers * (config.tokens_per_chunk() * BytesOf(at::kFloat) + BytesOf(at::kInt) + BytesOf(at::kLong));
}

void CompactPasts::Reset(int slot) {
  rows_[slot].Reset();
  past_rows_[slot].zero_();
}

void CompactPasts::Rank(int slot, uint64_t seed, int64_t frames_before, const CacheShares* shares,
                        kernels::Element element, const KeyPools& pools, kernels::Stream stream) {
  chunk_choice_[slot] = counts_.ChoiceOf(shares);
  if (chunk_choice_[slot] == 0) return;
  const int layers = static_cast<int>(config_.num_layers), tokens = static_cast<int>(config_.tokens_per_chunk());
  float* scores = scores_[slot].mutable_data_ptr<float>();
  if (score_ == CacheScore::kRandom) {
    const NoiseKey key = RandomScoreKey(seed, frames_before, /*block=*/0);
    kernels::FillNormals({key.seed, key.chunk, key.draw}, layers, tokens, scores, stream);
  } else if (score_ == CacheScore::kKeyNorm) {
    kernels::KeyNormsCall call;
    call.layers = layers;
    call.tokens = tokens;
    call.width = static_cast<int>(config_.dim);
    call.element = element;
    call.first_row = first_row_[slot].const_data_ptr<int64_t>();
    call.chunk_row = past_rows_[slot].const_data_ptr<int32_t>();  // the chunk lies behind the past
    call.keys = pools.keys.const_data_ptr();
    call.scores = scores;
    kernels::KeyNorms(call, stream);
  }
}

int64_t CompactPasts::Join(int slot, int64_t frames_before, int64_t row_bytes, const KeyPools& pools,
                           kernels::Stream stream) {
  PastRows& rows = rows_[slot];
  const int choice = rows.IsSink(frames_before) ? 0 : chunk_choice_[slot];
  const int64_t left = rows.Join(frames_before, choice, counts_);
  if (!rows.HasRoom(frames_before)) return left;
  kernels::PlaceKeysCall place;
  place.layers = static_cast<int>(config_.num_layers);
  place.tokens = static_cast<int>(config_.tokens_per_chunk());
  place.first_place = static_cast<int32_t>(rows.FirstSlot(frames_before) * config_.tokens_per_frame());
  place.scores = scores_[slot].const_data_ptr<float>();
  place.kept = kept_[choice].const_data_ptr<int32_t>();
  place.first_row = first_row_[slot].const_data_ptr<int64_t>();
  place.places = places_.mutable_data_ptr<int32_t>();
  place.past_rows = past_rows_[slot].mutable_data_ptr<int32_t>();
  place.chunk_row = chunk_row_.mutable_data_ptr<int32_t>();
  place.moves = static_cast<kernels::RowMove*>(moves_.mutable_data_ptr());
  place.move_count = move_count_.mutable_data_ptr<int32_t>();
  kernels::PlaceKeys(place, stream);

  kernels::MoveKeysCall move;
  move.layers = place.layers;
  move.tokens = place.tokens;
  move.first_row = place.first_row;
  move.moves = place.moves;
  move.move_count = place.move_count;
  move.row_bytes = row_bytes;
  move.pools = 2;
  move.pool[0] = pools.values.mutable_data_ptr();
  move.chunk_row[0] = place.chunk_row;
  // Of turned keys only the plain ones move: all are turned anew.
  const bool relative = pools.plain_keys.defined();
  move.pool[1] = (relative ? pools.plain_keys : pools.keys).mutable_data_ptr();
  move.chunk_row[1] = relative ? chunk_behind_past_.const_data_ptr<int32_t>() : place.chunk_row;
  kernels::MoveKeys(move, stream);
  return left;
}

void CompactPasts::Turn(int slot, int64_t frames, kernels::Element element, const float* cos, const float* sin,
                        const KeyPools& pools, kernels::Stream stream) {
  const PastWindow window = MakePastWindow(config_);
  kernels::TurnKeysCall call;
  call.layers = static_cast<int>(config_.num_layers);
  call.most_rows = static_cast<int>(rows_[slot].most_rows());
  call.heads = static_cast<int>(config_.num_heads);
  call.head_dim = static_cast<int>(config_.head_dim());
  call.element = element;
  call.frame_rows = static_cast<int>(config_.tokens_per_frame());
  call.sink_frames = static_cast<int>(window.sink_frames);
  call.ring_frames = static_cast<int>(window.ring_frames());
  const int64_t oldest = window.oldest_in_ring(frames);
  if (window.ring_frames() > 0 && oldest < frames) {
    call.oldest_slot = static_cast<int>(window.slot(oldest) - window.sink_frames);
  }
  call.first_row = first_row_[slot].const_data_ptr<int64_t>();
  call.places = places_.const_data_ptr<int32_t>();
  call.past_rows = past_rows_[slot].const_data_ptr<int32_t>();
  call.cos = cos;
  call.sin = sin;
  call.plain_keys = pools.plain_keys.const_data_ptr();
  call.keys = pools.keys.mutable_data_ptr();
  kernels::TurnKeys(call, stream);
}

}  // namespace videodiffcr::gpu
