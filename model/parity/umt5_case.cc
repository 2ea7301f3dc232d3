// Cases of kind "umt5": token ids to the rows of the text encoder. Training and serving share one encoder.
#include <string>
#include <vector>

#include "model/config/model_config.h"
#include "model/parity/parity_case.h"
#include "model/text/text_encoder.h"

namespace videodiffcr {

absl::StatusOr<CaseOutputs> RunUmt5(const SafetensorsReader& file, at::Device device) {
  const absl::StatusOr<TextEncoderConfig> config = ParseTextEncoderConfig(FindCaseSetting(file, "config").value_or(""));
  if (!config.ok()) return CaseError(file, "config: " + std::string(config.status().message()));
  const absl::StatusOr<TensorEntry> entry = file.Find("in.ids");
  if (!entry.ok()) return entry.status();
  if (entry->dtype != DType::kI32 || entry->shape.size() != 1) return CaseError(file, "in.ids must be I32 [ids]");
  const absl::StatusOr<TextEncoderWeights> weights =
      LoadTextEncoderWeights(file, *config, {.device = device, .prefix = "weights."});
  if (!weights.ok()) return weights.status();

  const at::Tensor tensor = CopyToTensor(*entry);
  const int32_t* ids = tensor.const_data_ptr<int32_t>();
  const absl::StatusOr<at::Tensor> hidden =
      EncodePrompts(*config, *weights, {std::vector<int32_t>(ids, ids + tensor.numel())}, tensor.numel());
  if (!hidden.ok()) return CaseError(file, std::string(hidden.status().message()));
  return CaseOutputs{{"out.hidden", (*hidden)[0].cpu()}};
}

}  // namespace videodiffcr
