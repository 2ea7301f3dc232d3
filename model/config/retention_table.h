// From a retention budget to rows per block and pass, in integer tenths throughout (videodiffcr.md sections 3.1 and 6).
#ifndef VIDEODIFFCR_MODEL_CONFIG_RETENTION_TABLE_H_
#define VIDEODIFFCR_MODEL_CONFIG_RETENTION_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/api/model_info.h"
#include "model/config/cache_retention.h"

namespace videodiffcr {

// What the queries of a routed block attend to inside the chunk (videodiffcr.md section 4.2).
enum class KvMode {
  kKept,  // keys and values of the kept tokens only (modes A and D)
  kFull,  // keys and values of all tokens of the chunk, from the restored stream (modes B and E)
};

// What the context pass does.
enum class ContextMode {
  kDense,         // all rows, plain blocks (modes A and B)
  kRoutedFullKv,  // queries and feed-forward routed, keys and values of all rows (modes D and E)
};

// Factor on the feed-forward residual of kept tokens, from the token's score s.
enum class RouterGate { kTwoSigmoid, kSigmoid, kNone };

// Tenths of rows kept: [layer][denoise steps, then the context pass]. 10 means the dense block.
struct RetentionTable {
  RetentionTenths nominal = kDenseTenths;
  std::vector<std::vector<int>> tenths;
};

inline constexpr int64_t kMostBypassRank = 128;

struct RetentionConfig {
  std::string file;        // router weights; empty: dense only
  int64_t router_dim = 0;  // r
  // Rank of the light bypass (videodiffcr.md section 9, 6): what a block adds to tokens that it does not keep; 0:
  // nothing.
  int64_t bypass_rank = 0;
  RouterGate gate = RouterGate::kTwoSigmoid;
  KvMode kv_mode = KvMode::kKept;
  ContextMode context_mode = ContextMode::kDense;
  double frame_floor = 0.0;            // videodiffcr.md section 3.3
  std::vector<int> step_delta_tenths;  // added per denoising step, noisiest first
  int floor_tenths = 1;                // no step keeps less
  std::vector<RetentionTable> tables;  // one per budget below 1.0, falling
  CacheRetention cache;
};

// Dense first, then falling.
std::vector<RetentionTenths> BudgetsOf(const RetentionConfig& retention);

// Nearest tenth, half up: floor(10 rho + 0.5).
constexpr int NearestTenths(double rho) { return static_cast<int>(10.0 * rho + 0.5); }

// Rows kept of `tokens` at `tenths`, rounded half up; never below 1.
constexpr int64_t KeptRows(int tenths, int64_t tokens) {
  const int64_t rows = (tenths * tokens + 5) / 10;
  return rows < 1 ? 1 : rows;
}

// Rows each of `frames` frames keeps for certain when `kept` of all are kept: floor(floor_share * kept / frames),
// section 3.3.
constexpr int64_t FrameFloorRows(double floor_share, int64_t kept, int64_t frames) {
  return static_cast<int64_t>(floor_share * static_cast<double>(kept) / static_cast<double>(frames));
}

// The table of a budget; null with OK for the dense model. InvalidArgument when the model has none for it.
absl::StatusOr<const RetentionTable*> FindTable(const RetentionConfig& retention, RetentionTenths budget);

// What one pass does at a budget's `table` (null: the dense model), videodiffcr.md section 4: whether its blocks are
// routed, and what queries attend to inside the chunk.
struct PassRule {
  const std::vector<std::vector<int>>* tenths = nullptr;  // RetentionTable::tenths; null: every block is dense
  KvMode kv_mode = KvMode::kKept;
};
PassRule RuleOfPass(const RetentionConfig& retention, const RetentionTable* table, bool context_pass);

// Rows that all blocks of one pass process together, of layers * tokens_per_chunk. `timestep`: the denoising step, or
// their count for the context pass.
int64_t RowsProcessed(const RetentionTable& table, int timestep, int64_t tokens_per_chunk);

// One row per layer: clamp(layer + delta, floor, 10) for each step, then clamp(layer, floor, 10) for the context pass.
// `layer_tenths`: nominal ratio of each layer; `step_delta_tenths`: noisiest step first, for example -3 -1 +1 +3.
RetentionTable MakeRetentionTable(RetentionTenths nominal, const std::vector<int>& layer_tenths,
                                  const std::vector<int>& step_delta_tenths, int floor_tenths = 1);

// All tens: the dense model.
RetentionTable DenseRetentionTable(int64_t layers, int64_t denoise_steps);

// Its column of one pass, a number per block; the context pass comes after the denoising steps.
std::vector<int> TenthsOfPass(const RetentionTable& table, size_t pass);

// Mean over layers and denoising passes (the context pass not counted) of rows processed over rows.
double ExecutedRetention(const RetentionTable& table, int64_t tokens_per_chunk);

// Transformer multiply-adds of one block for a chunk of `tokens` tokens with `past` keys before it (videodiffcr.md
// section 4.3).
struct BlockCostShape {
  int64_t dim, ffn_dim, text_len;
};
double DenseBlockMacs(const BlockCostShape& shape, int64_t tokens, int64_t past);
double RoutedBlockMacs(const BlockCostShape& shape, int64_t tokens, int64_t kept, int64_t past, KvMode kv_mode);
// All blocks, all denoising passes and the context pass of one chunk.
double ChunkMacs(const BlockCostShape& shape, const RetentionTable& table, int64_t tokens, int64_t past, KvMode kv_mode,
                 ContextMode context_mode);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_CONFIG_RETENTION_TABLE_H_
