// Where the value of a flag goes: text in, a variable of some type out.
#ifndef VIDEODIFFCR_COMMAND_LINE_FLAG_READER_H_
#define VIDEODIFFCR_COMMAND_LINE_FLAG_READER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace videodiffcr {

struct FlagReader {
  // Stores one value. Its error says what the value must be ("must be a whole number from 0 to 9"); Command::Parse()
  // puts the flag's name and the value in front.
  std::function<absl::Status(std::string_view value)> read;

  // What the variable holds before, for the help; empty: the help says nothing of it.
  std::string default_text;
};

FlagReader ReadString(std::string* out);
FlagReader ReadName(std::string* out);                 // not empty
FlagReader AppendName(std::vector<std::string>* out);  // not empty; of a flag that may be repeated
FlagReader ReadChoice(std::vector<std::string> choices, std::string* out);
FlagReader ReadDevice(std::string* out);                        // "cpu" or "cuda"
FlagReader ReadYesNo(bool* out);                                // from "yes" or "no"
FlagReader ReadServerAddress(std::string* out);                 // host:port
FlagReader ReadServerAddressOrNone(std::string* out);           // the same, or empty
FlagReader AppendServerAddress(std::vector<std::string>* out);  // of a flag that may be repeated
FlagReader ReadListenAddress(std::string* out);                 // host:port, where port 0 is any that is free
FlagReader ReadServerAddresses(std::string* out);               // host:port,host:port
FlagReader ReadDuration(absl::Duration* out);                   // "25s", "2m", "500ms"
FlagReader ReadUnsigned(uint64_t* out);
FlagReader ReadIntegerList(std::vector<int>* out);  // "1000,500"; nothing is an empty list
// "1,0.7" into tenths. "10,7" is the same, as commands of older results have it; nothing is an empty list.
FlagReader ReadBudgets(std::vector<int>* tenths);
FlagReader ReadBudget(int* tenths);
std::string BudgetText(int tenths);                           // 7: "0.7"
std::string BudgetsText(const std::vector<int>& all_tenths);  // {10, 7}: "1,0.7"

// Without a range any number that the variable holds will do: its owner checks it.
FlagReader ReadInteger(int* out);
FlagReader ReadInteger(int64_t* out);
FlagReader ReadInteger(int min, int max, int* out);
FlagReader ReadInteger(int64_t min, int64_t max, int64_t* out);
FlagReader ReadDouble(double* out);
FlagReader ReadDouble(double min, double max, double* out);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_COMMAND_LINE_FLAG_READER_H_
