// What is said of a LoRA beside its tensors: PEFT's adapter_config.json, and the metadata that Diffusers writes.
#ifndef VIDEODIFFCR_CONVERT_LORA_CONFIG_H_
#define VIDEODIFFCR_CONVERT_LORA_CONFIG_H_

#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace videodiffcr {

struct LoraConfig {
  std::optional<double> alpha;  // nothing: the rank, so that the change stands as it is
  bool root_of_rank = false;    // rsLoRA
};

// `given`: what the user pointed at; `file`: the file of weights behind it. InvalidArgument names the config and its
// field.
absl::StatusOr<LoraConfig> FindLoraConfig(const std::string& given, const std::string& file,
                                          const std::map<std::string, std::string>& metadata);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_LORA_CONFIG_H_
