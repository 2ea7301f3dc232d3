#include "command_line/help_layout.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "command_line/wrap_text.h"

namespace videodiffcr {
namespace {

std::string Summary(const CLI::App& app) { return app.get_description().substr(0, app.get_description().find('\n')); }

std::string Subcommands(const CLI::App& app, const std::string& name) {
  const std::vector<const CLI::App*> subcommands = app.get_subcommands([](const CLI::App*) { return true; });
  if (subcommands.empty()) return "";
  size_t longest = 0;
  for (const CLI::App* subcommand : subcommands) longest = std::max(longest, subcommand->get_name().size());
  std::string text = "\nSubcommands:\n";
  for (const CLI::App* subcommand : subcommands) {
    const std::string blanks(longest - subcommand->get_name().size() + 2, ' ');
    absl::StrAppend(&text, "  ", name, " ", subcommand->get_name(), blanks, Summary(*subcommand), "\n");
  }
  return absl::StrCat(text, "\n`", name, " SUBCOMMAND --help` lists its flags and an example.\n");
}

// "--name VALUE", "--name, --no-name", "-h, --help", "CASE...".
std::string Heading(const CLI::Option& option) {
  if (option.get_positional()) return option.get_name(true);
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) {
    if (name != "no" + option.get_lnames().front()) names.push_back("--" + name);  // older scripts know that one
  }
  return absl::StrCat(absl::StrJoin(names, ", "), option.get_type_name().empty() ? "" : " ", option.get_type_name());
}

std::string Group(const CLI::App& app, const std::string& group) {
  std::string text = absl::StrCat("\n", group, ":\n");
  const auto belongs = [&group](const CLI::Option* option) { return option->get_group() == group; };
  for (const CLI::Option* option : app.get_options(belongs)) {
    absl::StrAppend(&text, "  ", Heading(*option), "\n", WrapText(option->get_description(), "      "));
  }
  return text;
}

}  // namespace

std::string HelpLayout::make_help(const CLI::App* app, std::string name, CLI::AppFormatMode /*mode*/) const {
  std::string text = WrapText(absl::StrCat(name, ": ", app->get_description()), "");
  absl::StrAppend(&text, "\nExample:\n  ", absl::StrReplaceAll(app->get_footer(), {{"\n", "\n  "}}), "\n",
                  Subcommands(*app, name));
  std::vector<std::string> groups = app->get_groups();
  std::rotate(groups.begin(), groups.begin() + 1, groups.end());
  for (const std::string& group : groups) absl::StrAppend(&text, Group(*app, group));
  return text;
}

}  // namespace videodiffcr
