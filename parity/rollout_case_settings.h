// What a case of kind "rollout" says, checked, for both of our paths.
#ifndef VIDEODIFFCR_PARITY_ROLLOUT_CASE_SETTINGS_H_
#define VIDEODIFFCR_PARITY_ROLLOUT_CASE_SETTINGS_H_

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/config/model_config.h"
#include "model/plain/rollout/few_step_sampler.h"
#include "model/plain/transformer/transformer_weights.h"
#include "model/weights/safetensors_reader.h"
#include "parity/parity_case.h"

namespace videodiffcr {

struct RolloutCase {
  TransformerConfig config;
  TransformerWeights weights;  // with routers when the file has a retention table
  SamplingConfig sampling;
  RoutingRule routing;
  ContextMode context_mode = ContextMode::kDense;
  RetentionTable table;
  at::Tensor prompt;           // [1, rows, text_dim]
  at::Tensor prompt_switched;  // the same; undefined: never
  int64_t switch_at_chunk = -1;
  std::vector<ChunkNoise> noise;  // one per chunk, tensors [1, F, C, h, w]

  // The routing as a model folder would have it, without tables.
  RetentionConfig Retention() const;
};

// Loads everything onto `device`, in fp32. Errors name the file and the setting or tensor.
absl::StatusOr<RolloutCase> ReadRolloutCase(const SafetensorsReader& file, at::Device device);

// The name under which a case keeps the indices that a pass kept.
std::string KeptOutputName(int64_t chunk, int64_t step, int64_t layer);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_PARITY_ROLLOUT_CASE_SETTINGS_H_
