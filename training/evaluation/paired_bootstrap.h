// How sure a figure is, or the difference of two that were judged on the same prompts and noise: resampling training
// seeds and clips, each with replacement and independently of the other, because every seed sees the same clips
// (videodiffcr.md section 8.3).
#ifndef VIDEODIFFCR_TRAINING_EVALUATION_PAIRED_BOOTSTRAP_H_
#define VIDEODIFFCR_TRAINING_EVALUATION_PAIRED_BOOTSTRAP_H_

#include <cstdint>
#include <vector>

namespace videodiffcr::training {

// [training seed][clip]; NaN where nothing was asked of a clip. All rows have the same length.
using SeedClipValues = std::vector<std::vector<double>>;

// Of all that is not NaN; NaN when nothing is.
double MeanOfValues(const SeedClipValues& values);
// `values` - `reference`, entry by entry; both have the same shape.
SeedClipValues PairedDifferences(const SeedClipValues& values, const SeedClipValues& reference);

// The value below which the share `share` of `sorted` lies, linear between neighbours. `sorted` is not empty.
double Quantile(const std::vector<double>& sorted, double share);

struct BootstrapOptions {
  int64_t replicates = 2000;
  uint64_t seed = 1;
};

struct BootstrapInterval {
  double mean = 0;            // of the values themselves
  double low = 0, high = 0;   // 95 % of the replicates' means lie between them
  double one_sided_low = 0;   // 95 % lie above
  double one_sided_high = 0;  // 95 % lie below
};

// The same options give the same interval, bit for bit. With one training seed only clips are resampled.
BootstrapInterval Bootstrap(const SeedClipValues& values, const BootstrapOptions& options);

// Whether the difference from the reference is, one-sided at 95 %, no worse than `margin`, which is in the unit of the
// values: 0.01 is one of a hundred clips.
bool IsNotInferior(const BootstrapInterval& difference, bool more_is_better, double margin);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_EVALUATION_PAIRED_BOOTSTRAP_H_
