#include "training/command/evaluate_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <wordexp.h>

#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "command_line/program.h"
#include "tests/command_line/run_subcommand.h"

namespace videodiffcr::training {
namespace {

// The flags alone: what they ask for is not done.
Subcommand Reading(EvaluateOptions* options) {
  return {{"evaluate", "reads its flags", "", "evaluate"}, [options](Command* command) {
            AddEvaluateFlags(options, command);
            return [] { return absl::OkStatus(); };
          }};
}

// What a shell hands to the program.
std::vector<std::string> WordsOf(const std::string& command) {
  wordexp_t words = {};
  EXPECT_EQ(wordexp(command.c_str(), &words, WRDE_NOCMD | WRDE_UNDEF), 0) << command;
  std::vector<std::string> result(words.we_wordv, words.we_wordv + words.we_wordc);
  wordfree(&words);
  return result;
}

EvaluateOptions ReadBack(const std::string& command) {
  const std::vector<std::string> words = WordsOf(command);
  EvaluateOptions options;
  EXPECT_GE(words.size(), 2u);
  const absl::Status read = RunSubcommand(Reading(&options), {words.begin() + 2, words.end()});
  EXPECT_TRUE(read.ok()) << command << ": " << read;
  return options;
}

// All that does not go without a GPU; another value than the default of each.
EvaluateOptions OnThePlainPath() {
  EvaluateOptions options;
  options.model = "my models/it's $HOME";
  options.classifier = "classifiers/one & two";
  options.method = "ours' *new* one";
  options.training_seed = "3; exit";
  options.only = "retention 0.7";
  options.plain = "cpu";
  options.conditions = "short,drift";
  options.budgets = {10, 7};
  options.cache_retention = 0.5;
  options.cache_score = "saliency";
  options.hysteresis = 1.0 / 3;
  options.anchor = 0.1;
  options.bounds = "bounds (old).csv";
  options.baselines = options.proxies = true;
  options.clips = 2048;
  options.reconstructions = 0;
  options.two_objects = 128;
  options.long_chunks = 48;
  options.seed = 7;
  options.per_clip = "kept/ours 7.csv";
  return options;
}

TEST(EvaluateOptionsTest, TheCommandOfARunWithDefaultsSaysWhatTheFilesThatAreKeptBeginWith) {
  EXPECT_EQ(
      CommandOf(EvaluateOptions()),
      "videodiffcr-train evaluate --model models/tiny --clips 64 --seed 1 --conditions short,long,switch,held-out "
      "--method tiny --training-seed 0");
}

TEST(EvaluateOptionsTest, AShellReadsTheCommandBackAsTheRunThatItSpeaksOf) {
  const EvaluateOptions given = OnThePlainPath();
  const EvaluateOptions read = ReadBack(CommandOf(given));
  EXPECT_EQ(read.model, given.model);
  EXPECT_EQ(read.classifier, given.classifier);
  EXPECT_EQ(read.method, given.method);
  EXPECT_EQ(read.training_seed, given.training_seed);
  EXPECT_EQ(read.only, given.only);
  EXPECT_EQ(read.plain, given.plain);
  EXPECT_EQ(read.conditions, given.conditions);
  EXPECT_EQ(read.budgets, given.budgets);
  EXPECT_EQ(read.cache_retention, given.cache_retention);
  EXPECT_EQ(read.cache_score, given.cache_score);
  EXPECT_EQ(read.hysteresis, given.hysteresis);
  EXPECT_EQ(read.anchor, given.anchor);
  EXPECT_EQ(read.bounds, given.bounds);
  EXPECT_EQ(read.baselines, given.baselines);
  EXPECT_EQ(read.proxies, given.proxies);
  EXPECT_EQ(read.clips, given.clips);
  EXPECT_EQ(read.reconstructions, given.reconstructions);
  EXPECT_EQ(read.two_objects, given.two_objects);
  EXPECT_EQ(read.long_chunks, given.long_chunks);
  EXPECT_EQ(read.seed, given.seed);
  EXPECT_EQ(read.per_clip, given.per_clip);
}

TEST(EvaluateOptionsTest, TheCommandNamesEveryFlagButThoseThatChangeNoFigure) {
  EvaluateOptions served, plain = OnThePlainPath();
  served.device = "cuda";
  plain.write_bounds = "bounds.csv";
  std::set<std::string> named = {"--help",   "--version", "--prompts", "--prompt-column",
                                 "--chunks", "--threads", "--csv",     "--sheets"};
  for (const EvaluateOptions& options : {served, plain}) {
    for (const std::string& word : WordsOf(CommandOf(options))) named.insert(word);
  }
  EvaluateOptions unused;
  std::istringstream help(HelpOf(Reading(&unused)));
  int flags = 0;
  for (std::string word; help >> word;) {
    if (!word.starts_with("--") || word.size() < 3) continue;
    const std::string flag = word.substr(0, word.find_first_not_of("abcdefghijklmnopqrstuvwxyz-"));
    EXPECT_THAT(named, ::testing::Contains(flag));
    ++flags;
  }
  EXPECT_GT(flags, 25);
}

}  // namespace
}  // namespace videodiffcr::training
