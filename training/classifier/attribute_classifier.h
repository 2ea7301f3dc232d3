// Reads the attributes of a scene back from its pixels: the tiny model's measure of quality (tiny_recipe.md section 4).
// It judges, it never serves.
#ifndef VIDEODIFFCR_TRAINING_CLASSIFIER_ATTRIBUTE_CLASSIFIER_H_
#define VIDEODIFFCR_TRAINING_CLASSIFIER_ATTRIBUTE_CLASSIFIER_H_

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "model/plain/decoder/memory_block.h"
#include "model/plain/transformer/transformer_weights.h"
#include "model/weights/safetensors_reader.h"
#include "model/weights/weight_table.h"
#include "training/scenes/scene.h"

namespace videodiffcr::training {

// What the classifier sees of a clip: nine frames, four apart, of the last 45.
inline constexpr int64_t kJudgedFrames = 45;
inline constexpr int64_t kFirstReadFrame = 12;  // of the 45
inline constexpr int64_t kReadStride = 4;
inline constexpr int64_t kReadFrames = 9;

struct ClassifierStage {
  ConvWeights conv;                                                   // stride 2: 5x5 in the first stage, else 3x3
  ConvWeights residual;                                               // 3x3
  at::Tensor norm_weight, norm_bias, running_mean, running_variance;  // [out], of the batch norm
};

struct ClassifierWeights {
  std::array<ClassifierStage, 4> stages;
  LinearWeights features;                            // [256, twice the last width]: mean, then maximum, over the plane
  std::array<LinearWeights, kAttributeCount> heads;  // [values, 256]
};

// One row per tensor, named as in classifier.safetensors: c, r, n per stage, fc, h.<attribute>.
std::vector<WeightRow> ClassifierTable(ClassifierWeights* weights);
// The rows of ClassifierTable() that gradients change; the rest are the running statistics.
bool IsClassifierStatistic(const WeightRow& row);

absl::StatusOr<ClassifierWeights> LoadClassifier(const SafetensorsReader& reader, const WeightOptions& options = {});

enum class BatchNormMode {
  kRunningStatistics,  // to judge
  kBatchStatistics,    // to train; moves the running ones towards the batch's
};

// Scores of each attribute's values: clips [clips, 9, 3, height, width] in [0, 1] -> one [clips, values] per attribute.
std::array<at::Tensor, kAttributeCount> Classify(const ClassifierWeights& weights, const at::Tensor& clips,
                                                 BatchNormMode mode);

// What the heads read, [clips, 256], by running statistics: where clips are alike, these are near each other.
at::Tensor ClipFeatures(const ClassifierWeights& weights, const at::Tensor& clips);
// The most likely values by the heads, from ClipFeatures().
std::vector<AttributeValues> ReadFeatures(const ClassifierWeights& weights, const at::Tensor& features);

// The nine frames that are read: [clips, frames >= 45, 3, height, width] -> [clips, 9, 3, height, width].
at::Tensor ReadFrames(const at::Tensor& clips);

// The most likely value of every attribute of each clip; as Classify().
std::vector<AttributeValues> ReadAttributes(const ClassifierWeights& weights, const at::Tensor& clips);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_CLASSIFIER_ATTRIBUTE_CLASSIFIER_H_
