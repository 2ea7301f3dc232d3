// VBench's total out of our proxies: its weights and its formula (videodiffcr.md section 10), our dimensions and our
// bounds. Aesthetic quality, multiple objects and spatial relationship have no proxy: the rest is weighed without them.
#ifndef VIDEODIFFCR_TRAINING_EVALUATION_QUALITY_SCORE_H_
#define VIDEODIFFCR_TRAINING_EVALUATION_QUALITY_SCORE_H_

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "training/evaluation/clip_record.h"
#include "training/evaluation/vbench_score.h"

namespace videodiffcr::training {

// VBench's dimension, and the column that stands for it.
struct ProxyDimension {
  std::string_view name;
  int column;
  double weight;
};

inline constexpr std::array<ProxyDimension, 6> kQualityProxies = {{
    {"subject consistency", kSubjectConsistency, 1},
    {"background consistency", kBackgroundConsistency, 1},
    {"temporal flickering", kTemporalFlickering, 1},
    {"motion smoothness", kMotionSmoothness, 1},
    {"dynamic degree", kDynamicDegree, 0.5},
    {"imaging quality", kImagingQuality, 1},
}};

inline constexpr std::array<ProxyDimension, 7> kSemanticProxies = {{
    {"object class", kShape, 1},
    {"human action", kMotion, 1},
    {"color", kColor, 1},
    {"scene", kBackgroundColor, 1},
    {"appearance style", kTexture, 1},
    {"temporal style", kSpeed, 1},
    {"overall consistency", kAllRight, 1},
}};

// Means over clips, by column; NaN where a column was not measured.
using ColumnMeans = std::array<double, kClipColumnCount>;
ColumnMeans MeansOf(const std::vector<ClipRecord>& clips);

// What a known bad model and real renders get: raw values that count as 0 and 1. Fixed before anything is judged. A
// dimension whose least is not below its most weighs nothing.
struct QualityBounds {
  ColumnMeans least, most;
};

struct QualityScore {
  double quality = 0, semantic = 0, total = 0;  // 0 for the bad model, 1 for renders; not clipped
};

// Nothing unless every dimension that weighs something was measured.
std::optional<QualityScore> ScoreOf(const ColumnMeans& means, const QualityBounds& bounds);

// A table with a line per dimension: dimension,group,column,weight,least,most, after a line with the command.
std::string FormatBounds(const QualityBounds& bounds, const std::string& command);
// InvalidArgument names file, line and value; every dimension must be there, its least below its most or its weight 0.
absl::StatusOr<QualityBounds> ReadBounds(const std::string& path);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_EVALUATION_QUALITY_SCORE_H_
