// Any bytes as a prompt: refused, or cleaned (references, wrongly decoded text, ligatures, widths) into valid UTF-8 of
// a length that the prompt's bounds.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "model/plain/text/prompt_cleaning.h"

namespace videodiffcr {
namespace {

// Ligatures and composed characters are spelled out, some with three times their bytes; nothing else grows.
constexpr size_t kMostGrowth = 16;

void CheckCleaning(std::string_view prompt, PromptCleaning cleaning) {
  const absl::StatusOr<std::string> cleaned = CleanPrompt(prompt, cleaning);
  if (!cleaned.ok()) {
    if (cleaned.status().code() != absl::StatusCode::kInvalidArgument) std::abort();
    return;
  }
  if (cleaned->size() > kMostGrowth * prompt.size()) std::abort();
  if (!CleanPrompt(*cleaned, cleaning).ok()) std::abort();  // refused only when it is not UTF-8
  (void)IsBlank(*cleaned);
}

}  // namespace
}  // namespace videodiffcr

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view prompt(reinterpret_cast<const char*>(data), size);
  (void)videodiffcr::IsBlank(prompt);
  videodiffcr::CheckCleaning(prompt, videodiffcr::PromptCleaning::kWhitespace);
  videodiffcr::CheckCleaning(prompt, videodiffcr::PromptCleaning::kWords);
  return 0;
}
