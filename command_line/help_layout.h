// How the help of all our programs looks. For command.cc only: others need not see CLI11.
#ifndef VIDEODIFFCR_COMMAND_LINE_HELP_LAYOUT_H_
#define VIDEODIFFCR_COMMAND_LINE_HELP_LAYOUT_H_

#include <CLI/CLI.hpp>
#include <string>

namespace videodiffcr {

// What it is, details, an example, subcommands, flags by group. Of the CLI::App it takes: the description (the summary,
// and details after a line end), the footer (the example), option groups in the order in which they were added but the
// first last (it has --help and --version), and of an option its names, type name and description.
class HelpLayout : public CLI::FormatterBase {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;
};

}  // namespace videodiffcr

#endif  // VIDEODIFFCR_COMMAND_LINE_HELP_LAYOUT_H_
