// A config.json that need not lie in a model folder.
#ifndef VIDEODIFFCR_MODEL_CONFIG_MODEL_CONFIG_FILE_H_
#define VIDEODIFFCR_MODEL_CONFIG_MODEL_CONFIG_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "model/config/model_config.h"

namespace videodiffcr {

// What is read of a config at most; a real one has a few thousand bytes.
inline constexpr int64_t kMostConfigBytes = int64_t{4} << 20;

// A regular file of at most kMostConfigBytes. Every error names the path.
absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& path);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_CONFIG_MODEL_CONFIG_FILE_H_
