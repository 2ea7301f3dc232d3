// A subcommand alone, as its program would run it.
#ifndef VIDEODIFFCR_TESTS_COMMAND_LINE_RUN_SUBCOMMAND_H_
#define VIDEODIFFCR_TESTS_COMMAND_LINE_RUN_SUBCOMMAND_H_

#include <functional>
#include <string_view>
#include <vector>

#include "command_line/program.h"

namespace videodiffcr {

inline absl::Status RunSubcommand(const Subcommand& subcommand, const std::vector<std::string_view>& arguments) {
  Command command(subcommand.text);
  const std::function<absl::Status()> action = subcommand.add(&command);
  const absl::StatusOr<ParsedCommand> parsed = command.Parse(arguments);
  return parsed.ok() ? action() : parsed.status();
}

inline std::string HelpOf(const Subcommand& subcommand) {
  Command command(subcommand.text);
  subcommand.add(&command);
  return command.Help();
}

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_TESTS_COMMAND_LINE_RUN_SUBCOMMAND_H_
