// VBench's aggregation of sixteen dimension scores (videodiffcr.md section 10), so that published rows can be
// re-computed; quality_score.h puts our own dimensions into it. We have no VBench scores of our own.
#ifndef VIDEODIFFCR_TRAINING_EVALUATION_VBENCH_SCORE_H_
#define VIDEODIFFCR_TRAINING_EVALUATION_VBENCH_SCORE_H_

#include <array>
#include <cstddef>
#include <string_view>

namespace videodiffcr::training {

struct VBenchDimension {
  std::string_view name;
  double least;  // raw score that normalises to 0
  double most;   // raw score that normalises to 1
  double weight;
};

inline constexpr std::array<VBenchDimension, 7> kVBenchQuality = {{
    {"subject consistency", 0.1462, 1.0, 1.0},
    {"background consistency", 0.2615, 1.0, 1.0},
    {"temporal flickering", 0.6293, 1.0, 1.0},
    {"motion smoothness", 0.706, 0.9975, 1.0},
    {"dynamic degree", 0.0, 1.0, 0.5},
    {"aesthetic quality", 0.0, 1.0, 1.0},
    {"imaging quality", 0.0, 1.0, 1.0},
}};

inline constexpr std::array<VBenchDimension, 9> kVBenchSemantic = {{
    {"object class", 0.0, 1.0, 1.0},
    {"multiple objects", 0.0, 1.0, 1.0},
    {"human action", 0.0, 1.0, 1.0},
    {"color", 0.0, 1.0, 1.0},
    {"spatial relationship", 0.0, 1.0, 1.0},
    {"scene", 0.0, 0.8222, 1.0},
    {"appearance style", 0.0009, 0.2855, 1.0},
    {"temporal style", 0.0, 0.364, 1.0},
    {"overall consistency", 0.0, 0.364, 1.0},
}};

// Weighted mean of (raw - least) / (most - least), not clipped; raw scores in [0, 1] in the table's order, 0 for a
// missing one. Of a dimension of weight 0 neither the bounds nor the raw score count, whatever they are.
template <size_t count>
constexpr double VBenchGroupScore(const std::array<VBenchDimension, count>& dimensions,
                                  const std::array<double, count>& raw) {
  double sum = 0.0;
  double weights = 0.0;
  for (size_t i = 0; i < count; ++i) {
    const VBenchDimension& dimension = dimensions[i];
    if (dimension.weight == 0.0) continue;
    sum += dimension.weight * (raw[i] - dimension.least) / (dimension.most - dimension.least);
    weights += dimension.weight;
  }
  return sum / weights;
}

constexpr double VBenchTotal(double quality, double semantic) { return (4.0 * quality + semantic) / 5.0; }

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_EVALUATION_VBENCH_SCORE_H_
