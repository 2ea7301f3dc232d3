// Every tensor that a network of given sizes has: its name in the released files, its shape, and how exact it must
// stay.
#ifndef VIDEODIFFCR_CONVERT_EXPECTED_TENSORS_H_
#define VIDEODIFFCR_CONVERT_EXPECTED_TENSORS_H_

#include <cstdint>
#include <string>

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "convert/weight_file.h"
#include "model/config/model_config.h"

namespace videodiffcr {

enum class TensorRole {
  // Weight of a linear inside a transformer block: most of the bytes and of the work. May become fp8.
  kBlockLinear,
  // Any other matrix, table or convolution of a transformer or text encoder. bf16, as the reference runs them.
  kMatrix,
  // Biases, norm gains, modulation vectors, routers, and all of a decoder: below 1 % of the bytes of a transformer,
  // added to or multiplied with activations that the reference keeps in fp32 (causal_wan_dit.md section 9), or one step
  // away from pixels. Never stored in less than the precision of the released file.
  kPrecise,
};

struct ExpectedTensor {
  std::string name;
  std::vector<int64_t> shape;
  TensorRole role = TensorRole::kMatrix;
};

// causal_wan_dit.md section 10.
std::vector<ExpectedTensor> TransformerTensors(const TransformerConfig& config);
// umt5_text_encoder.md section 6.
std::vector<ExpectedTensor> TextEncoderTensors(const TextEncoderConfig& config);
// wan_vae.md section 7, encoder and decoder.
std::vector<ExpectedTensor> WanVaeTensors(const DecoderConfig& config);
// videodiffcr.md sections 2.2 and 9, 6. config.retention.router_dim is r.
std::vector<ExpectedTensor> RouterTensors(const ModelConfig& config);

// Inner widths of a TAEHV; config.json does not carry them, the file does.
struct TaehvWidths {
  int64_t levels[4] = {256, 128, 64, 64};  // decoder, from the latent's resolution to the pixels'
  int64_t encoder = 64;
};
// Reads the widths off decoder.{1,8,14,20}.weight and encoder.0.weight. NotFound or InvalidArgument naming the tensor.
absl::StatusOr<TaehvWidths> FindTaehvWidths(const SourceTensors& tensors);
// wan_vae.md section 9, encoder and decoder; z_dim of the config, 3 colours.
std::vector<ExpectedTensor> TaehvTensors(const DecoderConfig& config, const TaehvWidths& widths);

// Which decoder a file holds, by a name that only it has. InvalidArgument when it is none that was released.
absl::StatusOr<DecoderKind> FindDecoderKind(const SourceTensors& tensors);

// InvalidArgument unless `tensors` has exactly the `expected` names, each with its shape and a type that weights
// are released in. The message names `what`, and of each fault the count and the first few tensors with what was
// expected and found. `spell` makes the file's name of one that is missing there (tensor_names.h); null: the names are
// ours. Others are named as they stand in the file.
absl::Status CheckTensors(absl::string_view what, const std::vector<ExpectedTensor>& expected,
                          const SourceTensors& tensors, std::string (*spell)(absl::string_view) = nullptr);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_EXPECTED_TENSORS_H_
