// A pass of the transformer over the chunks of several sessions at once, on the GPU: the serving path's counterpart of
// model/plain/transformer/diffusion_transformer.h. Rows of all sessions lie one after the other, so each product is one
// call however many sessions there are; sessions may differ in step, prompt, length of their past and retention budget.
#ifndef VIDEODIFFCR_MODEL_GPU_TRANSFORMER_H_
#define VIDEODIFFCR_MODEL_GPU_TRANSFORMER_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "model/config/model_config.h"
#include "model/config/retention_table.h"
#include "model/gpu/activations.h"
#include "model/gpu/attention_runner.h"
#include "model/gpu/bypass_runner.h"
#include "model/gpu/residual_stream.h"
#include "model/gpu/session_pool.h"
#include "model/gpu/token_chooser.h"
#include "model/gpu/weights.h"
#include "model/kernels/row_set.h"

namespace videodiffcr::gpu {

// One session's part in a pass.
struct PassRequest {
  int slot = 0;
  int timestep = 0;  // index into the tables: denoising steps, then the context pass
  bool context_pass = false;
  PassRule rule;  // read at column `timestep`
  // What stays of the chunk after its context pass, as FindCacheShares() gives it: says whether routers rank its keys.
  const CacheShares* cache_shares = nullptr;
};

// Called for each routed block and session with the kept tokens, int32 on the device; for checks.
using KeptObserver = std::function<void(int request, int64_t layer, const at::Tensor& kept)>;
// Called with a session's residual stream [chunk tokens, D] fp32 as each block reads it; number num_layers is what the
// head reads. What the call queues on the current stream sees it so.
using StreamObserver = std::function<void(int request, int64_t layer, const at::Tensor& x)>;

// Sessions worth one pass: about 20,000 rows keep the products at their best rate.
int SessionsPerPass(const TransformerConfig& config);

class GpuTransformer {
 public:
  // `most_sessions`: of one pass, at most kernels::kMostSegments. Takes all memory that passes need.
  GpuTransformer(const TransformerConfig& config, const RetentionConfig& retention, GpuTransformerWeights weights,
                 Precision precision, kernels::Element key_element, int most_sessions, int processors);

  // Keys and values of a prompt into the slot's text rows: hidden [rows, text_dim], rows <= text_len.
  void EncodeText(const at::Tensor& hidden, int slot, SessionPool& pool);

  // Reads the slots' latents and leaves each denoising request's flow in flow(request). Queues everything on the
  // current stream; nothing waits for the device.
  void Pass(const std::vector<PassRequest>& requests, SessionPool& pool, const KeptObserver& on_kept = {},
            const StreamObserver& on_stream = {});
  at::Tensor flow(int request) const;  // [chunk tokens, patch values] fp32

  int64_t RowsDense() const { return config_.num_layers * config_.tokens_per_chunk(); }

 private:
  struct Batch {
    const std::vector<PassRequest>& requests;
    SessionPool& pool;
    const KeptObserver& on_kept;
    const StreamObserver& on_stream;
  };
  enum class Vector { kShiftAttention, kScaleAttention, kGateAttention, kShiftFfn, kScaleFfn, kGateFfn };

  kernels::RowSet AllRows(const Batch& batch) const;
  // Rows whose keys a block makes: those of `rows`, or all tokens where a session's mode wants them.
  kernels::RowSet KeyRows(const kernels::RowSet& rows, const Batch& batch) const;
  int TenthsOf(const PassRequest& request, int64_t layer) const;
  // Whether the block's router ranks the keys of this session's chunk for the cache.
  bool RanksKeys(const PassRequest& request, int64_t layer) const;
  RowFactors Modulation(const Batch& batch, int64_t layer, Vector which) const;

  void Embed(Batch& batch);
  void ShowStream(int64_t layer, const Batch& batch);
  void Block(int64_t layer, Batch& batch, bool keys_only);
  void Head(Batch& batch);
  // Chooses the rows of every session for this layer; fills `factor` where routers gate. Leaves scores of keys in the
  // pool where they are ranked.
  kernels::RowSet Route(int64_t layer, Batch& batch, RowFactors* factor);
  // Adds the light bypass's update to the tokens that routed sessions do not keep.
  void Bypass(int64_t layer, Batch& batch);
  void KeysAndQueries(int64_t layer, const kernels::RowSet& rows, const kernels::RowSet& key_rows, bool keys_only,
                      Batch& batch);
  // Norm and rotary turn of `queries` [rows, >= D] and of keys and values `keys` [rows, >= 2 D]; undefined: not wanted.
  void Turn(int64_t layer, const kernels::RowSet& rows, const at::Tensor& queries, const at::Tensor& keys,
            Batch& batch);
  void SelfAttention(int64_t layer, const kernels::RowSet& rows, const kernels::RowSet& key_rows, Batch& batch);
  void TextAttention(int64_t layer, const kernels::RowSet& rows, Batch& batch);
  void FeedForward(int64_t layer, const kernels::RowSet& rows, const Batch& batch);

  void ApplyToNormed(const GpuLinear& linear, int64_t rows, at::Tensor out);

  const TransformerConfig config_;
  const CacheScore cache_score_;
  const GpuTransformerWeights weights_;
  const Precision precision_;
  AttentionRunner self_attention_, text_attention_;
  TokenChooser chooser_;
  BypassRunner bypass_;
  const Activations buffers_;
  ResidualStream stream_;
};

}  // namespace videodiffcr::gpu

#endif  // VIDEODIFFCR_MODEL_GPU_TRANSFORMER_H_
