// Retention of the cache: which share of a finished chunk's keys each block keeps for later chunks, and by which score
// (videodiffcr.md section 9, 8). A setting of the model folder, `retention.cache`; without it every key stays.
#ifndef VIDEODIFFCR_MODEL_CONFIG_CACHE_RETENTION_H_
#define VIDEODIFFCR_MODEL_CONFIG_CACHE_RETENTION_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "model/api/model_info.h"

namespace videodiffcr {

// What a chunk's keys are ranked by when its context pass ends. The best stay.
enum class CacheScore {
  kRouter,    // the block's router on the block's input in the context pass
  kSaliency,  // how much the chunk itself looks at the key: softmax of the mean query, per frame
  kKeyNorm,   // length of the key, all heads together
  kRandom,    // drawn, for comparison
};

// In config.json, flags and the API.
const std::vector<std::pair<CacheScore, const char*>>& CacheScoreNames();
const char* CacheScoreName(CacheScore score);

inline constexpr int kWholeCachePercent = 100;

// What stays of a chunk that was made at a budget.
struct CacheShares {
  RetentionTenths budget = kDenseTenths;
  std::vector<int> percent;  // one for all blocks, or one per block
};

struct CacheRetention {
  CacheScore score = CacheScore::kRouter;
  std::vector<CacheShares> shares;  // budgets falling; of a budget that is not here everything stays

  // Whether everything stays at every budget: the cache is then the same, bit for bit, as without the setting.
  bool whole() const;
};

// The same share of every block at each of these budgets.
CacheRetention UniformCacheRetention(CacheScore score, int percent, const std::vector<RetentionTenths>& budgets);
// The same as flags say it: `score` one of CacheScoreChoices(), `share` from 0 to 1, which is rounded to hundredths.
CacheRetention UniformCacheRetention(absl::string_view score, double share,
                                     const std::vector<RetentionTenths>& budgets);
std::vector<std::string> CacheScoreChoices();
int PercentOfShare(double share);

// Null: everything stays.
const CacheShares* FindCacheShares(const CacheRetention& cache, RetentionTenths budget);
// `shares` as FindCacheShares() gives them.
int PercentKept(const CacheShares* shares, int64_t block);
// The largest of a model's `budgets`: what memory must be there for.
int MostPercentKept(const CacheRetention& cache, const std::vector<RetentionTenths>& budgets, int64_t block);
// Mean over blocks, 1 for everything.
double MeanShareKept(const CacheRetention& cache, RetentionTenths budget, int64_t blocks);

// Keys that stay of `keys`, rounded half up; at least one of any.
constexpr int64_t KeptKeys(int percent, int64_t keys) {
  const int64_t kept = (percent * keys + 50) / 100;
  return kept > 0 || keys == 0 ? kept : 1;
}

// InvalidArgument naming field and value. `budgets` of the model, dense first.
absl::Status ValidateCacheRetention(const CacheRetention& cache, const std::vector<RetentionTenths>& budgets,
                                    int64_t blocks, bool has_routers);

// FailedPrecondition, naming the setting, when the cache is not whole: for what cannot do it. `who`: "device 'cuda'".
absl::Status RequireWholeCache(const CacheRetention& cache, absl::string_view who);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_CONFIG_CACHE_RETENTION_H_
