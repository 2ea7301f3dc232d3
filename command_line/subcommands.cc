#include "command_line/subcommands.h"

#include <algorithm>

namespace videodiffcr {
namespace {

bool IsHelp(std::string_view argument) { return argument == "--help" || argument == "-h"; }

void PrintUsage(const Program& program, std::ostream& out) {
  out << program.name << ": " << program.summary << "\n\n";
  for (const Subcommand& subcommand : program.subcommands) {
    out << "  " << program.name << " " << subcommand.name << "  " << subcommand.summary << "\n";
  }
  out << "\n`" << program.name << " SUBCOMMAND --help` lists its flags and an example.\n";
}

}  // namespace

int RunSubcommand(const Program& program, const std::vector<std::string_view>& arguments, std::ostream& out,
                  std::ostream& errors) {
  if (!arguments.empty() && (IsHelp(arguments[0]) || arguments[0] == "help")) {
    PrintUsage(program, out);
    return 0;
  }
  const auto subcommand =
      std::find_if(program.subcommands.begin(), program.subcommands.end(),
                   [&](const Subcommand& candidate) { return !arguments.empty() && candidate.name == arguments[0]; });
  if (subcommand == program.subcommands.end()) {
    if (!arguments.empty()) errors << program.name << ": unknown subcommand '" << arguments[0] << "'\n\n";
    PrintUsage(program, errors);
    return 2;
  }
  const std::vector<std::string_view> rest(arguments.begin() + 1, arguments.end());
  if (std::any_of(rest.begin(), rest.end(), IsHelp)) {
    out << subcommand->help();
    return 0;
  }
  const absl::Status status = subcommand->run(rest);
  if (status.ok()) return 0;
  errors << program.name << ": "
         << (program.describe == nullptr ? std::string(status.message()) : program.describe(status)) << std::endl;
  if (absl::IsCancelled(status)) return 130;
  if (!absl::IsInvalidArgument(status)) return 1;
  errors << "`" << program.name << " " << subcommand->name << " --help` lists the flags" << std::endl;
  return 2;
}

}  // namespace videodiffcr
