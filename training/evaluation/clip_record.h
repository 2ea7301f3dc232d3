// What judging found out about single clips, as a file: the ground that every table and interval stands on. One line
// per clip, so that two models can be compared on the same prompts and noise (docs/training.md, "Judging").
#ifndef VIDEODIFFCR_TRAINING_EVALUATION_CLIP_RECORD_H_
#define VIDEODIFFCR_TRAINING_EVALUATION_CLIP_RECORD_H_

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "training/evaluation/retention_cost.h"
#include "training/scenes/scene.h"

namespace videodiffcr::training {

// What is known of a clip; the figure of a condition is the mean over its clips. The attributes come first, in their
// order: 1 right, 0 wrong.
enum ClipColumn {
  kAllRight = kAttributeCount,
  kFrechet,  // FrechetDistancePerClip()
  kSubjectConsistency,
  kBackgroundConsistency,
  kTemporalFlickering,
  kMotionSmoothness,
  kDynamicDegree,
  kImagingQuality,
  kFlipped,           // drift: the attribute that the caption leaves open is read otherwise than at the start
  kIdentityDistance,  // drift: 1 - cosine of the object's features and those at the start
  kHueShift,          // drift: degrees between the object's hue and that at the start
  kAreaChange,        // drift: |log2| of the object's area over that at the start
  kClipColumnCount
};

const std::string& ColumnName(int column);
bool MoreIsBetter(int column);

// What all clips of one condition of one trained model have in common.
struct ClipGroup {
  std::string method;            // what the model is called in tables
  std::string training_seed;     // a label: models that differ in nothing else have different ones
  std::string condition;         // "short", "long", "switch", "held-out", "drift-8", ...
  int budget = 10;               // tenths
  std::string scores;            // "router", "random" or "oracle"
  uint64_t evaluation_seed = 0;  // prompts and noise follow from it and the clip's number
  RetentionCost cost;
};

struct ClipRecord {
  int64_t clip = 0;
  AttributeValues prompted = {};                // negative: not said
  std::array<double, kClipColumnCount> values;  // NaN: not asked

  ClipRecord() { values.fill(std::numeric_limits<double>::quiet_NaN()); }
};

struct JudgedClips {
  ClipGroup group;
  std::vector<ClipRecord> clips;
};

// Lines of a per-clip file: first one with the command that made it, after "# ", and the names of the columns, then one
// per clip. A prompt is written as the numbers of its attributes' values, "-" for what it does not say.
std::string ClipFileHeader(const std::string& command);
std::string FormatClips(const JudgedClips& judged);

// InvalidArgument names file, line, field and value.
absl::StatusOr<std::vector<JudgedClips>> ReadClipFile(const std::string& path);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_EVALUATION_CLIP_RECORD_H_
