// The keys of LoRA files: what they change, and which factor of the change they hold.
#ifndef VIDEODIFFCR_CONVERT_LORA_KEYS_H_
#define VIDEODIFFCR_CONVERT_LORA_KEYS_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "convert/expected_tensors.h"

namespace videodiffcr {

enum class LoraPart {
  kDown,   // [rank, in...]: "lora_A", "lora_down", "lora.down"
  kUp,     // [out, rank...]: "lora_B", "lora_up", "lora.up"
  kAlpha,  // one number: the change is divided by the rank and multiplied with it
  kWhole,  // "diff", "diff_b", "diff_m": the change itself
};

struct LoraKey {
  std::string tensor;  // of ours, that it changes
  LoraPart part = LoraPart::kDown;
};

class LoraKeys {
 public:
  explicit LoraKeys(const std::vector<ExpectedTensor>& transformer);

  // Keys of PEFT ("base_model.model.X.lora_A.default.weight"), Diffusers ("transformer.X.lora_A.weight" with its own
  // names), ComfyUI ("diffusion_model.X.lora_down.weight") and Kohya ("lora_unet_X_with_underscores.lora_down.weight").
  // Nothing when it is of no tensor of the transformer, or another kind of key.
  std::optional<LoraKey> Parse(absl::string_view key) const;

 private:
  std::optional<std::string> Find(absl::string_view module, absl::string_view attribute) const;

  std::map<std::string, std::string, std::less<>> ours_;         // under either layout's names
  std::map<std::string, std::string, std::less<>> underscored_;  // the same with underscores for dots
};

// "DoRA", "LoHa" or "LoKr", when the key belongs to one of these; else empty.
absl::string_view OtherAdapterKind(absl::string_view key);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_CONVERT_LORA_KEYS_H_
