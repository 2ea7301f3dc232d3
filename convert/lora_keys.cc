#include "convert/lora_keys.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "convert/tensor_names.h"

namespace videodiffcr {
namespace {

struct PartName {
  absl::string_view name;
  LoraPart part;
};
// Followed by nothing, ".weight", or an adapter's name and ".weight".
constexpr PartName kFactors[] = {{".lora_A", LoraPart::kDown},    {".lora_B", LoraPart::kUp},
                                 {".lora_down", LoraPart::kDown}, {".lora_up", LoraPart::kUp},
                                 {".lora.down", LoraPart::kDown}, {".lora.up", LoraPart::kUp}};
// Whole endings, and the attribute of the module that they change.
struct Ending {
  absl::string_view name;
  LoraPart part;
  absl::string_view attribute;
};
constexpr Ending kEndings[] = {{".alpha", LoraPart::kAlpha, "weight"},
                               {".diff", LoraPart::kWhole, "weight"},
                               {".diff_b", LoraPart::kWhole, "bias"},
                               {".diff_m", LoraPart::kWhole, "modulation"}};

absl::string_view StripAdapterPrefixes(absl::string_view key) {
  while (absl::ConsumePrefix(&key, "base_model.") || absl::ConsumePrefix(&key, "model.") ||
         absl::ConsumePrefix(&key, "module.") || absl::ConsumePrefix(&key, "generator.") ||
         absl::ConsumePrefix(&key, "transformer.") || absl::ConsumePrefix(&key, "diffusion_model.") ||
         absl::ConsumePrefix(&key, "unet.")) {
  }
  return key;
}

// What may follow a factor: at most one part that is the adapter's name, then perhaps "weight".
bool IsFactorTail(absl::string_view tail) {
  if (tail.empty()) return true;
  absl::ConsumeSuffix(&tail, ".weight");
  return tail.empty() ||
         (tail.front() == '.' && tail.size() > 1 && !absl::StrContains(tail.substr(1), '.') && tail != ".bias");
}

}  // namespace

LoraKeys::LoraKeys(const std::vector<ExpectedTensor>& transformer) {
  for (const NameLayout& layout : TransformerLayouts()) {
    for (const ExpectedTensor& row : transformer) {
      const std::string name = layout.spell(row.name);
      underscored_.emplace(absl::StrReplaceAll(name, {{".", "_"}}), row.name);
      ours_.emplace(name, row.name);
    }
  }
}

std::optional<std::string> LoraKeys::Find(absl::string_view module, absl::string_view attribute) const {
  const std::string name = module.empty() ? std::string(attribute) : absl::StrCat(module, ".", attribute);
  if (const auto found = ours_.find(name); found != ours_.end()) return found->second;
  for (const absl::string_view prefix : {"lora_unet__", "lora_unet_", "lora_transformer_", "lycoris_", "lora_"}) {
    absl::string_view flat = module;
    if (!absl::ConsumePrefix(&flat, prefix)) continue;
    const auto found = underscored_.find(absl::StrCat(flat, "_", attribute));
    if (found != underscored_.end()) return found->second;
  }
  return std::nullopt;
}

std::optional<LoraKey> LoraKeys::Parse(absl::string_view key) const {
  const std::string stripped = StripWrappers(key);
  const absl::string_view name = StripAdapterPrefixes(stripped);
  for (const Ending& ending : kEndings) {
    absl::string_view module = name;
    if (!absl::ConsumeSuffix(&module, ending.name)) continue;
    std::optional<std::string> tensor = Find(module, ending.attribute);
    if (tensor.has_value()) return LoraKey{*std::move(tensor), ending.part};
  }
  for (const PartName& factor : kFactors) {
    const size_t at = name.rfind(factor.name);
    if (at == absl::string_view::npos || !IsFactorTail(name.substr(at + factor.name.size()))) continue;
    std::optional<std::string> tensor = Find(name.substr(0, at), "weight");
    if (tensor.has_value()) return LoraKey{*std::move(tensor), factor.part};
  }
  return std::nullopt;
}

absl::string_view OtherAdapterKind(absl::string_view key) {
  if (absl::StrContains(key, "dora_scale") || absl::StrContains(key, "lora_magnitude_vector")) return "DoRA";
  if (absl::StrContains(key, ".hada_")) return "LoHa";
  if (absl::StrContains(key, ".lokr_")) return "LoKr";
  return "";
}

}  // namespace videodiffcr
