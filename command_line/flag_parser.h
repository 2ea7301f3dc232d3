// Flags of one subcommand: --name VALUE or --name=VALUE, in any order.
#ifndef VIDEODIFFCR_COMMAND_LINE_FLAG_PARSER_H_
#define VIDEODIFFCR_COMMAND_LINE_FLAG_PARSER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace videodiffcr {

// Stores one value of a flag. Its error says what the value must be ("must be a whole number from 0 to 9"); Parse()
// puts the flag's name and the value in front.
using SetFlagValue = std::function<absl::Status(std::string_view value)>;

SetFlagValue SetString(std::string* out);
SetFlagValue SetInteger(int64_t min, int64_t max, int64_t* out);
SetFlagValue SetUnsigned(uint64_t* out);
SetFlagValue SetDouble(double min, double max, double* out);
SetFlagValue SetYesNo(bool* out);  // from "yes" or "no"
SetFlagValue SetChoice(std::vector<std::string> choices, std::string* out);
SetFlagValue SetServerAddress(std::string* out);  // host:port

class FlagParser {
 public:
  // `value_name` stands for the value in the help text ("N", "PATH"). A flag may be given several times only when
  // `repeatable`.
  void AddFlag(std::string name, std::string value_name, std::string help, SetFlagValue set, bool repeatable = false);

  // InvalidArgument naming the flag and its value. `arguments` come without program name and subcommand.
  absl::Status Parse(const std::vector<std::string_view>& arguments) const;

  // One paragraph per flag, in the order in which they were added.
  std::string FlagsHelp() const;

 private:
  struct Flag {
    std::string name;
    std::string value_name;
    std::string help;
    SetFlagValue set;
    bool repeatable;
  };

  std::vector<Flag> flags_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_COMMAND_LINE_FLAG_PARSER_H_
