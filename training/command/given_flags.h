// Checks of which flags go together.
#ifndef VIDEODIFFCR_TRAINING_COMMAND_GIVEN_FLAGS_H_
#define VIDEODIFFCR_TRAINING_COMMAND_GIVEN_FLAGS_H_

#include <initializer_list>
#include <string_view>

#include "absl/status/status.h"
#include "command_line/command.h"

namespace videodiffcr::training {

// What would be accepted and do nothing: WrongUsage names the first of `flags` that is given, with `why` behind it.
absl::Status RefuseGiven(const Command& command, std::initializer_list<const char*> flags, std::string_view why);

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_COMMAND_GIVEN_FLAGS_H_
