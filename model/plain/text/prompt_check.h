// What a model with a tokenizer says of a prompt before it takes it.
#ifndef VIDEODIFFCR_MODEL_PLAIN_TEXT_PROMPT_CHECK_H_
#define VIDEODIFFCR_MODEL_PLAIN_TEXT_PROMPT_CHECK_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "model/api/video_model.h"
#include "model/plain/text/tokenizer.h"

namespace videodiffcr {

// VideoModel::CheckPrompt() by what `tokenizer` makes of the prompt.
absl::StatusOr<PromptCheck> CheckPrompt(const Tokenizer& tokenizer, std::string_view prompt);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_TEXT_PROMPT_CHECK_H_
