#include "convert/lora_config.h"

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "model/config/json_fields.h"
#include "system/bounded_json.h"
#include "system/regular_file.h"

namespace videodiffcr {
namespace {

constexpr int64_t kMostConfigBytes = int64_t{1} << 20;
constexpr int kMostDepth = 16;
constexpr char kMetadataKey[] = "lora_adapter_metadata";

// Diffusers writes the fields of PEFT behind the name of the network: "transformer.lora_alpha".
const nlohmann::json* FindField(const nlohmann::json& object, absl::string_view name) {
  for (const auto& [key, value] : object.items()) {
    if (key == name || absl::EndsWith(key, absl::StrCat(".", name))) return &value;
  }
  return nullptr;
}

absl::StatusOr<LoraConfig> Parse(const std::string& text, const std::string& where) {
  const auto error = [&where](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": ", what));
  };
  const absl::StatusOr<nlohmann::json> json = ParseBoundedJson(text, kMostDepth);
  if (!json.ok()) return error(json.status().message());
  if (!json->is_object()) return error("is not a JSON object");
  LoraConfig config;
  const nlohmann::json* alpha = FindField(*json, "lora_alpha");
  if (alpha != nullptr && !alpha->is_null()) {
    if (!alpha->is_number() || !std::isfinite(alpha->get<double>())) return error("lora_alpha is not a number");
    config.alpha = alpha->get<double>();
  }
  const nlohmann::json* root = FindField(*json, "use_rslora");
  config.root_of_rank = root != nullptr && root->is_boolean() && root->get<bool>();
  const nlohmann::json* dora = FindField(*json, "use_dora");
  if (dora != nullptr && dora->is_boolean() && dora->get<bool>()) return error("use_dora: DoRA is not read");
  const nlohmann::json* pattern = FindField(*json, "alpha_pattern");
  if (pattern != nullptr && pattern->is_object() && !pattern->empty()) {
    return error("alpha_pattern: an alpha of its own for some layers is not read");
  }
  return config;
}

}  // namespace

absl::StatusOr<LoraConfig> FindLoraConfig(const std::string& given, const std::string& file,
                                          const std::map<std::string, std::string>& metadata) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path folder = fs::is_directory(given, error) ? fs::path(given) : fs::path(file).parent_path();
  const fs::path config = folder / "adapter_config.json";
  const bool of_peft =
      fs::is_directory(given, error) || absl::StartsWith(fs::path(file).filename().string(), "adapter_");
  if (of_peft && fs::is_regular_file(config, error)) {
    const absl::StatusOr<std::string> text = ReadRegularFile(config.string(), kMostConfigBytes);
    if (!text.ok()) return text.status();
    return Parse(*text, config.string());
  }
  const auto text = metadata.find(kMetadataKey);
  if (text == metadata.end()) return LoraConfig{};
  return Parse(text->second, absl::StrCat(file, ": ", kMetadataKey));
}

}  // namespace videodiffcr
