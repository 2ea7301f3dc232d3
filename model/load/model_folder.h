// A model folder read into memory.
#ifndef VIDEODIFFCR_MODEL_LOAD_MODEL_FOLDER_H_
#define VIDEODIFFCR_MODEL_LOAD_MODEL_FOLDER_H_

#include <string>

#include "absl/status/statusor.h"
#include "model/plain/model_parts.h"

namespace videodiffcr {

// Loads and checks the whole folder. Errors name the file and what is wrong with it. `truncate_prompts`:
// TokenizerOptions::truncate.
absl::StatusOr<ModelParts> LoadModelFolder(const std::string& folder, const ModelPlacement& placement,
                                           bool truncate_prompts = false);

// The transformer alone, with its routers where the config names some.
absl::StatusOr<TransformerWeights> LoadTransformerOf(const std::string& folder, const ModelConfig& config,
                                                     const WeightOptions& options);

// FailedPrecondition for the folder of a model that takes tokens out in a way of its own.
absl::Status CheckServable(const std::string& folder);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_LOAD_MODEL_FOLDER_H_
