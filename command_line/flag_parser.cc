#include "command_line/flag_parser.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace videodiffcr {
namespace {

absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

SetFlagValue SetString(std::string* out) {
  return [out](std::string_view value) {
    *out = std::string(value);
    return absl::OkStatus();
  };
}

SetFlagValue SetInteger(int64_t min, int64_t max, int64_t* out) {
  return [=](std::string_view value) {
    int64_t number = 0;
    if (!absl::SimpleAtoi(ToAbsl(value), &number) || number < min || number > max) {
      return absl::InvalidArgumentError(absl::StrCat("must be a whole number from ", min, " to ", max));
    }
    *out = number;
    return absl::OkStatus();
  };
}

SetFlagValue SetUnsigned(uint64_t* out) {
  return [=](std::string_view value) {
    if (!absl::SimpleAtoi(ToAbsl(value), out)) {
      return absl::InvalidArgumentError("must be a whole number from 0 to 18446744073709551615");
    }
    return absl::OkStatus();
  };
}

SetFlagValue SetDouble(double min, double max, double* out) {
  return [=](std::string_view value) {
    double number = 0;
    // Written so that NaN fails too.
    if (!absl::SimpleAtod(ToAbsl(value), &number) || !(number >= min && number <= max)) {
      return absl::InvalidArgumentError(absl::StrCat("must be a number from ", min, " to ", max));
    }
    *out = number;
    return absl::OkStatus();
  };
}

SetFlagValue SetYesNo(bool* out) {
  return [out](std::string_view value) {
    if (value != "yes" && value != "no") return absl::InvalidArgumentError("must be yes or no");
    *out = value == "yes";
    return absl::OkStatus();
  };
}

SetFlagValue SetChoice(std::vector<std::string> choices, std::string* out) {
  return [choices = std::move(choices), out](std::string_view value) {
    if (std::find(choices.begin(), choices.end(), value) == choices.end()) {
      return absl::InvalidArgumentError(absl::StrCat("must be one of ", absl::StrJoin(choices, ", ")));
    }
    *out = std::string(value);
    return absl::OkStatus();
  };
}

SetFlagValue SetServerAddress(std::string* out) {
  return [=](std::string_view value) {
    const size_t colon = value.rfind(':');
    int port = 0;
    if (colon == std::string_view::npos || colon == 0 || !absl::SimpleAtoi(ToAbsl(value.substr(colon + 1)), &port) ||
        port < 1 || port > 65535) {
      return absl::InvalidArgumentError("must be HOST:PORT, for example localhost:50051");
    }
    *out = std::string(value);
    return absl::OkStatus();
  };
}

void FlagParser::AddFlag(std::string name, std::string value_name, std::string help, SetFlagValue set,
                         bool repeatable) {
  flags_.push_back({std::move(name), std::move(value_name), std::move(help), std::move(set), repeatable});
}

absl::Status FlagParser::Parse(const std::vector<std::string_view>& arguments) const {
  std::set<std::string_view> seen;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    if (argument.substr(0, 2) != "--") {
      return absl::InvalidArgumentError(
          absl::StrCat("unexpected argument '", ToAbsl(argument), "': flags begin with --"));
    }
    const size_t equals = argument.find('=');
    const std::string_view name = argument.substr(2, equals == std::string_view::npos ? equals : equals - 2);
    const Flag* flag = nullptr;
    for (const Flag& candidate : flags_) {
      flag = candidate.name == name ? &candidate : flag;
    }
    if (flag == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("unknown flag --", ToAbsl(name)));
    }
    if (!seen.insert(name).second && !flag->repeatable) {
      return absl::InvalidArgumentError(absl::StrCat("--", ToAbsl(name), " is given twice"));
    }
    if (equals == std::string_view::npos && i + 1 == arguments.size()) {
      return absl::InvalidArgumentError(absl::StrCat("--", ToAbsl(name), " needs a value: ", flag->value_name));
    }
    const std::string_view value = equals == std::string_view::npos ? arguments[++i] : argument.substr(equals + 1);
    const absl::Status status = flag->set(value);
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", ToAbsl(name), " is '", ToAbsl(value), "'; it ", status.message()));
    }
  }
  return absl::OkStatus();
}

std::string FlagParser::FlagsHelp() const {
  std::string text;
  for (const Flag& flag : flags_) {
    absl::StrAppend(&text, "  --", flag.name, " ", flag.value_name, "\n");
    for (const absl::string_view line : absl::StrSplit(flag.help, '\n')) {
      absl::StrAppend(&text, "      ", line, "\n");
    }
  }
  return text;
}

}  // namespace videodiffcr
