// What every main() does with a command line: answers and exit statuses.
#ifndef VIDEODIFFCR_COMMAND_LINE_PROGRAM_H_
#define VIDEODIFFCR_COMMAND_LINE_PROGRAM_H_

#include <ostream>
#include <string_view>

#include "absl/status/status.h"
#include "command_line/command.h"

namespace videodiffcr {

// Exit statuses of all our programs.
constexpr int kDone = 0;
constexpr int kFailed = 1;
constexpr int kWrongCommandLine = 2;
constexpr int kInterrupted = 130;

// What somebody asked for, to where they asked for it. Unavailable when it did not arrive there: a full disk or a
// reader that went away is a failure.
absl::Status WriteText(std::string_view text, std::ostream& out);

// Writes what --help or --version asks for; the exit status.
int WriteAnswer(std::string_view program, const ParsedCommand& parsed, std::ostream& out, std::ostream& errors);

// Says what is wrong with a command line, and where to read on; the exit status. `command` is the program's name, with
// its subcommand's.
int RefuseCommandLine(std::string_view program, std::string_view command, const absl::Status& status,
                      std::ostream& errors);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_COMMAND_LINE_PROGRAM_H_
