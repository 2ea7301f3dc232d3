#include "model/plain/text/prompt_check.h"

#include <string>
#include <utility>

#include "model/plain/text/prompt_cleaning.h"

namespace videodiffcr {

absl::StatusOr<PromptCheck> CheckPrompt(const Tokenizer& tokenizer, std::string_view prompt) {
  absl::StatusOr<std::string> clean = CleanPrompt(prompt, tokenizer.cleaning());
  if (!clean.ok()) return clean.status();
  // Before its tokens are counted: nothing at all is not made better by being shorter.
  if (IsBlank(*clean)) return PromptCheck{.tokens = 1, .blank = true};
  absl::StatusOr<TokenizedPrompt> tokens = tokenizer.TokenizeCleaned(*std::move(clean));
  if (!tokens.ok()) return tokens.status();
  return PromptCheck{.tokens = static_cast<int>(tokens->ids.size()),
                     .cut_tokens = static_cast<int>(tokens->cut_tokens),
                     .unknown_words = std::move(tokens->unknown_words)};
}

}  // namespace videodiffcr
