// Flags that are yes or no.
#ifndef VIDEODIFFCR_TRAINING_COMMAND_YES_NO_H_
#define VIDEODIFFCR_TRAINING_COMMAND_YES_NO_H_

#include <string_view>

#include "absl/status/status.h"
#include "client/flag_parser.h"

namespace videodiffcr::training {

// Sets a boolean from "yes" or "no".
inline SetFlagValue SetYesNo(bool* out) {
  return [out](std::string_view value) {
    if (value != "yes" && value != "no") return absl::InvalidArgumentError("must be yes or no");
    *out = value == "yes";
    return absl::OkStatus();
  };
}

}  // namespace videodiffcr::training

#endif  // VIDEODIFFCR_TRAINING_COMMAND_YES_NO_H_
