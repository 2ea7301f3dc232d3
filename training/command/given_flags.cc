#include "training/command/given_flags.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "system/wrong_usage.h"

namespace videodiffcr::training {

bool IsGiven(const Command& command, std::string_view flag) {
  bool is_value = false;
  for (const std::string_view argument : command.Arguments()) {
    const std::string word(argument);
    if (std::exchange(is_value, false) || !absl::StartsWith(word, "--")) continue;
    if (word == "--") return false;
    const size_t end = std::min(word.find('='), word.size());
    std::string name = word.substr(2, end - 2);
    std::replace(name.begin(), name.end(), '_', '-');
    if (name == flag) return true;
    is_value = end == word.size() && command.HasFlag(name);
  }
  return false;
}

absl::Status RefuseGiven(const Command& command, std::initializer_list<const char*> flags, std::string_view why) {
  for (const char* flag : flags) {
    if (IsGiven(command, flag)) return WrongUsageError(absl::StrCat("--", flag, ": ", std::string(why)));
  }
  return absl::OkStatus();
}

}  // namespace videodiffcr::training
