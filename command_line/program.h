// What every main() does with a command line: answers, exit statuses, subcommands.
#ifndef VIDEODIFFCR_COMMAND_LINE_PROGRAM_H_
#define VIDEODIFFCR_COMMAND_LINE_PROGRAM_H_

#include <functional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "command_line/command.h"

namespace videodiffcr {

// Exit statuses of all our programs.
constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kWrongCommandLine = 2;
constexpr int kInterrupted = 130;

// What somebody asked for, to standard output or what stands in for it. ResourceExhausted when it did not arrive there:
// a full disk or a reader that went away is a failure.
absl::Status WriteText(std::string_view text, std::ostream& out);

// Writes what --help or --version asks for; the exit status.
int WriteAnswer(std::string_view program, std::string_view answer, std::ostream& out, std::ostream& errors);

// Says why the program failed; the exit status.
int Fail(std::string_view program, const absl::Status& status, std::ostream& errors);

// Says what is wrong with a command line, and where to read on; the exit status. `command` is the program's name, with
// its subcommand's.
int RefuseCommandLine(std::string_view program, std::string_view command, const absl::Status& status,
                      std::ostream& errors);

struct Subcommand {
  CommandText text;
  // Adds its flags and returns what to do once they are read; a status that IsWrongUsage() from there is a wrong
  // command line too, any other a failure.
  std::function<std::function<absl::Status()>(Command* command)> add;
};

struct Program {
  CommandText text;
  std::vector<Subcommand> subcommands;
  std::string (*describe)(const absl::Status& failure) = nullptr;  // for people; its message when null
};

// Runs the subcommand that `arguments`, without the program's name, ask for. What was asked for goes to `out`, what is
// wrong to `errors`. The exit status: 0 done, 1 failed, 2 a wrong subcommand, flag or value, 130
// interrupted (Cancelled).
int RunProgram(const Program& program, const std::vector<std::string_view>& arguments, std::ostream& out,
               std::ostream& errors);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_COMMAND_LINE_PROGRAM_H_
