#include "training/evaluation/budget_distance.h"

#include <ATen/TensorOperators.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_format.h"
#include "model/config/retention_table.h"

namespace videodiffcr::training {
namespace {

constexpr uint64_t kOtherSeed = 0x9e3779b97f4a7c15;

using Videos = std::vector<std::vector<at::Tensor>>;  // [clip][chunk]

absl::StatusOr<Videos> MakeVideos(LatentRollout& rollout, const std::vector<RolloutClip>& clips, RetentionTenths budget,
                                  int64_t chunks) {
  if (absl::Status begun = rollout.Begin(clips); !begun.ok()) return begun;
  Videos videos(clips.size());
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const absl::StatusOr<at::Tensor> latents = rollout.NextChunk(budget, {});
    if (!latents.ok()) return latents.status();
    for (size_t clip = 0; clip < clips.size(); ++clip) videos[clip].push_back((*latents)[static_cast<int64_t>(clip)]);
  }
  return videos;
}

// Distances of one budget, [chunk][clip].
using Samples = std::vector<std::vector<double>>;

void AddSamples(const Videos& videos, const Videos& dense, Samples& samples) {
  for (size_t clip = 0; clip < videos.size(); ++clip) {
    for (size_t chunk = 0; chunk < videos[clip].size(); ++chunk) {
      const at::Tensor apart = videos[clip][chunk] - dense[clip][chunk];
      samples[chunk].push_back((apart.norm() / dense[clip][chunk].norm()).item<double>());
    }
  }
}

ChunkDistance Summary(const std::vector<double>& samples) {
  const auto count = static_cast<double>(samples.size());
  ChunkDistance summary;
  for (const double sample : samples) summary.mean += sample / count;
  double squares = 0;
  for (const double sample : samples) squares += (sample - summary.mean) * (sample - summary.mean);
  if (samples.size() > 1) summary.standard_error = std::sqrt(squares / (count - 1) / count);
  return summary;
}

absl::StatusOr<BudgetDistance> Named(const ModelConfig& config, RetentionTenths budget) {
  const absl::StatusOr<const RetentionTable*> table = FindTable(config.retention, budget);
  if (!table.ok()) return table.status();
  BudgetDistance row;
  row.name = absl::StrFormat("%.1f", 0.1 * budget);
  if (*table != nullptr) row.executed = ExecutedRetention(**table, config.transformer.tokens_per_chunk());
  return row;
}

}  // namespace

absl::StatusOr<std::vector<BudgetDistance>> MeasureDistances(LatentRollout& rollout,
                                                             const std::vector<RolloutClip>& clips,
                                                             const std::vector<RetentionTenths>& budgets,
                                                             int64_t chunks, const OnLatents& on_latents) {
  const c10::NoGradGuard no_gradients;
  std::vector<BudgetDistance> rows;
  for (const RetentionTenths budget : budgets) {
    absl::StatusOr<BudgetDistance> row = Named(rollout.config(), budget);
    if (!row.ok()) return row.status();
    rows.push_back(*std::move(row));
  }
  rows.push_back({kOtherNoise, 1, 0, {}});
  std::vector<Samples> samples(rows.size(), Samples(static_cast<size_t>(chunks)));
  const auto most = static_cast<size_t>(rollout.most_clips());
  for (size_t begin = 0; begin < clips.size(); begin += most) {
    std::vector<RolloutClip> group(clips.begin() + static_cast<int64_t>(begin),
                                   clips.begin() + static_cast<int64_t>(std::min(clips.size(), begin + most)));
    const auto tell = [&](const Videos& videos, RetentionTenths budget) -> absl::Status {
      for (size_t i = 0; i < videos.size(); ++i) {
        if (absl::Status told = on_latents(begin + i, budget, videos[i]); !told.ok()) return told;
      }
      return absl::OkStatus();
    };
    const absl::StatusOr<Videos> dense = MakeVideos(rollout, group, kDenseTenths, chunks);
    if (!dense.ok()) return dense.status();
    if (absl::Status told = tell(*dense, kDenseTenths); !told.ok()) return told;
    for (size_t row = 0; row < rows.size(); ++row) {
      const bool other_noise = row == budgets.size();
      if (other_noise) {
        for (RolloutClip& clip : group) clip.seed ^= kOtherSeed;
      }
      const RetentionTenths budget = other_noise ? kDenseTenths : budgets[row];
      const absl::StatusOr<Videos> videos = MakeVideos(rollout, group, budget, chunks);
      if (!videos.ok()) return videos.status();
      AddSamples(*videos, *dense, samples[row]);
      if (other_noise) continue;
      if (absl::Status told = tell(*videos, budget); !told.ok()) return told;
    }
  }
  for (size_t row = 0; row < rows.size(); ++row) {
    rows[row].clips = static_cast<int64_t>(clips.size());
    for (const std::vector<double>& of_chunk : samples[row]) rows[row].chunks.push_back(Summary(of_chunk));
  }
  return rows;
}

std::string FormatDistances(const std::vector<BudgetDistance>& distances) {
  std::string table =
      absl::StrFormat("%-12s %8s %6s  relative distance to dense by chunk\n", "budget", "executed", "clips");
  for (const BudgetDistance& row : distances) {
    absl::StrAppendFormat(&table, "%-12s %8.4f %6d ", row.name, row.executed, row.clips);
    for (const ChunkDistance& chunk : row.chunks) {
      absl::StrAppendFormat(&table, " %.4f+-%.4f", chunk.mean, chunk.standard_error);
    }
    table += "\n";
  }
  return table;
}

std::string DistancesCsv(const std::vector<BudgetDistance>& distances) {
  std::string csv = "budget,executed,clips,chunk,distance,standard_error\n";
  for (const BudgetDistance& row : distances) {
    for (size_t chunk = 0; chunk < row.chunks.size(); ++chunk) {
      absl::StrAppendFormat(&csv, "%s,%.6f,%d,%d,%.6f,%.6f\n", row.name, row.executed, row.clips, chunk,
                            row.chunks[chunk].mean, row.chunks[chunk].standard_error);
    }
  }
  return csv;
}

}  // namespace videodiffcr::training
