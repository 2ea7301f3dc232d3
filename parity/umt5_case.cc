// Cases of kind "umt5": token ids to the rows of the text encoder.
#include <ATen/TensorOperators.h>

#include <string>
#include <utility>
#include <vector>

#include "model/config/model_config.h"
#include "model/gpu/text/packed_text_encoder.h"
#include "model/plain/text/text_encoder.h"
#include "parity/parity_case.h"

namespace videodiffcr {
namespace {

struct Umt5Inputs {
  TextEncoderConfig config;
  TextEncoderWeights weights;
  std::vector<int32_t> ids;
};

absl::StatusOr<Umt5Inputs> ReadInputs(const SafetensorsReader& file, at::Device device) {
  const absl::StatusOr<TextEncoderConfig> config = ParseTextEncoderConfig(FindCaseSetting(file, "config").value_or(""));
  if (!config.ok()) return CaseError(file, "config: " + std::string(config.status().message()));
  const absl::StatusOr<TensorEntry> entry = file.Find("in.ids");
  if (!entry.ok()) return entry.status();
  if (entry->dtype != DType::kI32 || entry->shape.size() != 1) return CaseError(file, "in.ids must be I32 [ids]");
  absl::StatusOr<TextEncoderWeights> weights =
      LoadTextEncoderWeights(file, *config, {.device = device, .prefix = "weights."});
  if (!weights.ok()) return weights.status();
  const at::Tensor tensor = CopyToTensor(*entry);
  const int32_t* ids = tensor.const_data_ptr<int32_t>();
  return Umt5Inputs{*config, *std::move(weights), {ids, ids + tensor.numel()}};
}

}  // namespace

absl::StatusOr<CaseOutputs> RunUmt5Plain(const SafetensorsReader& file, at::Device device) {
  const absl::StatusOr<Umt5Inputs> inputs = ReadInputs(file, device);
  if (!inputs.ok()) return inputs.status();
  const absl::StatusOr<at::Tensor> hidden =
      EncodePrompts(inputs->config, inputs->weights, {inputs->ids}, static_cast<int64_t>(inputs->ids.size()));
  if (!hidden.ok()) return CaseError(file, std::string(hidden.status().message()));
  return CaseOutputs{{"out.hidden", (*hidden)[0].cpu()}};
}

absl::StatusOr<CaseOutputs> RunUmt5Serving(const SafetensorsReader& file, at::Device device) {
  absl::StatusOr<Umt5Inputs> inputs = ReadInputs(file, device);
  if (!inputs.ok()) return inputs.status();
  const PackedTextEncoder encoder(inputs->config, std::move(inputs->weights), static_cast<int64_t>(inputs->ids.size()));
  const absl::StatusOr<at::Tensor> hidden = encoder.Encode(inputs->ids);
  if (!hidden.ok()) return CaseError(file, std::string(hidden.status().message()));
  return CaseOutputs{{"out.hidden", hidden->cpu()}};
}

}  // namespace videodiffcr
