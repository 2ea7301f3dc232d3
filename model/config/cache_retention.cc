#include "model/config/cache_retention.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace videodiffcr {
namespace {

bool IsWhole(const CacheShares& shares) {
  return std::all_of(shares.percent.begin(), shares.percent.end(),
                     [](int percent) { return percent == kWholeCachePercent; });
}

}  // namespace

const std::vector<std::pair<CacheScore, const char*>>& CacheScoreNames() {
  static const auto& names = *new std::vector<std::pair<CacheScore, const char*>>{{CacheScore::kRouter, "router"},
                                                                                  {CacheScore::kSaliency, "saliency"},
                                                                                  {CacheScore::kKeyNorm, "key-norm"},
                                                                                  {CacheScore::kRandom, "random"}};
  return names;
}

const char* CacheScoreName(CacheScore score) {
  for (const auto& [candidate, name] : CacheScoreNames()) {
    if (candidate == score) return name;
  }
  return "";
}

bool CacheRetention::whole() const { return std::all_of(shares.begin(), shares.end(), IsWhole); }

CacheRetention UniformCacheRetention(CacheScore score, int percent, const std::vector<RetentionTenths>& budgets) {
  CacheRetention cache;
  cache.score = score;
  for (const RetentionTenths budget : budgets) cache.shares.push_back({budget, {percent}});
  return cache;
}

CacheRetention UniformCacheRetention(absl::string_view score, double share,
                                     const std::vector<RetentionTenths>& budgets) {
  const auto& names = CacheScoreNames();
  const auto found =
      std::find_if(names.begin(), names.end(), [score](const auto& name) { return name.second == score; });
  return UniformCacheRetention(found->first, PercentOfShare(share), budgets);
}

std::vector<std::string> CacheScoreChoices() {
  std::vector<std::string> choices;
  for (const auto& [score, name] : CacheScoreNames()) choices.emplace_back(name);
  return choices;
}

int PercentOfShare(double share) { return static_cast<int>(100 * share + 0.5); }

const CacheShares* FindCacheShares(const CacheRetention& cache, RetentionTenths budget) {
  for (const CacheShares& shares : cache.shares) {
    if (shares.budget == budget && !IsWhole(shares)) return &shares;
  }
  return nullptr;
}

int PercentKept(const CacheShares* shares, int64_t block) {
  if (shares == nullptr) return kWholeCachePercent;
  return shares->percent[shares->percent.size() == 1 ? 0 : static_cast<size_t>(block)];
}

int MostPercentKept(const CacheRetention& cache, const std::vector<RetentionTenths>& budgets, int64_t block) {
  int most = 0;
  for (const RetentionTenths budget : budgets) {
    most = std::max(most, PercentKept(FindCacheShares(cache, budget), block));
  }
  return most;
}

double MeanShareKept(const CacheRetention& cache, RetentionTenths budget, int64_t blocks) {
  const CacheShares* shares = FindCacheShares(cache, budget);
  double percent = 0;
  for (int64_t block = 0; block < blocks; ++block) percent += PercentKept(shares, block);
  return percent / static_cast<double>(kWholeCachePercent * blocks);
}

absl::Status ValidateCacheRetention(const CacheRetention& cache, const std::vector<RetentionTenths>& budgets,
                                    int64_t blocks, bool has_routers) {
  RetentionTenths before = kDenseTenths + 1;
  for (const CacheShares& shares : cache.shares) {
    const std::string field = absl::StrCat("retention.cache.percent.", shares.budget);
    if (std::find(budgets.begin(), budgets.end(), shares.budget) == budgets.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(field, ": ", shares.budget, "; must be 10 or a budget of retention.tables"));
    }
    if (shares.budget >= before) {
      return absl::InvalidArgumentError(absl::StrCat(field, ": ", shares.budget, "; budgets must fall"));
    }
    before = shares.budget;
    if (shares.percent.size() != 1 && shares.percent.size() != static_cast<size_t>(blocks)) {
      return absl::InvalidArgumentError(absl::StrCat(field, ": ", shares.percent.size(),
                                                     " entries; must be a number or one per block (", blocks, ")"));
    }
    for (const int percent : shares.percent) {
      if (percent < 1 || percent > kWholeCachePercent) {
        return absl::InvalidArgumentError(absl::StrCat(field, ": ", percent, "; must be from 1 to 100"));
      }
    }
  }
  if (cache.score == CacheScore::kRouter && !has_routers && !cache.whole()) {
    return absl::InvalidArgumentError(
        "retention.cache.score: \"router\"; needs router weights, which retention.file names");
  }
  return absl::OkStatus();
}

absl::Status RequireWholeCache(const CacheRetention& cache, absl::string_view who) {
  for (const CacheShares& shares : cache.shares) {
    if (IsWhole(shares)) continue;
    const int least = *std::min_element(shares.percent.begin(), shares.percent.end());
    return absl::FailedPreconditionError(absl::StrCat("retention.cache.percent.", shares.budget, ": ", least, "; ", who,
                                                      " keeps the whole cache: it must be 100, or not be there"));
  }
  return absl::OkStatus();
}

}  // namespace videodiffcr
