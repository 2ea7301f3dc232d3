#include "scheduler/pass_times.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace videodiffcr {
namespace {

// The weight of a new time once there are enough: the mean of about the last sixteen.
constexpr double kWeight = 1.0 / 16;

constexpr absl::Duration kUsualDelivery = absl::Milliseconds(20);
constexpr absl::Duration kLongestDelivery = absl::Seconds(1);  // one that is stuck says nothing about the next

constexpr double kFreeBelow = 1.3;  // of a pass alone

}  // namespace

void PassTimes::Mean::Add(double value) {
  ++count;
  seconds += (value - seconds) * std::max(kWeight, 1.0 / static_cast<double>(count));
}

int PassTimes::BatchIndex(int batch) { return std::clamp(batch, 1, kBatches) - 1; }

int PassTimes::WindowIndex(int64_t chunks_in_scene) {
  return static_cast<int>(std::clamp<int64_t>(chunks_in_scene, 0, kWindows - 1));
}

void PassTimes::Note(StepKind kind, RetentionTenths budget, int batch, int64_t chunks_in_scene,
                     absl::Duration elapsed) {
  if (kind == StepKind::kText || budget < 0 || budget > kDenseTenths) return;
  ByBatch& table = kind == StepKind::kDenoise ? denoise_[budget] : context_;
  table[BatchIndex(batch)][WindowIndex(chunks_in_scene)].Add(absl::ToDoubleSeconds(elapsed));
}

void PassTimes::NoteDelivery(absl::Duration elapsed) {
  const double seconds = absl::ToDoubleSeconds(std::clamp(elapsed, absl::ZeroDuration(), kLongestDelivery));
  delivery_.Add(seconds);
  delivery_deviation_.Add(std::abs(seconds - delivery_.seconds));
}

absl::Duration PassTimes::Delivery() const {
  if (delivery_.count == 0) return kUsualDelivery;
  return absl::Seconds(delivery_.seconds + 2 * delivery_deviation_.seconds);
}

double PassTimes::ExecutedShare(RetentionTenths budget) const {
  for (const RetentionBudget& known : budgets_) {
    if (known.tenths == budget) return known.executed;
  }
  return static_cast<double>(budget) / kDenseTenths;
}

const PassTimes::Mean* PassTimes::Nearest(const ByBatch& table, int batch, int window, int* found_batch) {
  const Mean* nearest = nullptr;
  int least = 0;
  for (int b = 0; b < kBatches; ++b) {
    for (int w = 0; w < kWindows; ++w) {
      if (table[b][w].count == 0) continue;
      const int distance = std::abs(b - batch) * kWindows + std::abs(w - window);
      if (nearest != nullptr && distance >= least) continue;
      nearest = &table[b][w];
      least = distance;
      *found_batch = b;
    }
  }
  return nearest;
}

std::optional<absl::Duration> PassTimes::Share(StepKind kind, RetentionTenths budget, int batch,
                                               int64_t chunks_in_scene) const {
  const int wanted_batch = BatchIndex(batch), window = WindowIndex(chunks_in_scene);
  int found_batch = 0;
  if (kind == StepKind::kContext) {
    const Mean* const mean = Nearest(context_, wanted_batch, window, &found_batch);
    if (mean == nullptr) return std::nullopt;
    return absl::Seconds(mean->seconds / (found_batch + 1));
  }
  // The budget nearest to it that is known, by what both execute.
  for (int away = 0; away <= kDenseTenths; ++away) {
    for (const RetentionTenths other : {budget + away, budget - away}) {
      if (other < 0 || other > kDenseTenths) continue;
      const Mean* const mean = Nearest(denoise_[other], wanted_batch, window, &found_batch);
      if (mean == nullptr) continue;
      return absl::Seconds(mean->seconds / (found_batch + 1) * ExecutedShare(budget) / ExecutedShare(other));
    }
  }
  return std::nullopt;
}

bool PassTimes::SharingIsFree() const {
  int64_t most = 0;
  bool free = false;
  for (const ByBatch& table : denoise_) {
    for (int window = 0; window < kWindows; ++window) {
      const Mean &alone = table[BatchIndex(1)][window], &shared = table[BatchIndex(2)][window];
      const int64_t seen = std::min(alone.count, shared.count);
      if (seen <= most) continue;
      most = seen;
      free = shared.seconds < kFreeBelow * alone.seconds;
    }
  }
  return free;
}

std::optional<absl::Duration> PassTimes::Chunk(RetentionTenths budget, int batch, int64_t chunks_in_scene) const {
  return Rest(budget, batch, chunks_in_scene, denoise_steps_, /*context_owed=*/true);
}

std::optional<absl::Duration> PassTimes::Rest(RetentionTenths budget, int batch, int64_t chunks_in_scene,
                                              int passes_left, bool context_owed) const {
  const std::optional<absl::Duration> pass = Share(StepKind::kDenoise, budget, batch, chunks_in_scene);
  if (!pass.has_value()) return std::nullopt;
  absl::Duration rest = *pass * passes_left;
  if (context_owed) rest += Share(StepKind::kContext, budget, batch, chunks_in_scene).value_or(*pass);
  return rest;
}

}  // namespace videodiffcr
