#include "server/rpc/session_warnings.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace videodiffcr {

std::vector<WarningEvent> WarningsOf(PromptWarnings prompt, int max_prompt_tokens) {
  std::vector<WarningEvent> warnings;
  if (!prompt.unknown_words.empty()) {
    std::string message = absl::StrCat("the model does not know: ", absl::StrJoin(prompt.unknown_words, ", "),
                                       "; GetServerInfo lists the words it knows");
    warnings.push_back({"UNKNOWN_WORDS", std::move(message), std::move(prompt.unknown_words)});
  }
  if (prompt.cut_tokens > 0) {
    warnings.push_back(
        {"PROMPT_CUT",
         absl::StrCat("the last ", prompt.cut_tokens, " tokens of the prompt were cut: the model takes at most ",
                      max_prompt_tokens, " with the end token"),
         {absl::StrCat(prompt.cut_tokens)}});
  }
  return warnings;
}

WarningEvent ChangeTooLateWarning() {
  return {"CHANGE_TOO_LATE", "the session is ending; this change was not made", {}};
}

void Warn(std::vector<WarningEvent> warnings, StreamOutbox* outbox) {
  for (WarningEvent& warning : warnings) outbox->Push(std::move(warning)).IgnoreError();
}

}  // namespace videodiffcr
