// Flags that stages share which train the transformer.
#ifndef VIDEODIFFCR_TRAINING_COMMAND_DISTILLATION_FLAGS_H_
#define VIDEODIFFCR_TRAINING_COMMAND_DISTILLATION_FLAGS_H_

#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "command_line/command.h"
#include "command_line/flag_reader.h"
#include "training/run/stage_options.h"
#include "training/stages/distillation_stage.h"

namespace videodiffcr::training {

// One of two words.
template <typename Value>
FlagReader ReadEither(const char* first, Value of_first, const char* second, Value of_second, Value* out) {
  return {[=](std::string_view value) -> absl::Status {
            if (value != first && value != second) {
              return absl::InvalidArgumentError(absl::StrCat("must be ", first, " or ", second));
            }
            *out = value == first ? of_first : of_second;
            return absl::OkStatus();
          },
          *out == of_first ? first : second};
}

// Of stages whose losses go through the transformer.
void AddRecomputeBlocks(StageOptions* stage, Command* command);

void AddUnknownWords(double* share, Command* command);

// Of all stages that distil.
void AddDistillationFlags(DistillationOptions* options, Command* command);

// Of stages that take prompts of a file; `then` says what these change.
void AddFilePromptFlags(const char* then, FilePromptOptions* prompts, Command* command);

// Of a stage that distils models of any kind and size.
void AddSizeFlags(StageOptions* stage, DistillationOptions* options, Command* command);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_COMMAND_DISTILLATION_FLAGS_H_
