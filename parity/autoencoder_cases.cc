// Cases of kind "wan_vae" and "taehv": latents to pixels and pixels to latents. The plain path decodes the whole video
// at once, the serving path chunk by chunk with carried state; encoding has one path.
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "model/config/json_fields.h"
#include "model/plain/decoder/taehv.h"
#include "model/plain/decoder/wan_vae.h"
#include "model/weights/weight_table.h"
#include "parity/fill_rule.h"
#include "parity/parity_case.h"
#include "system/bounded_json.h"

namespace videodiffcr {
namespace {

constexpr int64_t kChunkFrames = 3;  // latent frames per chunk
constexpr char kWeightsPrefix[] = "weights.";

struct AutoencoderInputs {
  at::Tensor latents;  // [F, z_dim, h, w]
  at::Tensor pixels;   // [T, 3, H, W]
};

absl::StatusOr<AutoencoderInputs> ReadInputs(const SafetensorsReader& file, at::Device device) {
  const absl::StatusOr<at::Tensor> latents = ReadCaseTensor(file, "in.latents", 4);
  if (!latents.ok()) return latents.status();
  const absl::StatusOr<at::Tensor> pixels = ReadCaseTensor(file, "in.pixels", 4);
  if (!pixels.ok()) return pixels.status();
  if (latents->numel() == 0 || pixels->numel() == 0)
    return CaseError(file, "in.latents and in.pixels must not be empty");
  return AutoencoderInputs{latents->to(device), pixels->to(device)};
}

// Decodes `latents` in one call, or in calls of one chunk each.
template <typename DecodeFrames>
at::Tensor DecodeInCalls(const at::Tensor& latents, int64_t frames_per_call, const DecodeFrames& decode) {
  std::vector<at::Tensor> pixels;
  for (int64_t first = 0; first < latents.size(0); first += frames_per_call) {
    pixels.push_back(decode(latents.narrow(0, first, std::min(frames_per_call, latents.size(0) - first))));
  }
  return at::cat(pixels);
}

absl::StatusOr<DecoderConfig> ReadWanVaeConfig(const SafetensorsReader& file) {
  const absl::StatusOr<nlohmann::json> json = ParseBoundedJson(FindCaseSetting(file, "config").value_or(""), 4);
  if (!json.ok()) return CaseError(file, absl::StrCat("config: ", json.status().message()));
  DecoderConfig config;
  config.kind = DecoderKind::kWanVae;
  JsonFields fields(*json, "config");
  fields.Read("base_dim", &config.base_dim);
  fields.Read("z_dim", &config.z_dim);
  fields.Read("dim_mult", &config.dim_mult);
  absl::Status status = fields.FinishIgnoringUnknownKeys();
  status.Update(CheckWanVaeConfig(config));
  if (!status.ok()) return CaseError(file, std::string(status.message()));
  return config;
}

absl::StatusOr<CaseOutputs> RunWanVae(const SafetensorsReader& file, at::Device device, bool whole) {
  const absl::StatusOr<DecoderConfig> config = ReadWanVaeConfig(file);
  if (!config.ok()) return config.status();
  const absl::StatusOr<AutoencoderInputs> inputs = ReadInputs(file, device);
  if (!inputs.ok()) return inputs.status();
  WanVaeDecoderWeights decoder;
  WanVaeEncoderWeights encoder;
  std::vector<WeightRow> rows = WanVaeDecoderTable(*config, &decoder);
  for (const WeightRow& row : WanVaeEncoderTable(*config, &encoder)) rows.push_back(row);
  const WeightOptions options = {.device = device, .prefix = kWeightsPrefix};
  if (absl::Status status = LoadWeightTable(file, rows, options); !status.ok()) return status;

  WanVaeDecoderState state;
  const at::Tensor pixels = DecodeInCalls(inputs->latents, whole ? inputs->latents.size(0) : kChunkFrames,
                                          [&](const at::Tensor& part) { return DecodeWanVae(decoder, part, &state); });
  return CaseOutputs{{"out.pixels", pixels.cpu()}, {"out.encoded", EncodeWanVae(encoder, inputs->pixels).cpu()}};
}

// The file's weights, or those of the fill rule when it has none.
absl::Status LoadTaehv(const SafetensorsReader& file, at::Device device, const std::vector<WeightRow>& rows) {
  const auto& tensors = file.tensors();
  const auto first = tensors.lower_bound(kWeightsPrefix);
  if (first != tensors.end() && absl::StartsWith(first->first, kWeightsPrefix)) {
    return LoadWeightTable(file, rows, {.device = device, .prefix = kWeightsPrefix});
  }
  FillByRule(rows);
  for (const WeightRow& row : rows) *row.destination = row.destination->to(device);
  return absl::OkStatus();
}

absl::StatusOr<CaseOutputs> RunTaehv(const SafetensorsReader& file, at::Device device, bool whole) {
  const absl::StatusOr<AutoencoderInputs> inputs = ReadInputs(file, device);
  if (!inputs.ok()) return inputs.status();
  const int64_t z_dim = inputs->latents.size(1);
  TaehvDecoderWeights decoder;
  TaehvEncoderWeights encoder;
  std::vector<WeightRow> rows = TaehvDecoderTable(z_dim, &decoder);
  for (const WeightRow& row : TaehvEncoderTable(z_dim, &encoder)) rows.push_back(row);
  if (absl::Status status = LoadTaehv(file, device, rows); !status.ok()) return status;

  std::vector<at::Tensor> memories;
  const at::Tensor raw =
      DecodeInCalls(inputs->latents, whole ? inputs->latents.size(0) : kChunkFrames,
                    [&](const at::Tensor& part) { return DecodeTaehv(decoder, part.unsqueeze(0), &memories)[0]; });
  const at::Tensor pixels = raw.slice(0, kTaehvFramesPerLatent - 1).clamp(0, 1);
  const at::Tensor encoded = EncodeTaehv(encoder, inputs->pixels.unsqueeze(0))[0];
  return CaseOutputs{{"out.pixels", pixels.cpu()}, {"out.encoded", encoded.cpu()}};
}

}  // namespace

absl::StatusOr<CaseOutputs> RunWanVaePlain(const SafetensorsReader& file, at::Device device) {
  return RunWanVae(file, device, /*whole=*/true);
}
absl::StatusOr<CaseOutputs> RunWanVaeServing(const SafetensorsReader& file, at::Device device) {
  return RunWanVae(file, device, /*whole=*/false);
}
absl::StatusOr<CaseOutputs> RunTaehvPlain(const SafetensorsReader& file, at::Device device) {
  return RunTaehv(file, device, /*whole=*/true);
}
absl::StatusOr<CaseOutputs> RunTaehvServing(const SafetensorsReader& file, at::Device device) {
  return RunTaehv(file, device, /*whole=*/false);
}

}  // namespace videodiffcr
