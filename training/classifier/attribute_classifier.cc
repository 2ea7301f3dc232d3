#include "training/classifier/attribute_classifier.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/relu.h>
#include <c10/core/GradMode.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace videodiffcr::training {
namespace {

constexpr std::array<int64_t, 4> kWidths = {48, 96, 128, 192};
constexpr int64_t kFeatures = 256;
constexpr double kMomentum = 0.1, kEps = 1e-5;
constexpr std::array<const char*, kAttributeCount> kHeadNames = {"shape", "colour", "size", "motion",
                                                                 "speed", "bgc",    "tex"};

at::Tensor RunStage(const ClassifierStage& stage, const at::Tensor& x, BatchNormMode mode) {
  const int64_t padding = stage.conv.weight.size(2) / 2;
  at::Tensor y = at::relu(at::conv2d(x, stage.conv.weight, stage.conv.bias, /*stride=*/2, padding));
  y = at::batch_norm(y, stage.norm_weight, stage.norm_bias, stage.running_mean, stage.running_variance,
                     mode == BatchNormMode::kBatchStatistics, kMomentum, kEps, /*cudnn_enabled=*/false);
  return y + at::relu(at::conv2d(y, stage.residual.weight, stage.residual.bias, /*stride=*/1, /*padding=*/1));
}

}  // namespace

std::vector<WeightRow> ClassifierTable(ClassifierWeights* weights) {
  std::vector<WeightRow> rows;
  int64_t in = 3 * kReadFrames;
  for (size_t i = 0; i < weights->stages.size(); ++i) {
    ClassifierStage& stage = weights->stages[i];
    const int64_t out = kWidths[i], kernel = i == 0 ? 5 : 3;
    rows.push_back({absl::StrCat("c.", i, ".weight"), {out, in, kernel, kernel}, &stage.conv.weight});
    rows.push_back({absl::StrCat("c.", i, ".bias"), {out}, &stage.conv.bias});
    rows.push_back({absl::StrCat("r.", i, ".weight"), {out, out, 3, 3}, &stage.residual.weight});
    rows.push_back({absl::StrCat("r.", i, ".bias"), {out}, &stage.residual.bias});
    rows.push_back({absl::StrCat("n.", i, ".weight"), {out}, &stage.norm_weight});
    rows.push_back({absl::StrCat("n.", i, ".bias"), {out}, &stage.norm_bias});
    rows.push_back({absl::StrCat("n.", i, ".running_mean"), {out}, &stage.running_mean});
    rows.push_back({absl::StrCat("n.", i, ".running_var"), {out}, &stage.running_variance});
    in = out;
  }
  rows.push_back({"fc.weight", {kFeatures, 2 * in}, &weights->features.weight});
  rows.push_back({"fc.bias", {kFeatures}, &weights->features.bias});
  for (int attribute = 0; attribute < kAttributeCount; ++attribute) {
    const int64_t values = ValueCount(static_cast<Attribute>(attribute));
    LinearWeights& head = weights->heads[attribute];
    rows.push_back({absl::StrCat("h.", kHeadNames[attribute], ".weight"), {values, kFeatures}, &head.weight});
    rows.push_back({absl::StrCat("h.", kHeadNames[attribute], ".bias"), {values}, &head.bias});
  }
  return rows;
}

bool IsClassifierStatistic(const WeightRow& row) { return absl::StrContains(row.name, ".running_"); }

absl::StatusOr<ClassifierWeights> LoadClassifier(const SafetensorsReader& reader, const WeightOptions& options) {
  ClassifierWeights weights;
  WeightOptions without_counts = options;
  without_counts.other_owners.push_back("num_batches_tracked");  // a count that nothing here uses
  const absl::Status status = LoadWeightTable(reader, ClassifierTable(&weights), without_counts);
  if (!status.ok()) return status;
  return weights;
}

namespace {

at::Tensor RunFeatures(const ClassifierWeights& weights, const at::Tensor& clips, BatchNormMode mode) {
  at::Tensor x = clips.flatten(1, 2) - 0.5;
  for (const ClassifierStage& stage : weights.stages) x = RunStage(stage, x, mode);
  const at::Tensor pooled = at::cat({x.mean(at::IntArrayRef{2, 3}), x.amax(at::IntArrayRef{2, 3})}, 1);
  return at::relu(at::linear(pooled, weights.features.weight, weights.features.bias));
}

std::array<at::Tensor, kAttributeCount> RunHeads(const ClassifierWeights& weights, const at::Tensor& features) {
  std::array<at::Tensor, kAttributeCount> scores;
  for (int i = 0; i < kAttributeCount; ++i) {
    scores[i] = at::linear(features, weights.heads[i].weight, weights.heads[i].bias);
  }
  return scores;
}

}  // namespace

std::array<at::Tensor, kAttributeCount> Classify(const ClassifierWeights& weights, const at::Tensor& clips,
                                                 BatchNormMode mode) {
  return RunHeads(weights, RunFeatures(weights, clips, mode));
}

at::Tensor ClipFeatures(const ClassifierWeights& weights, const at::Tensor& clips) {
  const c10::NoGradGuard no_gradients;
  return RunFeatures(weights, clips, BatchNormMode::kRunningStatistics);
}

at::Tensor ReadFrames(const at::Tensor& clips) {
  const int64_t first = clips.size(1) - kJudgedFrames + kFirstReadFrame;
  return clips.slice(1, first, first + kReadStride * (kReadFrames - 1) + 1, kReadStride);
}

std::vector<AttributeValues> ReadFeatures(const ClassifierWeights& weights, const at::Tensor& features) {
  const c10::NoGradGuard no_gradients;
  const std::array<at::Tensor, kAttributeCount> scores = RunHeads(weights, features);
  std::vector<AttributeValues> read(features.size(0));
  for (int attribute = 0; attribute < kAttributeCount; ++attribute) {
    const at::Tensor best = scores[attribute].argmax(1).cpu();
    for (size_t clip = 0; clip < read.size(); ++clip) {
      read[clip][attribute] = static_cast<int>(best.const_data_ptr<int64_t>()[clip]);
    }
  }
  return read;
}

std::vector<AttributeValues> ReadAttributes(const ClassifierWeights& weights, const at::Tensor& clips) {
  return ReadFeatures(weights, ClipFeatures(weights, clips));
}

}  // namespace videodiffcr::training
