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

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_LOAD_MODEL_FOLDER_H_
