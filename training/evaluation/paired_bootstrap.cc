#include "training/evaluation/paired_bootstrap.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "training/scenes/random_stream.h"

namespace videodiffcr::training {
namespace {

// How often each of `count` things is drawn in `count` draws with replacement; a single one is simply there.
std::vector<int> DrawCounts(size_t count, RandomStream& random) {
  std::vector<int> counts(count, 0);
  for (size_t i = 0; i < count; ++i) ++counts[static_cast<size_t>(random.Below(static_cast<int>(count)))];
  return counts;
}

double WeightedMean(const SeedClipValues& values, const std::vector<int>& of_seed, const std::vector<int>& of_clip) {
  double sum = 0, weights = 0;
  for (size_t seed = 0; seed < values.size(); ++seed) {
    if (of_seed[seed] == 0) continue;
    for (size_t clip = 0; clip < of_clip.size(); ++clip) {
      if (of_clip[clip] == 0 || std::isnan(values[seed][clip])) continue;
      const double weight = static_cast<double>(of_seed[seed]) * of_clip[clip];
      sum += weight * values[seed][clip];
      weights += weight;
    }
  }
  return weights == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / weights;
}

}  // namespace

double MeanOfValues(const SeedClipValues& values) {
  const size_t clips = values.empty() ? 0 : values.front().size();
  return WeightedMean(values, std::vector<int>(values.size(), 1), std::vector<int>(clips, 1));
}

SeedClipValues PairedDifferences(const SeedClipValues& values, const SeedClipValues& reference) {
  SeedClipValues differences = values;
  for (size_t seed = 0; seed < values.size(); ++seed) {
    for (size_t clip = 0; clip < values[seed].size(); ++clip) differences[seed][clip] -= reference[seed][clip];
  }
  return differences;
}

double Quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const size_t below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

BootstrapInterval Bootstrap(const SeedClipValues& values, const BootstrapOptions& options) {
  BootstrapInterval interval;
  interval.mean = interval.low = interval.high = interval.one_sided_low = interval.one_sided_high =
      MeanOfValues(values);
  std::vector<double> means;
  for (int64_t replicate = 0; replicate < options.replicates && !std::isnan(interval.mean); ++replicate) {
    RandomStream random(options.seed, DrawPurpose::kBootstrap, static_cast<uint64_t>(replicate));
    const std::vector<int> of_seed = DrawCounts(values.size(), random);
    const std::vector<int> of_clip = DrawCounts(values.front().size(), random);
    const double mean = WeightedMean(values, of_seed, of_clip);
    if (!std::isnan(mean)) means.push_back(mean);  // of few clips, all that were drawn may be ones that were not asked
  }
  if (means.empty()) return interval;
  std::sort(means.begin(), means.end());
  interval.low = Quantile(means, 0.025);
  interval.high = Quantile(means, 0.975);
  interval.one_sided_low = Quantile(means, 0.05);
  interval.one_sided_high = Quantile(means, 0.95);
  return interval;
}

bool IsNotInferior(const BootstrapInterval& difference, bool more_is_better, double margin) {
  return more_is_better ? difference.one_sided_low > -margin : difference.one_sided_high < margin;
}

}  // namespace videodiffcr::training
