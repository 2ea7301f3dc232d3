// What a viewer is warned about: each warning has a reason of docs/errors.md.
#ifndef VIDEODIFFCR_SERVER_RPC_SESSION_WARNINGS_H_
#define VIDEODIFFCR_SERVER_RPC_SESSION_WARNINGS_H_

#include <string>
#include <vector>

#include "server/delivery/stream_event.h"
#include "server/delivery/stream_outbox.h"

namespace videodiffcr {

// What is odd about a prompt that is taken all the same.
struct PromptWarnings {
  std::vector<std::string> unknown_words;
  int cut_tokens = 0;  // of a long prompt: what the model will not see
};

// One for each odd thing; `max_prompt_tokens` of the model, with the end token.
std::vector<WarningEvent> WarningsOf(PromptWarnings prompt, int max_prompt_tokens);

// A change that crossed the session's end on its way.
WarningEvent ChangeTooLateWarning();

// No room for a warning means that the viewer does not read; the next chunk ends the session for it.
void Warn(std::vector<WarningEvent> warnings, StreamOutbox* outbox);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_SERVER_RPC_SESSION_WARNINGS_H_
