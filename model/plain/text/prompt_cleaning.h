// What a prompt goes through before it is cut into tokens (umt5_text_encoder.md section 2).
#ifndef VIDEODIFFCR_MODEL_PLAIN_TEXT_PROMPT_CLEANING_H_
#define VIDEODIFFCR_MODEL_PLAIN_TEXT_PROMPT_CLEANING_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "model/config/model_config.h"

namespace videodiffcr {

// kWhitespace: what the reference's text fixing makes of the prompt (ftfy 6.3.1: entities, text that was decoded
// wrongly, ligatures, widths, curly quotes, line breaks, control characters, NFC), HTML's character references twice
// more, single spaces. kWords: then lower case, with punctuation and symbols turned into spaces.
//
// InvalidArgument when `prompt` is not valid UTF-8, with the offset of the first bad byte.
absl::StatusOr<std::string> CleanPrompt(std::string_view prompt, PromptCleaning cleaning);

// Whether `text` has nothing that one could see: no character at all, or only spaces, control and format characters and
// what else Unicode draws as nothing (zero-width spaces and joiners, fillers, variation selectors). False for what is
// not valid UTF-8.
bool IsBlank(std::string_view text);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_MODEL_PLAIN_TEXT_PROMPT_CLEANING_H_
