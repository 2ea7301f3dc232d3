#include "training/model/initial_weights.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>

#include <cmath>
#include <string>

#include "absl/strings/match.h"
#include "training/run/random_tensor.h"

namespace videodiffcr::training {
namespace {

int64_t Inputs(const WeightRow& row) {
  int64_t inputs = 1;
  for (size_t i = 1; i < row.shape.size(); ++i) inputs *= row.shape[i];
  return inputs;
}

double Root(int64_t value) { return std::sqrt(static_cast<double>(value)); }

}  // namespace

void InitializeTransformer(const std::vector<WeightRow>& rows, int64_t dim, uint64_t seed, at::Device device) {
  for (uint64_t i = 0; i < rows.size(); ++i) {
    const WeightRow& row = rows[i];
    if (absl::StrContains(row.name, "modulation")) {
      FillNormalWeight(row, 1 / Root(dim), seed, i, device);
    } else if (absl::StrContains(row.name, "norm") && absl::EndsWith(row.name, ".weight")) {
      FillConstantWeight(row, 1, device);
    } else if (absl::EndsWith(row.name, ".bias") || absl::StartsWith(row.name, "head.head")) {
      FillConstantWeight(row, 0, device);
    } else if (absl::StartsWith(row.name, "time_")) {
      FillNormalWeight(row, 0.02, seed, i, device);
    } else {
      FillUniformWeight(row, std::sqrt(6.0 / static_cast<double>(Inputs(row) + row.shape[0])), seed, i, device);
    }
  }
}

void InitializeTextEncoder(const std::vector<WeightRow>& rows, const TextEncoderConfig& config, uint64_t seed,
                           at::Device device) {
  for (uint64_t i = 0; i < rows.size(); ++i) {
    const WeightRow& row = rows[i];
    double std = 1 / Root(Inputs(row));
    if (absl::StrContains(row.name, "token_embedding")) std = 1;
    if (absl::StrContains(row.name, "attn.q")) std = 1 / Root(config.dim * (config.dim_attn / config.num_heads));
    if (absl::StrContains(row.name, "pos_embedding")) std = 1 / Root(2 * config.num_buckets * config.num_heads);
    if (absl::StrContains(row.name, "norm")) {
      FillConstantWeight(row, 1, device);
    } else {
      FillNormalWeight(row, std, seed, i, device);
    }
  }
}

void InitializeRouters(const std::vector<WeightRow>& rows, uint64_t seed, at::Device device) {
  for (uint64_t i = 0; i < rows.size(); ++i) {
    const WeightRow& row = rows[i];
    if (absl::EndsWith(row.name, "down.weight")) {
      FillNormalWeight(row, 1 / Root(row.shape[1]), seed, i, device);
    } else if (absl::EndsWith(row.name, "score.weight")) {
      FillNormalWeight(row, 0.02 / Root(row.shape[1]), seed, i, device);
    } else if (absl::EndsWith(row.name, "mix")) {
      constexpr double kMixed = 0.5;  // mu: the share that all frames of a site have in common
      const int64_t frames = row.shape[1];
      FillConstantWeight(row, kMixed / static_cast<double>(frames), device);
      row.destination->add_(at::eye(frames).to(device), 1 - kMixed);
    } else {
      FillConstantWeight(row, 0, device);
    }
  }
}

void InitializeBypass(const std::vector<WeightRow>& rows, uint64_t seed, at::Device device) {
  constexpr uint64_t kFirstDraw = 1000;  // behind those of routers, which may be drawn from the same seed
  for (uint64_t i = 0; i < rows.size(); ++i) {
    if (absl::EndsWith(rows[i].name, "down.weight")) {
      FillNormalWeight(rows[i], 1 / Root(rows[i].shape[1]), seed, kFirstDraw + i, device);
    } else {
      FillConstantWeight(rows[i], 0, device);
    }
  }
}

void InitializeConvolutions(const std::vector<WeightRow>& rows, uint64_t seed, at::Device device) {
  int64_t inputs = 1;  // of the layer; a bias follows its weight
  for (uint64_t i = 0; i < rows.size(); ++i) {
    const WeightRow& row = rows[i];
    const bool norm = absl::StartsWith(row.name, "n.");
    if (row.shape.size() > 1) inputs = Inputs(row);
    if (norm) {
      FillConstantWeight(row, absl::EndsWith(row.name, ".weight") || absl::EndsWith(row.name, "_var") ? 1 : 0, device);
    } else {
      FillUniformWeight(row, 1 / Root(inputs), seed, i, device);
    }
  }
}

}  // namespace videodiffcr::training
