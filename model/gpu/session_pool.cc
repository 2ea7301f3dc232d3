#include "model/gpu/session_pool.h"

#include <algorithm>

#include "model/gpu/current_device.h"
#include "model/kernels/key_window.h"

namespace videodiffcr::gpu {
namespace {

int64_t BytesOf(kernels::Element element) { return static_cast<int64_t>(c10::elementSize(TypeOf(element))); }

bool IsRelative(const TransformerConfig& config) { return config.rope_positions == RopePositions::kWindowRelative; }

kernels::RotaryShape RotaryShapeOf(const TransformerConfig& config) {
  return {static_cast<int>(config.head_dim()), static_cast<int>(config.patch_rows()),
          static_cast<int>(config.patch_columns())};
}

}  // namespace

SessionPool::SessionPool(const TransformerConfig& config, Precision precision, kernels::Element key_element, int slots,
                         const RetentionConfig& retention)
    : config_(config),
      window_(MakePastWindow(config)),
      key_element_(key_element),
      layout_(config, retention, slots),
      states_(slots) {
  const at::ScalarType type = ActivationType(precision), key_type = TypeOf(key_element);
  const int64_t layers = config.num_layers, dim = config.dim, pairs = config.head_dim() / 2;
  // Kernels read whole tiles, past a run's end too; what lies there must be numbers. So memory starts as zeros.
  pools_.keys = ZerosOnGpu({layout_.rows(), dim}, key_type);
  pools_.values = ZerosOnGpu({layout_.rows(), dim}, key_type);
  if (IsRelative(config)) pools_.plain_keys = ZerosOnGpu({layout_.rows(), dim}, key_type);
  if (!retention.cache.whole()) compact_ = std::make_unique<CompactPasts>(config, retention.cache, layout_, slots);
  text_keys_ = ZerosOnGpu({layers, slots * config.text_len, dim}, type);
  text_values_ = ZerosOnGpu({layers, slots * config.text_len, dim}, type);
  text_bias_ = ZerosOnGpu({slots}, at::kFloat);
  rotary_ = ZerosOnGpu({2, slots, config.tokens_per_chunk(), pairs}, at::kFloat);
  latents_ =
      ZerosOnGpu({slots, config.chunk_frames, config.in_dim, config.latent_height, config.latent_width}, at::kFloat);
  if (relative()) {
    window_rotary_ = ZerosOnGpu({2, config.window_tokens(), pairs}, at::kFloat);
    // Once, before any stream of a pass exists.
    kernels::FillRotaryTable({RotaryShapeOf(config), /*first_frame=*/0, static_cast<int>(config.window_frames),
                              window_rotary_[0].mutable_data_ptr<float>(), window_rotary_[1].mutable_data_ptr<float>()},
                             nullptr);
  }
}

int64_t SessionPool::KeyBytes(const TransformerConfig& config, kernels::Element key_element,
                              const RetentionConfig& retention) {
  const int64_t copies = IsRelative(config) ? 3 : 2;
  return copies * KeyLayout::SlotRows(config, retention) * config.dim * BytesOf(key_element);
}

int64_t SessionPool::SlotBytes(const TransformerConfig& config, Precision precision, kernels::Element key_element,
                               const RetentionConfig& retention) {
  const int64_t text = 2 * config.num_layers * config.text_len * config.dim *
                       static_cast<int64_t>(c10::elementSize(ActivationType(precision)));
  const int64_t rotary = config.tokens_per_chunk() * config.head_dim();
  const int64_t latents = config.chunk_frames * config.in_dim * config.latent_height * config.latent_width;
  const int64_t compact = retention.cache.whole() ? 0 : CompactPasts::SlotBytes(config, retention);
  return KeyBytes(config, key_element, retention) + compact + text +
         (rotary + latents + 1) * static_cast<int64_t>(sizeof(float));
}

at::Tensor SessionPool::OfLayer(const at::Tensor& pool, int64_t layer) const {
  return pool.narrow(0, layout_.first_row[layer], layout_.first_row[layer + 1] - layout_.first_row[layer]);
}

int64_t SessionPool::row_bytes() const { return config_.dim * BytesOf(key_element_); }

void SessionPool::Reset(int slot) {
  const int text_rows = states_[slot].text_rows;  // a new scene keeps its prompt
  states_[slot] = {};
  states_[slot].text_rows = text_rows;
  if (compact_ != nullptr) compact_->Reset(slot);
}

void SessionPool::Clear(int slot) {
  states_[slot] = {};
  if (compact_ != nullptr) compact_->Reset(slot);
  const auto empty = [](const at::Tensor& rows, int64_t first, int64_t count) {
    rows.narrow(0, first, count).view(at::kInt).zero_();  // not every type has a fill kernel; a row is whole integers
  };
  for (int64_t layer = 0; layer < config_.num_layers; ++layer) {
    empty(values(layer), key_row(slot, layer), layout_.slot_rows[layer]);
    empty(text_values(layer), slot * config_.text_len, config_.text_len);
  }
}

int64_t SessionPool::past_tokens(int slot) const {
  return window_.visible(states_[slot].frames_committed) * config_.tokens_per_frame();
}

int64_t SessionPool::past_rows(int slot, int64_t layer) const {
  return compact_ == nullptr ? past_tokens(slot) : compact_->rows(slot).rows(layer);
}

int64_t SessionPool::all_past_rows(int slot) const {
  return compact_ == nullptr ? all_past_rows_whole(slot) : compact_->rows(slot).all_rows();
}

int64_t SessionPool::all_past_rows_whole(int slot) const { return config_.num_layers * past_tokens(slot); }

void SessionPool::MarkChunkComplete(int slot, const CacheShares* shares, uint64_t seed, kernels::Stream stream) {
  SlotState& state = states_[slot];
  state.chunk_complete = true;
  if (compact_ != nullptr) {
    compact_->Rank(slot, seed, state.frames_committed, shares, key_element_, pools_, stream);
  }
}

int64_t SessionPool::BeginChunk(int slot, kernels::Stream stream) {
  SlotState& state = states_[slot];
  const int64_t evicted = state.chunk_complete ? CommitChunk(slot, stream) : 0;
  state.chunk_complete = false;
  const int64_t first = relative() ? window_.visible(state.frames_committed) : state.frames_committed;
  kernels::FillRotaryTable({RotaryShapeOf(config_), first, static_cast<int>(config_.chunk_frames),
                            rotary_cos(slot).mutable_data_ptr<float>(), rotary_sin(slot).mutable_data_ptr<float>()},
                           stream);
  if (relative() && compact_ != nullptr) {
    compact_->Turn(slot, state.frames_committed, key_element_, window_rotary_[0].const_data_ptr<float>(),
                   window_rotary_[1].const_data_ptr<float>(), pools_, stream);
  } else if (relative()) {
    TurnWholePast(slot, stream);
  }
  return evicted;
}

int64_t SessionPool::CommitChunk(int slot, kernels::Stream stream) {
  SlotState& state = states_[slot];
  int64_t evicted = 0;
  if (compact_ != nullptr) {
    evicted = compact_->Join(slot, state.frames_committed, row_bytes(), pools_, stream);
  } else {
    evicted = window_.evicted(state.frames_committed, config_.chunk_frames) * config_.tokens_per_frame();
    CommitWholeChunk(slot, stream);
  }
  state.frames_committed += config_.chunk_frames;
  return evicted;
}

void SessionPool::CommitWholeChunk(int slot, kernels::Stream stream) {
  const SlotState& state = states_[slot];
  const int64_t total = state.frames_committed + config_.chunk_frames, frame_rows = config_.tokens_per_frame();
  const int layers = static_cast<int>(config_.num_layers);
  const int64_t layer_rows = layout_.first_row[1];  // of every layer
  const int64_t slot_row = key_row(slot, 0), chunk_row = slot_row + past_tokens(slot);
  kernels::FrameMoves values, plain;
  values.frame_rows = plain.frame_rows = frame_rows;
  for (int64_t f = 0; f < config_.chunk_frames; ++f) {
    const int64_t frame = state.frames_committed + f;
    if (!window_.is_visible(frame, total)) continue;  // a ring shorter than a chunk
    const int64_t to = slot_row + window_.slot(frame) * frame_rows;
    plain.from[plain.count] = plain_chunk_row(slot, 0) + f * frame_rows;
    plain.to[plain.count++] = to;
    if (chunk_row + f * frame_rows == to) continue;  // the window is not full: it lies there already
    values.from[values.count] = chunk_row + f * frame_rows;
    values.to[values.count++] = to;
  }
  const auto move = [&](const kernels::FrameMoves& moves, const at::Tensor& pool) {
    const kernels::FramePools pools = {pool.const_data_ptr(), layer_rows, pool.mutable_data_ptr(), layer_rows, layers};
    kernels::MoveFrames({moves, pools, row_bytes()}, stream);
  };
  move(values, pools_.values);
  if (relative()) {
    move(plain, pools_.plain_keys);
  } else {
    move(values, pools_.keys);
  }
}

void SessionPool::TurnWholePast(int slot, kernels::Stream stream) {
  const SlotState& state = states_[slot];
  const int64_t frame_rows = config_.tokens_per_frame(), layer_rows = layout_.first_row[1];  // of every layer
  kernels::TurnFramesCall turns;
  turns.moves.frame_rows = frame_rows;
  turns.pools = {pools_.plain_keys.const_data_ptr(), layer_rows, pools_.keys.mutable_data_ptr(), layer_rows,
                 static_cast<int>(config_.num_layers)};
  turns.element = key_element_;
  turns.heads = static_cast<int>(config_.num_heads);
  turns.head_dim = static_cast<int>(config_.head_dim());
  turns.cos = window_rotary_[0].const_data_ptr<float>();
  turns.sin = window_rotary_[1].const_data_ptr<float>();
  const auto launch = [&] {
    kernels::TurnFrames(turns, stream);
    turns.moves.count = 0;
  };
  const auto add = [&](int64_t frame) {
    const int64_t row = key_row(slot, 0) + window_.slot(frame) * frame_rows;
    turns.moves.from[turns.moves.count] = turns.moves.to[turns.moves.count] = row;
    turns.position[turns.moves.count++] = static_cast<int32_t>(window_.window_position(frame, state.frames_committed));
    if (turns.moves.count == kernels::kMostMoves) launch();
  };
  const int64_t sink = std::min(window_.sink_frames, state.frames_committed);
  for (int64_t frame = 0; frame < sink; ++frame) add(frame);
  for (int64_t frame = window_.oldest_in_ring(state.frames_committed); frame < state.frames_committed; ++frame) {
    add(frame);
  }
  launch();
}

}  // namespace videodiffcr::gpu
