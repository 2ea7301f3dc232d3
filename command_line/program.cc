#include "command_line/program.h"

namespace videodiffcr {

absl::Status WriteText(std::string_view text, std::ostream& out) {
  out << text << std::flush;
  return out ? absl::OkStatus() : absl::UnavailableError("standard output cannot be written");
}

int WriteAnswer(std::string_view program, const ParsedCommand& parsed, std::ostream& out, std::ostream& errors) {
  const absl::Status written = WriteText(parsed.answer, out);
  if (written.ok()) return kDone;
  errors << program << ": " << written.message() << std::endl;
  return kFailed;
}

int RefuseCommandLine(std::string_view program, std::string_view command, const absl::Status& status,
                      std::ostream& errors) {
  errors << program << ": " << status.message() << "\n`" << command << " --help` lists the flags" << std::endl;
  return kWrongCommandLine;
}

}  // namespace videodiffcr
