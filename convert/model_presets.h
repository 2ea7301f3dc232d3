// Sizes of the released models that can be converted. A new one is a new row in model_presets.cc.
#ifndef VIDEODIFFCR_CONVERT_MODEL_PRESETS_H_
#define VIDEODIFFCR_CONVERT_MODEL_PRESETS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/config/model_config.h"

namespace videodiffcr {

// Wan2.1-T2V-1.3B as distilled by Self-Forcing, 832x480, 21 latent frames, UMT5-XXL (causal_wan_dit.md section 1,
// self_forcing_inference.md section 1). Dense: no routers were released.
ModelConfig Wan21TextToVideo1_3B(DecoderKind decoder);

// NotFound lists the names there are. The decoder is TAEHV; videodiffcr-convert puts the kind of the file it reads.
absl::StatusOr<ModelConfig> FindModelPreset(absl::string_view name);

std::vector<std::string> PresetNames();

// A line for each: its name and what it is.
std::string DescribePresets();

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_MODEL_PRESETS_H_
