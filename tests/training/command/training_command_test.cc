#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "system/wrong_usage.h"
#include "tests/command_line/broken_examples.h"
#include "tests/command_line/full_standard_output.h"
#include "tests/command_line/run_subcommand.h"
#include "tests/system/read_file.h"
#include "tests/system/temporary_folder.h"
#include "tests/training/tiny_model.h"
#include "training/command/compare_command.h"
#include "training/command/evaluate_command.h"
#include "training/command/figures_command.h"
#include "training/command/regress_command.h"
#include "training/command/train_command.h"

namespace videodiffcr::training {
namespace {

using ::testing::HasSubstr;

class TrainingCommandTest : public ::testing::Test {
 protected:
  std::string File(const std::string& name) const { return folder_.Path(name); }

  // With the shipped model, and nothing judged but what `arguments` say.
  absl::Status Evaluate(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"--model", TinyModel(), "--reconstructions", "0"});
    return RunSubcommand(EvaluateSubcommand(), {arguments.begin(), arguments.end()});
  }
  // Why flags are refused; with a model that is not there, so that nothing is done where they are not.
  static std::string Refusal(const Subcommand& subcommand, std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"--model", "/nonexistent"});
    const absl::Status status = RunSubcommand(subcommand, {flags.begin(), flags.end()});
    EXPECT_TRUE(IsWrongUsage(status)) << status;
    return std::string(status.message());
  }
  static absl::Status Compare(const std::vector<std::string>& arguments) {
    return RunSubcommand(CompareSubcommand(), {arguments.begin(), arguments.end()});
  }
  absl::Status Wording(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"--model", TinyModel(), "--batch", "2"});
    return RunSubcommand(WordingStage(), {arguments.begin(), arguments.end()});
  }
  static Subcommand Stage(const std::string& name) {
    const std::vector<Subcommand> stages = StageSubcommands();
    return *std::find_if(stages.begin(), stages.end(),
                         [&name](const Subcommand& stage) { return stage.text.name == name; });
  }
  static Subcommand WordingStage() { return Stage("wording"); }

  const TemporaryFolder folder_;
};

TEST_F(TrainingCommandTest, JudgingWritesARowPerCondition) {
  ASSERT_TRUE(Evaluate({"--clips", "1", "--only", "dense", "--csv", File("table.csv")}).ok());
  EXPECT_THAT(ReadFile(File("table.csv")), ::testing::ContainsRegex("^condition,n,all,.*\ndense,1,[01]\\.0000,"));
}

TEST_F(TrainingCommandTest, JudgingMakesTheFolderForTheSheetsOfTheBudgetsAskedFor) {
  ASSERT_TRUE(Evaluate({"--clips", "0", "--only", "0.7", "--sheets", File("new/sheets")}).ok());
  EXPECT_THAT(ReadFile(File("new/sheets/tiny_07.png")), ::testing::StartsWith("\x89PNG"));
  EXPECT_FALSE(std::filesystem::exists(File("new/sheets/tiny_10.png")));
}

// Were a clip made first, these would take hours.
TEST_F(TrainingCommandTest, ResultsThatCannotBeWrittenEndTheJudgingBeforeItBegins) {
  const std::string many = "1000000";
  std::ofstream(File("taken")) << "a file";
  EXPECT_THAT(Evaluate({"--clips", many, "--sheets", File("taken/sheets")}).message(), HasSubstr("taken/sheets"));
  EXPECT_THAT(Evaluate({"--clips", many, "--csv", File("nowhere/table.csv")}).message(),
              AllOf(HasSubstr("cannot write "), HasSubstr("nowhere/table.csv"), HasSubstr("with --csv")));
}

TEST_F(TrainingCommandTest, JudgingThatFailsLeavesOlderResultsAlone) {
  const std::string older = File("older.csv"), prompts = File("prompts.txt");
  std::ofstream(older) << "older";
  std::ofstream(prompts) << "a red circle\n";
  for (const std::vector<std::string>& flags : std::vector<std::vector<std::string>>{
           {"--plain", "cpu", "--write-bounds", older},
           {"--plain", "cpu", "--csv", older},
           {"--per-clip", older},
           {"--prompts", prompts, "--csv", older},
       }) {
    std::vector<std::string_view> arguments = {"--model", "/nonexistent"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const absl::Status status = RunSubcommand(EvaluateSubcommand(), arguments);
    EXPECT_THAT(std::string(status.message()), HasSubstr("/nonexistent")) << flags.front();
    EXPECT_EQ(ReadFile(older), "older") << flags.front();
  }
}

TEST_F(TrainingCommandTest, FlagsThatPromptsOfAFileLeaveNothingToDoForAreRefused) {
  const auto refused = [this](const std::vector<std::string>& flags) {
    std::vector<std::string> all = {"--prompts", File("prompts.txt")};
    all.insert(all.end(), flags.begin(), flags.end());
    return Refusal(EvaluateSubcommand(), all);
  };
  const std::string why = ": goes without --prompts, which judges by the distance to the dense model alone";
  EXPECT_EQ(refused({"--conditions", "short,long,switch,held-out"}), "--conditions" + why) << "its default, but given";
  EXPECT_EQ(refused({"--proxies", "yes"}), "--proxies" + why);
  EXPECT_EQ(refused({"--classifier=file"}), "--classifier" + why);
  EXPECT_EQ(refused({"--two_objects", "2"}), "--two-objects" + why);
  EXPECT_EQ(refused({"--per-clip", File("clips.csv")}), "--per-clip" + why);
  EXPECT_EQ(refused({"--plain", "cpu"}), "--plain" + why);
  const absl::Status values = Evaluate({"--prompts", "--per-clip", "--proxies", "no", "--two-objects", "0"});
  EXPECT_FALSE(IsWrongUsage(values)) << "no flag but a file's name, and nothing that is not done: " << values;
  EXPECT_EQ(Refusal(EvaluateSubcommand(), {"--chunks", "4"}), "--chunks: needs --prompts");
  EXPECT_EQ(Refusal(EvaluateSubcommand(), {"--prompt-column", "a"}), "--prompt-column: needs --prompts");
}

TEST_F(TrainingCommandTest, OutputsThatNothingWouldBeWrittenToAreRefused) {
  EXPECT_EQ(Refusal(EvaluateSubcommand(), {"--clips", "0", "--per-clip", "clips.csv"}),
            "--per-clip clips.csv: needs --clips from 1 on");
  EXPECT_EQ(Refusal(EvaluateSubcommand(),
                    {"--plain", "cpu", "--write-bounds", File("bounds.csv"), "--csv", File("table.csv")}),
            "--csv: goes without --write-bounds, which judges no model");
}

TEST_F(TrainingCommandTest, FlagsThatStagesHaveForPromptsOfAFileAreRefusedWithoutOne) {
  const auto refused = [this](const std::string& name, std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"--output", File("out"), "--run", File("run")});
    return Refusal(Stage(name), flags);
  };
  EXPECT_EQ(refused("routers", {"--tables", "tables.json"}), "--tables: needs --prompts");
  EXPECT_EQ(refused("routers", {"--target", "0.7"}), "--target: needs --prompts");
  EXPECT_EQ(refused("routers", {"--accounting", "nominal"}), "--accounting: needs --prompts");
  EXPECT_EQ(refused("routers", {"--held-out", "4"}), "--held-out: needs --prompts");
  EXPECT_EQ(refused("routers", {"--measure-every", "9"}), "--measure-every: needs --prompts");
  EXPECT_EQ(refused("routers", {"--prompt-column", "caption"}), "--prompt-column: needs --prompts");
  EXPECT_EQ(refused("videodiffcr", {"--most-prompts", "9"}), "--most-prompts: needs --prompts");
  EXPECT_EQ(refused("routers", {"--prompts", "mine.txt", "--tables", "tables.json", "--target", "0.7"}),
            "--target: goes without --tables, which say what is kept");
}

TEST_F(TrainingCommandTest, JudgingKeepsALinePerClipAndComparesRows) {
  const std::string clips = File("tiny.clips.csv");
  std::ofstream(clips) << "older";
  ASSERT_TRUE(Evaluate({"--clips", "2", "--conditions", "short", "--budgets", "1,0.7", "--plain", "cpu", "--proxies",
                        "yes", "--method", "ours", "--training-seed", "4", "--per-clip", clips})
                  .ok());
  const std::string lines = ReadFile(clips);
  EXPECT_THAT(lines, ::testing::StartsWith("# videodiffcr-train evaluate --model "));
  EXPECT_THAT(lines, HasSubstr("--conditions short --plain cpu --budgets 1,0.7 --proxies yes --reconstructions 0 "
                               "--method ours --training-seed 4"));
  EXPECT_THAT(lines, HasSubstr("\nours,4,short,10,router,1,1.0000,1.0000,"));
  EXPECT_THAT(lines, HasSubstr("\nours,4,short,7,router,1,0.6708,0.7367,"));
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 6);
  EXPECT_TRUE(Compare({clips, "--csv", File("difference.csv")}).ok());
  EXPECT_THAT(ReadFile(File("difference.csv")), HasSubstr("\nshort,all,ours dense,ours retention 0.7 router,1,2,"));
  EXPECT_THAT(
      Compare({clips, "--reference", "theirs, dense"}).message(),
      HasSubstr("--reference 'theirs, dense': no such row; there are 'ours, dense'; 'ours, retention 0.7, router'"));
}

TEST_F(TrainingCommandTest, JudgingRefusesABudgetOrConditionThatThereIsNot) {
  EXPECT_THAT(Evaluate({"--clips", "1", "--budgets", "10,4"}).message(),
              HasSubstr("--budgets 0.4: the model has 1,0.9,0.8,0.7,0.6,0.5"));
  EXPECT_THAT(Evaluate({"--clips", "1", "--conditions", "short,eternal"}).message(),
              HasSubstr("--conditions 'eternal': no such condition; there are short, long, switch, held-out, drift"));
}

TEST_F(TrainingCommandTest, WhatALastLineMayHoldIsMeasuredOnceAndUsedByLaterJudging) {
  const std::string bounds = File("bounds.csv"), table = File("table.csv");
  EXPECT_THAT(Evaluate({"--write-bounds", bounds}).message(), HasSubstr("--write-bounds: needs --plain"));
  ASSERT_TRUE(Evaluate({"--write-bounds", bounds, "--plain", "cpu", "--clips", "8"}).ok());
  EXPECT_THAT(ReadFile(bounds), HasSubstr("\ndimension,group,column,weight,least,most\nsubject consistency,quality,"));
}

TEST_F(TrainingCommandTest, AnUnknownConditionIsAnsweredWithTheKnownOnes) {
  const absl::Status status = Evaluate({"--clips", "1", "--only", "sparse"});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("--only 'sparse': no such condition; there are dense, retention 0.9"));
}

TEST_F(TrainingCommandTest, BaselinesNeedThePlainPath) {
  EXPECT_THAT(Evaluate({"--baselines", "yes"}).message(), HasSubstr("--baselines yes: needs --plain cpu"));
  EXPECT_THAT(Evaluate({"--hysteresis", "1"}).message(), HasSubstr("--hysteresis, --anchor: need --plain cpu"));
}

TEST_F(TrainingCommandTest, BoundsThatNothingWouldBeHeldToAreRefusedBeforeAnyClipIsMade) {
  EXPECT_THAT(Evaluate({"--bounds", "bounds.csv"}).message(), HasSubstr("--bounds bounds.csv: needs --proxies yes"));
}

TEST_F(TrainingCommandTest, AShareOfTheCacheIsJudgedAndKeptUnderANameOfItsOwn) {
  const std::string clips = File("clips.csv");
  ASSERT_TRUE(Evaluate({"--clips", "1", "--conditions", "short", "--budgets", "10", "--cache-retention", "0.25",
                        "--cache-score", "random", "--per-clip", clips, "--csv", File("table.csv")})
                  .ok());
  EXPECT_THAT(ReadFile(clips), HasSubstr(" --cache-retention 0.25 --cache-score random"));
  EXPECT_THAT(ReadFile(clips), HasSubstr("\ntiny cache 0.25 by random,0,short,10,router,1,"));
  EXPECT_THAT(ReadFile(File("table.csv")), HasSubstr("\ndense with cache 0.25 by random,1,"));
  EXPECT_THAT(Evaluate({"--cache-retention", "0"}).message(), HasSubstr("cache-retention"));
  EXPECT_THAT(Evaluate({"--cache-retention", "0.5", "--cache-score", "best"}).message(), HasSubstr("cache-score"));
  EXPECT_THAT(Evaluate({"--cache-score", "random"}).message(),
              HasSubstr("--cache-score random: needs --cache-retention"));
  EXPECT_THAT(Evaluate({"--write-bounds", clips, "--plain", "cpu", "--cache-retention", "0.5"}).message(),
              HasSubstr("--cache-retention: --write-bounds judges"));
}

TEST_F(TrainingCommandTest, AStageRefusesAModelWhoseCacheIsNotWhole) {
  const std::string folder = File("retained");
  std::filesystem::copy(TinyModel(), folder, std::filesystem::copy_options::recursive);
  std::string config = ReadFile(folder + "/config.json");
  const std::string mark = "\"floor_tenths\": 1,";
  ASSERT_NE(config.find(mark), std::string::npos);
  config.insert(config.find(mark), R"("cache": {"score": "router", "percent": {"7": 50}}, )");
  std::ofstream(folder + "/config.json") << config;
  const absl::Status refused =
      RunSubcommand(WordingStage(), {"--model", folder, "--batch", "2", "--output", File("out"), "--run", File("run")});
  EXPECT_THAT(refused.message(), HasSubstr("retained/config.json: retention.cache.percent.7: 50; training keeps"));
}

TEST_F(TrainingCommandTest, AStageNeedsAPlaceForItsResultAndOneForItsRun) {
  EXPECT_THAT(Wording({"--run", File("run")}).message(), HasSubstr("--output is needed"));
  EXPECT_THAT(Wording({"--output", File("out")}).message(), HasSubstr("--run is needed"));
}

TEST_F(TrainingCommandTest, AStageRefusesADeviceThatIsNotThereByName) {
  const absl::Status status = Wording({"--output", File("out"), "--run", File("run"), "--device", "tpu"});
  EXPECT_THAT(status.message(), HasSubstr("--device is 'tpu'; it must be one of"));
  EXPECT_FALSE(std::filesystem::exists(File("out")));
}

TEST_F(TrainingCommandTest, ProcessesThatCannotShareABatchAreRefusedBeforeAnyStarts) {
  const std::vector<std::string> places = {"--output", File("out"), "--run", File("run")};
  const auto refused = [&](std::vector<std::string> flags) {
    flags.insert(flags.begin(), places.begin(), places.end());
    const absl::Status status = Wording(flags);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_EQ(refused({"--processes", "3"}), "--batch 2: must be a multiple of 3 processes times --accumulate 1");
  EXPECT_EQ(refused({"--accumulate", "4"}), "--batch 2: must be a multiple of 1 process times --accumulate 4");
  EXPECT_THAT(refused({"--gpus", "2"}), HasSubstr("--gpus 2: needs --device cuda, not cpu"));
  EXPECT_THAT(refused({"--device", "cuda", "--processes", "2"}), HasSubstr("--processes 2: needs --device cpu"));
  EXPECT_FALSE(std::filesystem::exists(File("run")));
}

TEST_F(TrainingCommandTest, AStageThatIsPausedGoesOnWithTheSameCommandToAWholeModelFolder) {
  const std::vector<std::string> command = {"--output", File("out"), "--run", File("run"),   "--steps",
                                            "2",        "--threads", "1",     "--max-steps", "1"};
  ASSERT_TRUE(Wording(command).ok());
  EXPECT_FALSE(std::filesystem::exists(File("out")));
  ASSERT_TRUE(Wording(command).ok());
  for (const auto& file : std::filesystem::directory_iterator(TinyModel())) {
    if (file.path().extension() == ".md") continue;
    EXPECT_TRUE(std::filesystem::exists(File("out") + "/" + file.path().filename().string())) << file.path();
  }
  EXPECT_NE(ReadFile(File("out/text_encoder.safetensors")), ReadFile(TinyModel() + "/text_encoder.safetensors"));
}

TEST_F(TrainingCommandTest, FiguresAreATableAndAMapPerBudget) {
  const std::string tiny = TinyModel(), output = File("new/figures");
  ASSERT_TRUE(RunSubcommand(FiguresSubcommand(), {"--model", tiny, "--output", output, "--chunk", "0"}).ok());
  for (const char* name : {"retention", "router_maps_09", "router_maps_08", "router_maps_07"}) {
    EXPECT_THAT(ReadFile(output + "/" + name + ".png"), ::testing::StartsWith("\x89PNG")) << name;
  }
  EXPECT_THAT(RunSubcommand(FiguresSubcommand(), {"--model", tiny}).message(), HasSubstr("--output is needed"));
  const FullStandardOutput full;
  EXPECT_THAT(RunSubcommand(FiguresSubcommand(), {"--model", tiny, "--output", output}).message(),
              HasSubstr("cannot write to standard output"));
}

TEST_F(TrainingCommandTest, TargetsAreNumbersThatBudgetsCanBe) {
  const auto learn = [&](std::string_view target) {
    for (const Subcommand& stage : StageSubcommands()) {
      if (stage.text.name != "videodiffcr") continue;
      const std::string tiny = TinyModel(), output = File("out"), run = File("run");
      return RunSubcommand(stage, {"--model", tiny, "--output", output, "--run", run, "--target", target});
    }
    return absl::NotFoundError("no such stage");
  };
  EXPECT_THAT(learn("0.7;0.5").message(), HasSubstr("must be numbers with commas between them"));
  EXPECT_THAT(learn("0.7,1.5").message(), HasSubstr("--target 1.5: must be from 0.1 to 1"));
  EXPECT_FALSE(std::filesystem::exists(File("out")));
}

TEST(TrainingHelpTest, EveryStageShowsAnExampleAndItsFlags) {
  for (const Subcommand& stage : StageSubcommands()) {
    EXPECT_THAT(HelpOf(stage), HasSubstr("\nExample:\n  videodiffcr-train " + stage.text.name + " "));
    EXPECT_THAT(HelpOf(stage), HasSubstr("  --max-seconds S\n"));
  }
  EXPECT_THAT(HelpOf(EvaluateSubcommand()), HasSubstr("  --only TEXT\n"));
  EXPECT_THAT(HelpOf(FiguresSubcommand()), HasSubstr("  --prompt TEXT\n"));
}

TEST(TrainingHelpTest, ItsExamplesCanBeCopied) {
  std::vector<Subcommand> all = StageSubcommands();
  all.insert(all.end(), {EvaluateSubcommand(), CompareSubcommand(), FiguresSubcommand(), RegressSubcommand()});
  for (const Subcommand& subcommand : all) {
    EXPECT_THAT(BrokenExamples(HelpOf(subcommand)), ::testing::IsEmpty()) << subcommand.text.name;
  }
}

}  // namespace
}  // namespace videodiffcr::training
