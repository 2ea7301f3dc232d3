#include "training/model/weights_fingerprint.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "checksum/crc32c.h"
#include "model/config/model_config.h"

namespace videodiffcr::training {
namespace {

uint32_t Checksum(const uint8_t* data, int64_t bytes) {
  return Crc32c(std::string_view(reinterpret_cast<const char*>(data), static_cast<size_t>(bytes)));
}

}  // namespace

std::string FingerprintText(const SafetensorsReader& file) {
  constexpr int64_t kEnd = 4096;
  std::string text;
  for (const auto& [name, tensor] : file.tensors()) {
    const int64_t end = std::min(kEnd, tensor.bytes);
    absl::StrAppend(&text, " ", name, " ", tensor.bytes, " ", Checksum(tensor.data, end), " ",
                    Checksum(tensor.data + tensor.bytes - end, end));
  }
  return text;
}

absl::StatusOr<std::string> TransformerFingerprint(const std::string& folder) {
  const absl::StatusOr<ModelConfig> config = LoadModelConfig(folder);
  if (!config.ok()) return config.status();
  const auto file = SafetensorsReader::Open(folder + "/" + config->transformer_file);
  if (!file.ok()) return file.status();
  const std::string text = FingerprintText(*file);
  if (absl::Status whole = file->CheckWhole(); !whole.ok()) return whole;
  return absl::StrCat(absl::Hex(Crc32c(text), absl::kZeroPad8));
}

}  // namespace videodiffcr::training
