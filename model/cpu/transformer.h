// The causal diffusion transformer as the server runs it on a CPU: no gradients, ring slots, text keys once per prompt,
// modulation tabulated, routed blocks packed once. It computes the function of model/plain/transformer to
// rounding.
#ifndef VIDEODIFFCR_MODEL_CPU_TRANSFORMER_H_
#define VIDEODIFFCR_MODEL_CPU_TRANSFORMER_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "model/config/model_config.h"
#include "model/config/retention_table.h"
#include "model/cpu/bypass_runner.h"
#include "model/cpu/lane_pool.h"
#include "model/cpu/row_groups.h"
#include "model/cpu/session_cache.h"
#include "model/cpu/token_chooser.h"
#include "model/cpu/weights.h"

namespace videodiffcr::cpu {

// Scratch memory of one team, sized once from the config. Lanes write only their own rows, or what is marked as per
// lane.
struct PassScratch {
  PassScratch(const TransformerConfig& config, const RetentionConfig& retention);
  FloatBuffer x;         // [chunk tokens, D] the residual stream
  FloatBuffer kept_x;    // [chunk tokens, D] its kept rows
  FloatBuffer normed;    // [chunk tokens, D]
  FloatBuffer qkv;       // [chunk tokens, 3D]
  FloatBuffer attended;  // [chunk tokens, D]
  FloatBuffer hidden;    // [chunk tokens, ffn_dim]
  FloatBuffer patches;   // [chunk tokens, patch values]
  struct Lane {
    Lane(const TransformerConfig& config, const RetentionConfig& retention);
    FloatBuffer logits;  // [row block, keys]
    TokenChooser chooser;
    BypassRunner bypass;
  };
  std::vector<Lane> lanes;  // one per lane of a team, kRowGroups at most
};

// One pass over the current chunk.
struct PassRequest {
  SessionCache* cache = nullptr;
  const TextKeys* text = nullptr;
  const float* latents = nullptr;  // [chunk frames, in_dim, h, w]
  int timestep = 0;                // index into the tabulated timesteps; the last one is the context pass
  bool context_pass = false;       // writes keys and values of the clean chunk; gives no flow
  PassRule rule;                   // read at column `timestep`
  // Context pass: where less than everything of the chunk is to stay, its keys' scores are left in the cache. Null:
  // everything stays.
  const CacheShares* cache_shares = nullptr;
  uint64_t cache_seed = 0;  // of CacheScore::kRandom
  // Called once per row group with the flow of its tokens, [rows, patch values], value ((ph * 2) + pw) * channels + c.
  std::function<void(RowRange tokens, const float* flow)> on_flow;
  double* routing_seconds = nullptr;  // may be null; grows by what rank 0 spends on scoring and ranking
  std::function<void(int64_t layer, const std::vector<int32_t>& kept)> on_kept;  // for checks; may be empty
  // The residual stream [chunk tokens, D] as each block reads it; number num_layers is what the head reads. Called by
  // rank 0, while no lane writes. May be empty: then no lane waits.
  std::function<void(int64_t layer, const float* x)> on_stream;
};

class CpuTransformer {
 public:
  CpuTransformer(const TransformerConfig& config, const RetentionConfig& retention, PackedTransformer weights);

  const TransformerConfig& config() const { return config_; }

  // Text rows [rows, text_dim] (end token included, padding not) to keys and values of every block. rows <= text_len.
  TextKeys EncodeText(const float* rows, int64_t row_count) const;

  // Every lane of the team calls this with the same request. All are back behind the last barrier when the pass is
  // done.
  void Pass(const PassRequest& request, PassScratch& scratch, TeamMember& member) const;

  // Rows that go through the blocks in one pass with this table column, and without pruning.
  int64_t RowsDense() const { return config_.num_layers * config_.tokens_per_chunk(); }

 private:
  // The rows a block works on: all of the chunk, or the kept ones.
  struct RowSet {
    float* x = nullptr;  // [rows, D]
    int64_t rows = 0;
    const int32_t* token_of_row = nullptr;  // [rows]; null: row i is token i
    const float* gate_factor = nullptr;     // [rows]; null: 1
  };

  void EmbedPatches(const PassRequest& request, PassScratch& scratch, RowRange rows) const;
  void ShowStream(int64_t layer, const PassRequest& request, const PassScratch& scratch, TeamMember& member) const;
  void DenseBlock(int64_t layer, const PassRequest& request, PassScratch& scratch, TeamMember& member) const;
  void RoutedBlock(int64_t layer, int tenths, const PassRequest& request, PassScratch& scratch,
                   TeamMember& member) const;
  void RankKeys(int64_t layer, int64_t query_rows, bool routed, const PassRequest& request, PassScratch& scratch,
                TeamMember& member) const;

  void KeysAndValues(int64_t layer, const RowSet& set, RowRange rows, bool with_queries, const PassRequest& request,
                     PassScratch& scratch) const;
  void QueriesOnly(int64_t layer, const RowSet& set, RowRange rows, const PassRequest& request,
                   PassScratch& scratch) const;
  void AfterKeys(int64_t layer, const RowSet& set, RowRange rows, int64_t chunk_keys, const PassRequest& request,
                 PassScratch& scratch, PassScratch::Lane& lane) const;
  void Head(const PassRequest& request, PassScratch& scratch, RowRange rows) const;

  const TransformerConfig config_;
  const RetentionConfig retention_;
  const PackedTransformer weights_;
};

}  // namespace videodiffcr::cpu

#endif  // VIDEODIFFCR_MODEL_CPU_TRANSFORMER_H_
