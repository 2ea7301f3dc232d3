// Model folders of a real shape with random weights, for measuring speed where no trained weights are at hand ("shape
// benchmark"): what they show is noise, but every product, cache and file has its true size.
#ifndef VIDEODIFFCR_BENCH_SHAPE_MODEL_H_
#define VIDEODIFFCR_BENCH_SHAPE_MODEL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/config/model_config.h"

namespace videodiffcr {

// A preset of convert/model_presets.h with what it lacks: routers with budgets 0.9, 0.8 and 0.7 (every block and
// every pass keeps exactly that share, kept keys only, dense context pass), TAEHV, and the tokenizer of
// `tokenizer_config` with a text encoder of one narrow block, whose output is as wide as the transformer wants it. The
// real text encoder is measured apart. NotFound lists the presets.
absl::StatusOr<ModelConfig> MakeShapeConfig(const std::string& preset, const ModelConfig& tokenizer_config);

// Other denoising steps, and retention tables of as many columns, each layer's ratio without deltas.
void SetDenoiseSteps(const std::vector<int>& steps, ModelConfig* config);

// Other budgets, below 10 and falling: every block and every pass keeps exactly that share.
void SetBudgets(const std::vector<int>& budgets, ModelConfig* config);

// Writes the folder `output`, which must not exist or be empty: config.json, and for each network a safetensors file
// whose values keep activations near one. The same seed gives the same bytes. The tokenizer's file is copied from
// `tokenizer_folder`. Threads: as many as there are processors.
absl::Status WriteShapeModel(const ModelConfig& config, uint64_t seed, const std::string& tokenizer_folder,
                             const std::string& output);

// The same files as `folder` by hard links, or by symbolic ones on another file system, under another config.json.
absl::Status LinkShapeModel(const ModelConfig& config, const std::string& folder, const std::string& output);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_BENCH_SHAPE_MODEL_H_
