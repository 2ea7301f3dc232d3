#include "command_line/flag_reader.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace videodiffcr {
namespace {

absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

bool IsAddress(absl::string_view text, int least_port) {
  const size_t colon = text.rfind(':');
  int port = 0;
  return colon != absl::string_view::npos && colon != 0 && absl::SimpleAtoi(text.substr(colon + 1), &port) &&
         port >= least_port && port <= 65535;
}

bool IsServerAddress(absl::string_view text) { return IsAddress(text, 1); }

absl::Status CheckServerAddress(std::string_view value) {
  if (IsServerAddress(ToAbsl(value))) return absl::OkStatus();
  return absl::InvalidArgumentError("must be HOST:PORT, for example localhost:50051");
}

template <typename Integer>
FlagReader ReadIntegerOf(Integer min, Integer max, Integer* out) {
  const auto read = [=](std::string_view value) {
    Integer number = 0;
    if (!absl::SimpleAtoi(ToAbsl(value), &number) || number < min || number > max) {
      return absl::InvalidArgumentError(absl::StrCat("must be a whole number from ", min, " to ", max));
    }
    *out = number;
    return absl::OkStatus();
  };
  return {read, absl::StrCat(*out)};
}

absl::Status CheckNotEmpty(std::string_view value) {
  return value.empty() ? absl::InvalidArgumentError("must not be empty") : absl::OkStatus();
}

// Takes the value, and says with `check` (string_view -> Status) whether it is a good one.
template <typename Check>
FlagReader ReadChecked(std::string* out, const Check& check) {
  const auto read = [=](std::string_view value) -> absl::Status {
    *out = std::string(value);
    return check(value);
  };
  return {read, *out};
}

// The same for a flag that may be repeated.
template <typename Check>
FlagReader AppendChecked(std::vector<std::string>* out, const Check& check) {
  const auto read = [=](std::string_view value) -> absl::Status {
    out->emplace_back(value);
    return check(value);
  };
  return {read, absl::StrJoin(*out, ",")};
}

// A share, or its tenths from 2 to 10: 1 is all.
bool ParseBudget(absl::string_view word, int* tenths) {
  double number = 0;
  if (!absl::SimpleAtod(word, &number)) return false;
  if (number <= 1) number *= 10;
  *tenths = static_cast<int>(std::lround(std::clamp(number, 0.0, 11.0)));
  return *tenths >= 1 && *tenths <= 10 && std::abs(number - *tenths) < 1e-6;
}

}  // namespace

FlagReader ReadString(std::string* out) {
  const auto read = [out](std::string_view value) {
    *out = std::string(value);
    return absl::OkStatus();
  };
  return {read, *out};
}

FlagReader ReadName(std::string* out) { return ReadChecked(out, CheckNotEmpty); }

FlagReader AppendName(std::vector<std::string>* out) { return AppendChecked(out, CheckNotEmpty); }

FlagReader ReadChoice(std::vector<std::string> choices, std::string* out) {
  const auto read = [choices = std::move(choices), out](std::string_view value) {
    if (std::find(choices.begin(), choices.end(), value) == choices.end()) {
      return absl::InvalidArgumentError(absl::StrCat("must be one of ", absl::StrJoin(choices, ", ")));
    }
    *out = std::string(value);
    return absl::OkStatus();
  };
  return {read, *out};
}

FlagReader ReadDevice(std::string* out) { return ReadChoice({"cpu", "cuda"}, out); }

FlagReader ReadYesNo(bool* out) {
  const auto read = [out](std::string_view value) {
    if (value != "yes" && value != "no") return absl::InvalidArgumentError("must be yes or no");
    *out = value == "yes";
    return absl::OkStatus();
  };
  return {read, *out ? "yes" : "no"};
}

FlagReader ReadServerAddress(std::string* out) { return ReadChecked(out, CheckServerAddress); }

FlagReader ReadServerAddressOrNone(std::string* out) {
  return ReadChecked(
      out, [](std::string_view value) { return value.empty() ? absl::OkStatus() : CheckServerAddress(value); });
}

FlagReader AppendServerAddress(std::vector<std::string>* out) { return AppendChecked(out, CheckServerAddress); }

FlagReader ReadListenAddress(std::string* out) {
  return ReadChecked(out, [](std::string_view value) {
    if (IsAddress(ToAbsl(value), 0)) return absl::OkStatus();
    return absl::InvalidArgumentError("must be HOST:PORT, for example 127.0.0.1:8080, or port 0 for any that is free");
  });
}

FlagReader ReadServerAddresses(std::string* out) {
  return ReadChecked(out, [](std::string_view value) {
    for (const absl::string_view address : absl::StrSplit(ToAbsl(value), ',')) {
      if (IsServerAddress(address)) continue;
      return absl::InvalidArgumentError(
          "must be HOST:PORT or several of them, for example localhost:50051,localhost:50061");
    }
    return absl::OkStatus();
  });
}

FlagReader ReadDuration(absl::Duration* out) {
  const auto read = [out](std::string_view value) {
    if (!absl::ParseDuration(ToAbsl(value), out)) {
      return absl::InvalidArgumentError("must be a number with its unit, for example 25s, 2m or 500ms");
    }
    return absl::OkStatus();
  };
  return {read, absl::FormatDuration(*out)};
}

FlagReader ReadUnsigned(uint64_t* out) { return ReadIntegerOf<uint64_t>(0, std::numeric_limits<uint64_t>::max(), out); }

FlagReader ReadIntegerList(std::vector<int>* out) {
  const auto read = [out](std::string_view value) {
    out->clear();
    for (const absl::string_view word : absl::StrSplit(ToAbsl(value), ',', absl::SkipEmpty())) {
      if (!absl::SimpleAtoi(word, &out->emplace_back())) {
        return absl::InvalidArgumentError("must be whole numbers with commas between, for example 1000,500");
      }
    }
    return absl::OkStatus();
  };
  return {read, absl::StrJoin(*out, ",")};
}

std::string BudgetText(int tenths) { return absl::StrCat(0.1 * tenths); }

std::string BudgetsText(const std::vector<int>& all_tenths) {
  return absl::StrJoin(all_tenths, ",", [](std::string* out, int tenths) { out->append(BudgetText(tenths)); });
}

FlagReader ReadBudgets(std::vector<int>* tenths) {
  const auto read = [tenths](std::string_view value) {
    tenths->clear();
    for (const absl::string_view word : absl::StrSplit(ToAbsl(value), ',', absl::SkipEmpty())) {
      if (!ParseBudget(word, &tenths->emplace_back())) {
        return absl::InvalidArgumentError("must be shares in tenths, 0.1 to 1, with commas between, for example 1,0.7");
      }
    }
    return absl::OkStatus();
  };
  return {read, BudgetsText(*tenths)};
}

FlagReader ReadBudget(int* tenths) {
  const auto read = [tenths](std::string_view value) {
    if (ParseBudget(ToAbsl(value), tenths)) return absl::OkStatus();
    return absl::InvalidArgumentError("must be a share in tenths, 0.1 to 1, for example 0.7");
  };
  return {read, BudgetText(*tenths)};
}

FlagReader ReadInteger(int* out) {
  return ReadIntegerOf<int>(std::numeric_limits<int>::min(), std::numeric_limits<int>::max(), out);
}

FlagReader ReadInteger(int64_t* out) {
  return ReadIntegerOf<int64_t>(std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(), out);
}

FlagReader ReadInteger(int min, int max, int* out) { return ReadIntegerOf<int>(min, max, out); }

FlagReader ReadInteger(int64_t min, int64_t max, int64_t* out) { return ReadIntegerOf<int64_t>(min, max, out); }

FlagReader ReadDouble(double* out) {
  const auto read = [out](std::string_view value) {
    if (!absl::SimpleAtod(ToAbsl(value), out) || !std::isfinite(*out)) {
      return absl::InvalidArgumentError("must be a number");
    }
    return absl::OkStatus();
  };
  return {read, absl::StrCat(*out)};
}

FlagReader ReadDouble(double min, double max, double* out) {
  const auto read = [=](std::string_view value) {
    double number = 0;
    // Written so that NaN fails too.
    if (!absl::SimpleAtod(ToAbsl(value), &number) || !(number >= min && number <= max)) {
      return absl::InvalidArgumentError(absl::StrCat("must be a number from ", min, " to ", max));
    }
    *out = number;
    return absl::OkStatus();
  };
  return {read, absl::StrCat(*out)};
}

}  // namespace videodiffcr
