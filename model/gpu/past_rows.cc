#include "model/gpu/past_rows.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"

namespace videodiffcr::gpu {
namespace {

// Attention reads its keys and values in whole tiles of 128 or 192 rows from a slot's first on. This multiple of both
// ends the last tile inside the slot: what it reads past the run's end is multiplied by zero, and a neighbour's NaN
// would stay one.
constexpr int64_t kSlotRowMultiple = 384;

int64_t MostPastRows(const TransformerConfig& config, const RetentionConfig& retention, int64_t layer) {
  return MostPastKeys(config, MostPercentKept(retention.cache, BudgetsOf(retention), layer));
}

int64_t RowsOfSlot(const TransformerConfig& config, int64_t past_rows) {
  return (past_rows + config.tokens_per_chunk() + kSlotRowMultiple - 1) / kSlotRowMultiple * kSlotRowMultiple;
}

}  // namespace

absl::Status CheckCacheRetention(const TransformerConfig& config, const CacheRetention& cache) {
  if (cache.whole()) return absl::OkStatus();
  if (cache.score == CacheScore::kSaliency) {
    return absl::FailedPreconditionError(
        absl::StrCat("retention.cache.score: \"", CacheScoreName(cache.score),
                     "\"; device 'cuda' ranks keys by \"router\", \"key-norm\" or \"random\" alone"));
  }
  if (config.window_frames % config.chunk_frames != 0 || config.sink_frames % config.chunk_frames != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("retention.cache: needs on device 'cuda' that whole chunks leave the window: "
                     "transformer.window_frames: ",
                     config.window_frames, " and transformer.sink_frames: ", config.sink_frames,
                     "; must be multiples of transformer.chunk_frames: ", config.chunk_frames));
  }
  return absl::OkStatus();
}

KeyLayout::KeyLayout(const TransformerConfig& config, const RetentionConfig& retention, int slots) : first_row{0} {
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    most_past_rows.push_back(MostPastRows(config, retention, layer));
    slot_rows.push_back(RowsOfSlot(config, most_past_rows.back()));
    first_row.push_back(first_row.back() + slots * slot_rows.back());
  }
}

int64_t KeyLayout::SlotRows(const TransformerConfig& config, const RetentionConfig& retention) {
  return KeyLayout(config, retention, /*slots=*/1).rows();
}

KeptCounts::KeptCounts(const TransformerConfig& config, const CacheRetention& cache) {
  const auto add = [&](const CacheShares* shares) {
    std::vector<int32_t>& of_layer = kept_.emplace_back();
    for (int64_t layer = 0; layer < config.num_layers; ++layer) {
      of_layer.push_back(static_cast<int32_t>(KeptKeys(PercentKept(shares, layer), config.tokens_per_chunk())));
    }
  };
  add(nullptr);
  for (const CacheShares& shares : cache.shares) {
    budgets_.push_back(shares.budget);
    add(&shares);
  }
}

int KeptCounts::ChoiceOf(const CacheShares* shares) const {
  if (shares == nullptr) return 0;
  const auto found = std::find(budgets_.begin(), budgets_.end(), shares->budget);
  return found == budgets_.end() ? 0 : static_cast<int>(found - budgets_.begin()) + 1;
}

PastRows::PastRows(const TransformerConfig& config)
    : window_(MakePastWindow(config)),
      chunk_frames_(config.chunk_frames),
      rows_(static_cast<size_t>(config.num_layers)),
      ring_(static_cast<size_t>(window_.ring_frames() / config.chunk_frames)) {
  Reset();
}

void PastRows::Reset() {
  std::fill(rows_.begin(), rows_.end(), 0);
  std::fill(ring_.begin(), ring_.end(), -1);
}

bool PastRows::HasRoom(int64_t frames_before) const { return IsSink(frames_before) || !ring_.empty(); }

int64_t PastRows::Join(int64_t frames_before, int choice, const KeptCounts& counts) {
  int64_t left = 0;
  const auto add = [this](const std::vector<int32_t>& kept, int sign) {
    for (size_t layer = 0; layer < rows_.size(); ++layer) rows_[layer] += sign * kept[layer];
    return std::accumulate(kept.begin(), kept.end(), int64_t{0});
  };
  if (IsSink(frames_before)) {
    add(counts.kept(0), 1);
  } else if (ring_.empty()) {
    left = std::accumulate(counts.kept(choice).begin(), counts.kept(choice).end(), int64_t{0});
  } else {
    int& place = ring_[static_cast<size_t>((frames_before - window_.sink_frames) / chunk_frames_) % ring_.size()];
    if (place >= 0) left = add(counts.kept(place), -1);
    place = choice;
    add(counts.kept(choice), 1);
  }
  return left / static_cast<int64_t>(rows_.size());
}

int64_t PastRows::most_rows() const { return *std::max_element(rows_.begin(), rows_.end()); }

int64_t PastRows::all_rows() const { return std::accumulate(rows_.begin(), rows_.end(), int64_t{0}); }

}  // namespace videodiffcr::gpu
