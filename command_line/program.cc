#include "command_line/program.h"

#include <cerrno>
#include <cstring>
#include <map>

#include "absl/strings/str_cat.h"
#include "system/wrong_usage.h"

namespace videodiffcr {

absl::Status WriteText(std::string_view text, std::ostream& out) {
  errno = 0;
  out << text << std::flush;
  if (out) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("cannot write to standard output", errno == 0 ? "" : ": ", errno == 0 ? "" : std::strerror(errno)));
}

int WriteAnswer(std::string_view program, std::string_view answer, std::ostream& out, std::ostream& errors) {
  const absl::Status written = WriteText(answer, out);
  return written.ok() ? kDone : Fail(program, written, errors);
}

int Fail(std::string_view program, const absl::Status& status, std::ostream& errors) {
  errors << program << ": " << status.message() << std::endl;
  return kFailed;
}

int RefuseCommandLine(std::string_view program, std::string_view command, const absl::Status& status,
                      std::ostream& errors) {
  errors << program << ": " << status.message() << "\n`" << command << " --help` lists the flags" << std::endl;
  return kWrongCommandLine;
}

int RunProgram(const Program& program, const std::vector<std::string_view>& arguments, std::ostream& out,
               std::ostream& errors) {
  Command command(program.text);
  std::map<std::string, std::function<absl::Status()>> actions;
  for (const Subcommand& subcommand : program.subcommands) {
    actions[subcommand.text.name] = subcommand.add(command.AddSubcommand(subcommand.text));
  }
  const std::string& name = program.text.name;
  std::vector<std::string_view> words = arguments;
  if (words.size() == 1 && words[0] == "help") words[0] = "--help";
  const absl::StatusOr<ParsedCommand> parsed = command.Parse(words);
  if (parsed.ok() && !parsed->answer.empty()) return WriteAnswer(name, parsed->answer, out, errors);
  const bool knows_subcommand = !words.empty() && actions.count(std::string(words[0])) > 0;
  const std::string full_name = knows_subcommand ? absl::StrCat(name, " ", std::string(words[0])) : name;
  if (!parsed.ok() && knows_subcommand) return RefuseCommandLine(name, full_name, parsed.status(), errors);
  if (!parsed.ok()) {
    errors << name << ": " << parsed.status().message() << "\n\n" << command.Help();
    return kWrongCommandLine;
  }
  const absl::Status status = actions[parsed->subcommand]();
  if (status.ok()) return kDone;
  const absl::Status described(status.code(),
                               program.describe == nullptr ? std::string(status.message()) : program.describe(status));
  if (IsWrongUsage(status)) return RefuseCommandLine(name, full_name, described, errors);
  const int failed = Fail(name, described, errors);
  return absl::IsCancelled(status) ? kInterrupted : failed;
}

}  // namespace videodiffcr
