// The command lines of all programs look and end alike.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <string>
#include <vector>

#include "tests/e2e/server_process.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

const char* const kPrograms[] = {"videodiffcr",       "videodiffcr-server",  "videodiffcr-bench",
                                 "videodiffcr-train", "videodiffcr-convert", "videodiffcr-parity"};

std::vector<std::string> MatchesOf(const std::string& text, const std::string& pattern) {
  std::vector<std::string> matches;
  const std::regex regex(pattern);
  for (std::sregex_iterator match(text.begin(), text.end(), regex), end; match != end; ++match) {
    matches.push_back((*match)[1]);
  }
  return matches;
}

// Every program with each of its subcommands, without those that have subcommands: what has flags of its own.
std::vector<std::vector<std::string>> Commands() {
  std::vector<std::vector<std::string>> commands;
  for (const std::string program : kPrograms) {
    const std::string help = RunProgram({BinaryPath(program), "--help"}).output;
    const std::vector<std::string> subcommands = MatchesOf(help, "\n  " + program + " ([a-z-]+)  +[a-zA-Z]");
    if (subcommands.empty()) commands.push_back({program});
    for (const std::string& subcommand : subcommands) commands.push_back({program, subcommand});
  }
  return commands;
}

Finished RunWith(std::vector<std::string> command, const std::string& word) {
  command[0] = BinaryPath(command[0]);
  command.push_back(word);
  return RunProgram(command);
}

TEST(CommandLinesTest, AllSubcommandsAreFound) { EXPECT_EQ(Commands().size(), 2 + 1 + 8 + 7 + 1 + 1); }

TEST(CommandLinesTest, EveryHelpSaysWhatItIsAndShowsEveryFlagWithAnExample) {
  for (const std::vector<std::string>& command : Commands()) {
    const Finished help = RunWith(command, "--help");
    const std::string name = command.size() == 1 ? command[0] : command[0] + " " + command[1];
    EXPECT_EQ(help.status, 0) << name;
    EXPECT_THAT(help.output, StartsWith(name + ": "));
    EXPECT_THAT(help.output, HasSubstr("\nExample:\n  " + name));
    const std::vector<std::string> flags = MatchesOf(help.output, "\n  (--[a-z0-9-]+)");
    EXPECT_GE(flags.size(), 2) << name;
    for (const std::string& flag : flags) {
      if (flag == "--version") continue;
      EXPECT_THAT(help.output, ::testing::ContainsRegex("Example: (" + flag + "|--no-" + flag.substr(2) + ")[ \n]"));
    }
  }
}

TEST(CommandLinesTest, EveryProgramSaysItsNameAndVersion) {
  for (const std::string program : kPrograms) {
    const Finished version = RunWith({program}, "--version");
    EXPECT_EQ(version.status, 0);
    EXPECT_THAT(version.output, MatchesRegex(program + " [0-9]+\\.[0-9]+\\.[0-9]+\n"));
  }
}

TEST(CommandLinesTest, AnUnknownFlagIsStatus2AndNamed) {
  for (const std::vector<std::string>& command : Commands()) {
    const Finished refused = RunWith(command, "--no-such-flag=1");
    EXPECT_EQ(refused.status, 2) << command[0];
    EXPECT_THAT(refused.output, StartsWith(command[0] + ": unknown flag --no-such-flag\n"));
  }
}

TEST(CommandLinesTest, AHelpThatNobodyGetsIsStatus1) {
  for (const std::string program : kPrograms) {
    Process lost({BinaryPath(program), "--help"}, "/dev/full");
    EXPECT_EQ(lost.Wait(), 1) << program;
  }
}

}  // namespace
}  // namespace videodiffcr
