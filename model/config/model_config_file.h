// A config.json that need not lie in a model folder.
#ifndef VIDEODIFFCR_MODEL_CONFIG_MODEL_CONFIG_FILE_H_
#define VIDEODIFFCR_MODEL_CONFIG_MODEL_CONFIG_FILE_H_

#include <string>

#include "absl/status/statusor.h"
#include "model/config/model_config.h"

namespace videodiffcr {

// A regular file of at most 16 MiB. Every error names the path.
absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& path);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_CONFIG_MODEL_CONFIG_FILE_H_
