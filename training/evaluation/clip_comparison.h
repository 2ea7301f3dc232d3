// Two or more judged models against each other, on the clips that they have in common.
#ifndef VIDEODIFFCR_TRAINING_EVALUATION_CLIP_COMPARISON_H_
#define VIDEODIFFCR_TRAINING_EVALUATION_CLIP_COMPARISON_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "training/evaluation/clip_record.h"
#include "training/evaluation/paired_bootstrap.h"

namespace videodiffcr::training {

// One row of a table: all training seeds of a method under one condition, at one budget, with one kind of scores.
struct MethodClips {
  std::string method, condition;
  int budget = 10;
  std::string scores;
  std::vector<JudgedClips> seeds;  // one per training seed, in the order in which they were read

  std::string name() const;  // "ours, retention 0.7, router"
};

// Groups what was read from any number of files. InvalidArgument when a training seed is there twice.
absl::StatusOr<std::vector<MethodClips>> GroupByMethod(const std::vector<JudgedClips>& judged);

struct ComparisonOptions {
  int column = kAllRight;
  double margin = 0.01;  // of non-inferiority, in the unit of the column
  BootstrapOptions bootstrap;
};

struct Comparison {
  std::string condition, reference, other;
  int64_t training_seeds = 0, clips = 0;
  double reference_mean = 0, other_mean = 0;
  BootstrapInterval difference;  // other - reference
  bool not_inferior = false;
};

// Training seeds are paired by their labels; where one of the two has a single seed, it goes with all of the other's.
// InvalidArgument when the two were not judged on the same prompts, or have no clip or no seed in common.
absl::StatusOr<Comparison> Compare(const MethodClips& reference, const MethodClips& other,
                                   const ComparisonOptions& options);

std::string FormatComparisons(const std::vector<Comparison>& comparisons, const ComparisonOptions& options);
// condition,column,reference,other,training_seeds,clips,reference_mean,other_mean,difference,low,high,one_sided_bound,
// margin,not_inferior
std::string FormatComparisonsCsv(const std::vector<Comparison>& comparisons, const ComparisonOptions& options);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_EVALUATION_CLIP_COMPARISON_H_
