// Any bytes as a config.json: never a crash; what parses is valid and is read back as it was.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "model/config/model_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)videodiffcr::ParseTransformerConfig(text).ok();
  (void)videodiffcr::ParseTextEncoderConfig(text).ok();
  const auto config = videodiffcr::ParseModelConfig(text);
  if (!config.ok()) return 0;
  if (!config->Validate().ok()) std::abort();
  const std::string formatted = videodiffcr::FormatModelConfig(*config);
  const auto again = videodiffcr::ParseModelConfig(formatted);
  if (!again.ok() || videodiffcr::FormatModelConfig(*again) != formatted) std::abort();
  return 0;
}
