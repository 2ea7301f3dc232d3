// A program of several subcommands: `program SUBCOMMAND --flag VALUE...`.
#ifndef VIDEODIFFCR_COMMAND_LINE_SUBCOMMANDS_H_
#define VIDEODIFFCR_COMMAND_LINE_SUBCOMMANDS_H_

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace videodiffcr {

struct Subcommand {
  std::string_view name;
  std::string_view summary;
  std::string (*help)();
  absl::Status (*run)(const std::vector<std::string_view>& arguments);  // those behind the subcommand's name
};

struct Program {
  std::string_view name;
  std::string_view summary;
  absl::Span<const Subcommand> subcommands;
  std::string (*describe)(const absl::Status& failure) = nullptr;  // for people; its message when null
};

// Runs the subcommand that `arguments`, without the program's name, begin with. What was asked for goes to `out`, what
// is wrong to `errors`. The exit status: 0 done, 1 failed, 2 a wrong subcommand, flag or value (InvalidArgument), 130
// interrupted (Cancelled).
int RunSubcommand(const Program& program, const std::vector<std::string_view>& arguments, std::ostream& out,
                  std::ostream& errors);

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_COMMAND_LINE_SUBCOMMANDS_H_
