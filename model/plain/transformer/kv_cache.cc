#include "model/plain/transformer/kv_cache.h"

#include <ATen/ops/cat.h>

namespace videodiffcr {

namespace {

// Drops `count` tokens after the first `keep_front` of x [B, L, ...], which may be undefined.
at::Tensor DropAfterFront(const at::Tensor& x, int64_t keep_front, int64_t count) {
  if (count == 0 || !x.defined()) return x;
  return at::cat({x.slice(1, 0, keep_front), x.slice(1, keep_front + count)}, 1);
}

}  // namespace

KvCache::KvCache(const TransformerConfig& config)
    : tokens_per_frame_(config.tokens_per_frame()), window_(MakePastWindow(config)) {}

void KvCache::Append(const std::vector<KeysValues>& chunk) {
  past_before_ = past_;
  last_ = chunk;
  const int64_t frames = chunk.front().k.size(1) / tokens_per_frame_;
  const int64_t sink_tokens = window_.sink_frames * tokens_per_frame_;
  const int64_t evicted_tokens = window_.evicted(finished_, frames) * tokens_per_frame_;
  past_ = Window();
  for (KeysValues& layer : past_) {
    layer = {DropAfterFront(layer.k, sink_tokens, evicted_tokens), DropAfterFront(layer.v, sink_tokens, evicted_tokens),
             DropAfterFront(layer.seen, sink_tokens, evicted_tokens)};
  }
  finished_ += frames;
}

std::vector<KeysValues> KvCache::Window() const {
  std::vector<KeysValues> window;
  window.reserve(last_.size());
  for (size_t i = 0; i < last_.size(); ++i) {
    window.push_back(past_before_.empty() ? last_[i] : Concatenate(past_before_[i], last_[i]));
  }
  return window;
}

}  // namespace videodiffcr
