// The command lines of all programs look and end alike.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/server_process.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

const char* const kPrograms[] = {"videodiffcr",       "videodiffcr-server",  "videodiffcr-gateway", "videodiffcr-bench",
                                 "videodiffcr-train", "videodiffcr-convert", "videodiffcr-parity"};

std::vector<std::string> MatchesOf(const std::string& text, const std::string& pattern) {
  std::vector<std::string> matches;
  const std::regex regex(pattern);
  for (std::sregex_iterator match(text.begin(), text.end(), regex), end; match != end; ++match) {
    matches.push_back((*match)[1]);
  }
  return matches;
}

using Words = std::vector<std::string>;  // a program's name and its arguments

Words Joined(Words command, const std::string& word) {
  command.push_back(word);
  return command;
}

// Runs programs side by side, one per processor at a time: the walks below start hundreds. How each ended, in order.
std::vector<Finished> RunAll(const std::vector<Words>& commands) {
  std::vector<Finished> finished(commands.size());
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < commands.size(); i = next++) {
      Words command = commands[i];
      command[0] = BinaryPath(command[0]);
      finished[i] = RunProgram(command);
    }
  };
  std::vector<std::thread> workers;
  for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i) workers.emplace_back(work);
  for (std::thread& worker : workers) worker.join();
  return finished;
}

struct CommandHelp {
  Words command;
  Finished help;
};

std::vector<CommandHelp> HelpsOf(const std::vector<Words>& commands) {
  std::vector<Words> asking;
  for (const Words& command : commands) asking.push_back(Joined(command, "--help"));
  const std::vector<Finished> helps = RunAll(asking);
  std::vector<CommandHelp> out;
  for (size_t i = 0; i < commands.size(); ++i) out.push_back({commands[i], helps[i]});
  return out;
}

// Every program with each of its subcommands, without those that have subcommands: what has flags of its own. Asked
// once.
const std::vector<CommandHelp>& Commands() {
  static const std::vector<CommandHelp> commands = [] {
    std::vector<Words> programs, subcommands;
    for (const std::string program : kPrograms) programs.push_back({program});
    std::vector<CommandHelp> found;
    for (const CommandHelp& one : HelpsOf(programs)) {
      const std::string& program = one.command[0];
      const std::vector<std::string> names = MatchesOf(one.help.output, "\n  " + program + " ([a-z-]+)  +[a-zA-Z]");
      if (names.empty()) found.push_back(one);
      for (const std::string& name : names) subcommands.push_back({program, name});
    }
    for (CommandHelp& one : HelpsOf(subcommands)) found.push_back(std::move(one));
    return found;
  }();
  return commands;
}

// So many of each program, in the order of kPrograms.
TEST(CommandLinesTest, AllSubcommandsAreFound) { EXPECT_EQ(Commands().size(), 6 + 1 + 1 + 8 + 12 + 1 + 1); }

TEST(CommandLinesTest, EveryHelpSaysWhatItIsAndShowsEveryFlagWithAnExample) {
  for (const auto& [command, help] : Commands()) {
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
    const Finished version = RunProgram({BinaryPath(program), "--version"});
    EXPECT_EQ(version.status, 0);
    EXPECT_THAT(version.output, MatchesRegex(program + " [0-9]+\\.[0-9]+\\.[0-9]+\n"));
  }
}

TEST(CommandLinesTest, AnUnknownFlagIsStatus2AndNamed) {
  std::vector<Words> commands;
  for (const CommandHelp& one : Commands()) commands.push_back(Joined(one.command, "--no-such-flag=1"));
  const std::vector<Finished> refused = RunAll(commands);
  for (size_t i = 0; i < commands.size(); ++i) {
    const std::string& program = commands[i][0];
    EXPECT_EQ(refused[i].status, 2) << program;
    EXPECT_THAT(refused[i].output, StartsWith(program + ": unknown flag --no-such-flag\n"));
  }
}

// Flags whose value may be any word: texts, paths, and names of what is in files.
bool TakesAnyWord(const std::string& flag, const std::string& value_name) {
  static const std::regex any_word("TEXT|FILE|FILE\\[:SCALE\\]|FOLDER|PATH|LABEL|ROW");
  static const std::regex names("evaluate --method|.* --(service|prompt-column|column|entry)");
  return std::regex_match(value_name, any_word) || std::regex_match(flag, names);
}

TEST(CommandLinesTest, NonsenseForAnyFlagIsStatus2AndTheMessageNamesFlagAndValue) {
  static const std::regex flag_line("\n  (--[a-z0-9-]+)(?:, --no-[a-z0-9-]+)?(?: ([^\n]+))?\n +([^\n]+)(?=\n)");
  static const std::regex word_line("\n  [A-Z]+(\\.\\.\\.)?\n");
  std::vector<CommandHelp> asked = Commands();
  std::vector<Words> of_tokens;
  for (const std::string does : {"add", "limit", "list", "remove"}) {
    of_tokens.push_back({"videodiffcr-server", "tokens", does});
  }
  for (CommandHelp& tokens : HelpsOf(of_tokens)) asked.push_back(std::move(tokens));
  std::vector<Words> commands;
  std::vector<std::string> flags;  // of each, what it gets wrong
  // What subcommands share is one flag with one text: asked once of a program, since each start takes a while.
  std::set<std::string> tried;
  int flags_seen = 0;
  for (const auto& [command, help] : asked) {
    Words whole = command;
    if (std::regex_search(help.output, word_line))
      whole.emplace_back("word");  // that it is missing would be told first
    for (std::sregex_iterator match(help.output.begin(), help.output.end(), flag_line), end; match != end; ++match) {
      const std::string flag = (*match)[1];
      if (flag == "--version" || TakesAnyWord(command.back() + " " + flag, (*match)[2])) continue;
      ++flags_seen;
      if (!tried.insert(command[0] + match->str()).second) continue;
      commands.push_back(Joined(whole, flag + "=nonsense"));
      flags.push_back(flag);
    }
  }
  EXPECT_GT(flags_seen, 290);
  EXPECT_GT(commands.size(), 150);
  const std::vector<Finished> refused = RunAll(commands);
  for (size_t i = 0; i < commands.size(); ++i) {
    const std::string name = commands[i][0] + " " + commands[i][1];
    EXPECT_EQ(refused[i].status, 2) << name << " " << flags[i];
    EXPECT_THAT(refused[i].output, ::testing::ContainsRegex(": " + flags[i] + " (is )?.nonsense.[;:] ")) << name;
  }
}

TEST(CommandLinesTest, AHelpThatNobodyGetsIsStatus1) {
  for (const std::string program : kPrograms) {
    Process lost({BinaryPath(program), "--help"}, "/dev/full");
    EXPECT_EQ(lost.Wait(), 1) << program;
  }
}

TEST(CommandLinesTest, AHelpWhoseReaderIsGoneIsStatus1AndNoSignal) {
  const std::string script =
      "mkfifo \"$1\"; exec 3<>\"$1\" 4>\"$1\" 3>&-; exec \"$0\" --help >&4 4>&-";  // nobody has it open for reading
  for (const std::string program : kPrograms) {
    const std::string pipe = TempPath("pipe_of_" + program);
    std::filesystem::remove(pipe);
    EXPECT_EQ(RunProgram({"bash", "-c", script, BinaryPath(program), pipe}).status, 1) << program;
  }
}

TEST(CommandLinesTest, AFileThatIsDamagedIsStatus1AndNoWrongFlag) {
  const std::string folder = TempPath("damaged_model");
  std::filesystem::create_directories(folder);
  const std::string file = folder + "/config.json";
  std::ofstream(file) << "{";
  const std::vector<std::vector<std::string>> commands = {
      {"videodiffcr-server", "--model-folder", folder},
      {"videodiffcr-bench", "chunk", "--model-folder", folder},
      {"videodiffcr-bench", "make-model", "--model-folder", folder, "--output", folder + "/made"},
      {"videodiffcr-train", "evaluate", "--model", folder},
      {"videodiffcr-train", "evaluate", "--model", folder, "--plain", "cpu", "--reconstructions", "0"},
      {"videodiffcr-train", "denoiser", "--model", folder, "--output", folder + "/out", "--run", folder + "/run"},
      {"videodiffcr-convert", "--config", file, "--print-config"},
      {"videodiffcr-parity", file},
  };
  for (std::vector<std::string> command : commands) {
    const std::string program = command[0];
    command[0] = BinaryPath(program);
    const Finished run = RunProgram(command);
    EXPECT_EQ(run.status, 1) << program << ": " << run.output;
    EXPECT_THAT(run.output, StartsWith(program + ": ")) << program;
    EXPECT_THAT(run.output, Not(HasSubstr("--help"))) << program;
  }
}

TEST(CommandLinesTest, AServerWithoutStandardStreamsPutsNothingElseInTheirPlace) {
  const std::string port_file = TempPath("ports_without_streams");
  std::filesystem::remove(port_file);
  const Process server({"sh", "-c", "exec \"$0\" \"$@\" <&- >&- 2>&-", BinaryPath("videodiffcr-server"),
                        "--model-folder", SourcePath("models/tiny"), "--listen=127.0.0.1:0",
                        "--metrics-listen=", "--port-file", port_file});
  while (!std::filesystem::exists(port_file)) {  // ctest's time limit is the judge
  }
  for (const std::string stream : {"0", "1", "2"}) {
    const std::string place = "/proc/" + std::to_string(server.pid()) + "/fd/" + stream;
    EXPECT_EQ(std::filesystem::read_symlink(place), "/dev/null") << place;
  }
}

}  // namespace
}  // namespace videodiffcr
