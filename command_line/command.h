// A command: a program or one of its subcommands, with its flags. It reads a command line and writes its own help.
//
// CLI11 takes the words apart; what it throws stays in here. What this adds is what all our programs share: the layout
// of the help, --help and --version, the wording of errors, and names that may be written with underscores, as older
// scripts do (--model_folder, --noreflection).
#ifndef VIDEODIFFCR_COMMAND_LINE_COMMAND_H_
#define VIDEODIFFCR_COMMAND_LINE_COMMAND_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "command_line/flag_reader.h"

namespace CLI {
class App;
}

namespace videodiffcr {

// What the help says of a command.
struct CommandText {
  std::string name;     // of the program, or of the subcommand alone
  std::string summary;  // one line, without a full stop
  std::string details;  // sentences; may be empty
  std::string example;  // a whole command line, or several lines
};

// What the help says of a flag.
struct FlagText {
  std::string name;        // in dashes, without those in front: "model-folder"
  std::string value_name;  // stands for the value: "FOLDER"
  std::string help;        // sentences with the unit of a number; the default is added to them
  std::string example;     // a value
};

// What a command line asks for.
struct ParsedCommand {
  std::string answer;      // what --help or --version prints, instead of anything else; mostly empty
  std::string subcommand;  // its name; empty when the command has none
};

class Command {
 public:
  explicit Command(const CommandText& text);
  ~Command();

  // Flags that are added from here on stand below this heading in the help.
  void BeginGroup(std::string heading);

  // A flag given twice is not refused: its last value counts. For services, whose template another flag is put behind.
  void LetTheLastCount();

  // A flag with a value: --name VALUE or --name=VALUE. The noexcept of these means that a name given twice, which CLI11
  // throws at, is a mistake in the program and ends it.
  void AddFlag(const FlagText& text, FlagReader reader) noexcept;
  // The same for a flag that may be given several times.
  void AddRepeatedFlag(const FlagText& text, FlagReader reader) noexcept;
  // A flag without a value: --name sets *out; when it is set already, there is --no-name too.
  void AddSwitch(const std::string& name, const std::string& help, bool* out) noexcept;
  // Words that are no flags, one at least. `text.name` is their name in the help.
  void AddWords(const FlagText& text, std::vector<std::string>* out) noexcept;

  // What Parse() looks at once all values are stored: whether they go together. InvalidArgument names the flag.
  void AddCheck(std::function<absl::Status()> check);

  // Its flags are its own; it lives as long as this. A command with subcommands needs one of them on its command line.
  Command* AddSubcommand(const CommandText& text) noexcept;

  // Stores the values. `arguments` come without the program's name. InvalidArgument names the flag, its value and what
  // to do. Once per command.
  absl::StatusOr<ParsedCommand> Parse(const std::vector<std::string_view>& arguments);

  // The arguments of the command that Parse() found asked for, for a program that starts itself again. They stay valid
  // as long as the command.
  std::vector<std::string_view> Arguments() const;

  // A configuration's error names its fields; this names flags instead, since whoever gave one knows max_sessions as
  // --max-sessions. A field is the first word, or one with an underscore, where a flag with a value has its name.
  absl::Status NameFlags(const absl::Status& status) const;
  // Whether Parse() found the flag of this name, in dashes; a flag that has its default is not given.
  bool IsGiven(std::string_view name) const;

  std::string Help() const;

 private:
  struct Parts;
  Command(std::unique_ptr<CLI::App> owned, CLI::App* app);
  void Add(const FlagText& text, FlagReader reader, bool repeated);
  absl::Status CheckExtras() const;
  absl::Status ReadValues() const;

  std::unique_ptr<Parts> parts_;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_COMMAND_LINE_COMMAND_H_
