#include "training/command/given_flags.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "system/wrong_usage.h"

namespace videodiffcr::training {

absl::Status RefuseGiven(const Command& command, std::initializer_list<const char*> flags, std::string_view why) {
  for (const char* flag : flags) {
    if (command.IsGiven(flag)) return WrongUsageError(absl::StrCat("--", flag, ": ", std::string(why)));
  }
  return absl::OkStatus();
}

}  // namespace videodiffcr::training
