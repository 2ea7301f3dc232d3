#include "command_line/command.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "command_line/help_layout.h"

namespace videodiffcr {
namespace {

std::string Describe(const CommandText& text) {
  return absl::StrCat(text.summary, text.details.empty() ? "" : "\n\n", text.details);
}

// As values say yes and no: CLI11 gives "true" and "false" for a switch without a value.
FlagReader ReadSwitch(bool* out) {
  const auto read = [out](std::string_view value) {
    if (!absl::SimpleAtob(absl::string_view(value.data(), value.size()), out)) {
      return absl::InvalidArgumentError("must be yes or no");
    }
    return absl::OkStatus();
  };
  return {read, *out ? "yes" : "no"};
}

bool TakesValue(const CLI::Option* option) { return option != nullptr && option->get_items_expected_min() > 0; }

// The words as CLI11 reads them right: names with dashes, and values as words of their own, since it would take the
// next word for the value of "--name=". Values stay as they are.
std::vector<std::string> Spelled(const CLI::App* app, const std::vector<std::string_view>& arguments) {
  std::vector<std::string> words;
  bool is_value = false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string word(arguments[i]);
    if (is_value || !absl::StartsWith(word, "--")) {
      const auto named = [&word](const CLI::App* subcommand) { return subcommand->get_name() == word; };
      if (!is_value && !app->get_subcommands(named).empty()) app = app->get_subcommands(named).front();
      words.push_back(word);
      is_value = false;
      continue;
    }
    if (word == "--") {
      words.insert(words.end(), arguments.begin() + static_cast<std::ptrdiff_t>(i), arguments.end());
      break;
    }
    const size_t equals = std::min(word.find('='), word.size());
    std::string name = word.substr(0, equals);
    std::replace(name.begin(), name.end(), '_', '-');
    const bool takes_value = TakesValue(app->get_option_no_throw(name));
    is_value = takes_value && equals == word.size();
    if (takes_value || equals == word.size()) {
      words.push_back(name);
      if (!is_value && takes_value) words.push_back(word.substr(equals + 1));
    } else {  // a switch; CLI11 takes "--name=" for "--name"
      words.push_back(absl::StrCat(name, "=", equals + 1 == word.size() ? "''" : word.substr(equals + 1)));
    }
  }
  return words;
}

// The subcommand that was named, else the program.
const CLI::App& ChosenApp(const CLI::App& app) {
  const std::vector<CLI::App*> subcommands = app.get_subcommands();
  return subcommands.empty() ? app : *subcommands.front();
}

// How many letters to change, add or leave out to make one word of the other.
size_t EditDistance(std::string_view from, std::string_view to) {
  std::vector<size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 0; i < from.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < to.size(); ++j) {
      const size_t changed = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

// "; did you mean --prompt?" when there is a flag that is nearly so called.
std::string Suggestion(const CLI::App& app, const std::string& name) {
  std::string nearest;
  size_t least = 3;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& candidate : option->get_lnames()) {
      const size_t distance = EditDistance(name, "--" + candidate);
      if (distance >= least) continue;
      least = distance;
      nearest = candidate;
    }
  }
  return nearest.empty() ? "" : absl::StrCat("; did you mean --", nearest, "?");
}

}  // namespace

struct Command::Parts {
  struct Flag {
    FlagReader reader;
    bool repeated = false;
  };

  std::unique_ptr<CLI::App> owned;  // of a program; null for a subcommand, whose app is its program's
  CLI::App* app = nullptr;
  // Plain flags rather than those that CLI11 has for it, which its versions weigh differently against wrong values.
  CLI::Option* help = nullptr;
  CLI::Option* version = nullptr;
  std::string group = "Flags";
  std::map<const CLI::Option*, Flag> flags;
  const CLI::Option* words = nullptr;
  std::vector<std::function<absl::Status()>> checks;
  std::vector<std::unique_ptr<Command>> subcommands;
  std::vector<std::string> arguments;
  bool last_counts = false;
};

Command::Command(const CommandText& text)
    : Command(std::make_unique<CLI::App>(Describe(text), text.name), /*app=*/nullptr) {
  parts_->app->footer(text.example);
}

Command::Command(std::unique_ptr<CLI::App> owned, CLI::App* app) : parts_(std::make_unique<Parts>()) {
  parts_->owned = std::move(owned);
  parts_->app = parts_->owned == nullptr ? app : parts_->owned.get();
  parts_->app->set_help_flag();
  parts_->app->formatter(std::make_shared<HelpLayout>());
  parts_->app->allow_extras();  // so that their error is ours
  parts_->help = parts_->app->add_flag("-h,--help")->description("Prints this and ends.")->group("Everywhere");
  parts_->version =
      parts_->app->add_flag("--version")->description("Prints the name and the version and ends.")->group("Everywhere");
}

Command::~Command() = default;

void Command::BeginGroup(std::string heading) { parts_->group = std::move(heading); }

void Command::Add(const FlagText& text, FlagReader reader, bool repeated) {
  const std::string default_text =
      reader.default_text.empty() ? "" : absl::StrCat("Default: ", reader.default_text, ". ");
  CLI::Option* option = parts_->app->add_option("--" + text.name, [](const CLI::results_t&) { return true; });
  option->type_name(text.value_name)->group(parts_->group)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  option->description(absl::StrCat(text.help, repeated ? " May be given several times." : "", "\n", default_text,
                                   "Example: --", text.name, " ", text.example));
  parts_->flags[option] = {std::move(reader), repeated};
}

void Command::AddFlag(const FlagText& text, FlagReader reader) noexcept { Add(text, std::move(reader), false); }

void Command::AddRepeatedFlag(const FlagText& text, FlagReader reader) noexcept { Add(text, std::move(reader), true); }

void Command::AddSwitch(const std::string& name, const std::string& help, bool* out) noexcept {
  const std::string no_name = "no-" + name;
  CLI::Option* option =
      *out ? parts_->app->add_flag(absl::StrCat("--", name, "{true},--", no_name, "{false},--no", name, "{false}"))
           : parts_->app->add_flag("--" + name);
  option->group(parts_->group)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  option->description(absl::StrCat(help, "\nDefault: ", *out ? "yes" : "no", ". Example: --", *out ? no_name : name));
  parts_->flags[option] = {ReadSwitch(out)};
}

void Command::AddWords(const FlagText& text, std::vector<std::string>* out) noexcept {
  CLI::Option* option = parts_->app->add_option(text.name, [](const CLI::results_t&) { return true; });
  option->expected(-1)->type_name("")->group(parts_->group)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  option->description(absl::StrCat(text.help, "\nExample: ", text.example));
  parts_->flags[option] = {AppendName(out), /*repeated=*/true};
  parts_->words = option;
}

void Command::AddCheck(std::function<absl::Status()> check) { parts_->checks.push_back(std::move(check)); }

Command* Command::AddSubcommand(const CommandText& text) noexcept {
  CLI::App* app = parts_->app->add_subcommand(text.name, Describe(text));
  app->footer(text.example);
  parts_->app->require_subcommand(0, 1);  // none is answered by Parse()
  parts_->subcommands.push_back(std::unique_ptr<Command>(new Command(nullptr, app)));
  return parts_->subcommands.back().get();
}

absl::StatusOr<ParsedCommand> Command::Parse(const std::vector<std::string_view>& arguments) {
  std::vector<std::string> words = Spelled(parts_->app, arguments);
  const std::string last = words.empty() ? "" : words.back();
  std::reverse(words.begin(), words.end());  // as CLI11 wants them
  try {
    parts_->app->parse(std::move(words));
  } catch (const CLI::ArgumentMismatch&) {  // the words ended behind a flag that takes a value
    const CLI::Option* option = ChosenApp(*parts_->app).get_option_no_throw(last);
    return absl::InvalidArgumentError(
        absl::StrCat(last, " needs a value", option == nullptr ? "" : ": " + option->get_type_name()));
  } catch (const CLI::Error& error) {
    return absl::InvalidArgumentError(error.what());
  }
  const Command* chosen = this;
  ParsedCommand parsed;
  for (const std::unique_ptr<Command>& subcommand : parts_->subcommands) {
    if (!subcommand->parts_->app->parsed()) continue;
    chosen = subcommand.get();
    parsed.subcommand = chosen->parts_->app->get_name();
  }
  if (parts_->help->count() + chosen->parts_->help->count() > 0) {
    parsed.answer = Help();
    return parsed;
  }
  if (parts_->version->count() + chosen->parts_->version->count() > 0) {
    parsed.answer = absl::StrCat(parts_->app->get_name(), " ", VIDEODIFFCR_VERSION, "\n");
    return parsed;
  }
  if (absl::Status status = CheckExtras(); !status.ok()) return status;
  chosen->parts_->arguments.assign(arguments.begin() + (chosen == this ? 0 : 1), arguments.end());
  if (chosen == this && !parts_->subcommands.empty()) return absl::InvalidArgumentError("a subcommand is missing");
  if (absl::Status status = chosen->ReadValues(); !status.ok()) return status;
  return parsed;
}

absl::Status Command::CheckExtras() const {
  const bool without_subcommand = !parts_->subcommands.empty() && parts_->app->get_subcommands().empty();
  const bool before_subcommand = !parts_->subcommands.empty() && !parts_->app->remaining().empty();
  const CLI::App& chosen = ChosenApp(*parts_->app);
  bool flags_ended = false;
  for (const std::string& word : parts_->app->remaining(/*recurse=*/true)) {
    if (std::exchange(flags_ended, flags_ended || word == "--") != flags_ended) continue;
    if (!flags_ended && word.size() > 1 && word[0] == '-') {
      const std::string name = word.substr(0, word.find('='));
      return absl::InvalidArgumentError(absl::StrCat(
          "unknown flag ", name, before_subcommand ? "; flags stand behind the subcommand" : Suggestion(chosen, name)));
    }
    return absl::InvalidArgumentError(without_subcommand
                                          ? absl::StrCat("unknown subcommand '", word, "'")
                                          : absl::StrCat("unexpected argument '", word, "': flags begin with --"));
  }
  return absl::OkStatus();
}

void Command::LetTheLastCount() { parts_->last_counts = true; }

absl::Status Command::ReadValues() const {
  if (parts_->words != nullptr && parts_->words->count() == 0) {
    return absl::InvalidArgumentError(absl::StrCat(parts_->words->get_name(true), " is missing"));
  }
  std::map<const CLI::Option*, size_t> used;
  for (const CLI::Option* option : parts_->app->parse_order()) {
    const auto flag = parts_->flags.find(option);
    const size_t index = used[option]++;
    if (flag == parts_->flags.end()) continue;  // --help and --version are answered by then
    const std::string name = option->get_positional() ? option->get_name(true) : "--" + option->get_lnames().front();
    if (index > 0 && !flag->second.repeated && !parts_->last_counts) {
      return absl::InvalidArgumentError(absl::StrCat(name, " is given twice"));
    }
    const std::string& value = option->results()[index];
    if (const absl::Status status = flag->second.reader.read(value); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(name, " is '", value, "'; it ", status.message()));
    }
  }
  for (const std::function<absl::Status()>& check : parts_->checks) {
    if (absl::Status status = check(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

std::vector<std::string_view> Command::Arguments() const {
  return {parts_->arguments.begin(), parts_->arguments.end()};
}

absl::Status Command::NameFlags(const absl::Status& status) const {
  std::vector<std::string> words = absl::StrSplit(status.message(), ' ');
  for (std::string& word : words) {
    const bool is_field = &word == &words.front() || absl::StrContains(word, '_');
    const std::string flag = absl::StrCat("--", absl::StrReplaceAll(word, {{"_", "-"}}));
    if (is_field && TakesValue(parts_->app->get_option_no_throw(flag))) word = flag;
  }
  return absl::Status(status.code(), absl::StrJoin(words, " "));
}

bool Command::IsGiven(std::string_view name) const {
  const CLI::Option* option = parts_->app->get_option_no_throw("--" + std::string(name));
  return option != nullptr && option->count() > 0;
}

std::string Command::Help() const {
  const CLI::App* parent = parts_->app->get_parent();
  return parts_->app->help(parent == nullptr ? "" : parent->get_name());
}

}  // namespace videodiffcr
