#include "command_line/program.h"
#include "system/wrong_usage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <sstream>

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

TEST(ProgramTest, AnAnswerThatDoesNotArriveIsAFailure) {
  std::ostringstream out, errors;
  EXPECT_EQ(WriteAnswer("painter", "how to paint\n", out, errors), 0);
  EXPECT_EQ(out.str(), "how to paint\n");
  EXPECT_EQ(errors.str(), "");
  std::ofstream full("/dev/full");
  EXPECT_EQ(WriteAnswer("painter", "how to paint\n", full, errors), 1);
  EXPECT_EQ(errors.str(), "painter: cannot write to standard output: No space left on device\n");
}

TEST(ProgramTest, AWrongCommandLineHasItsOwnStatusAndPointsToTheHelp) {
  std::ostringstream errors;
  EXPECT_EQ(RefuseCommandLine("painter", "painter wall", absl::InvalidArgumentError("unknown flag --speed"), errors),
            2);
  EXPECT_EQ(errors.str(), "painter: unknown flag --speed\n`painter wall --help` lists the flags\n");
}

// A program that paints; it fails as its flags say.
struct Outcome {
  int status = 0;
  std::string out;
  std::string errors;
};

Outcome RunPainter(const std::vector<std::string_view>& arguments,
                   std::string (*describe)(const absl::Status&) = nullptr) {
  const auto add = [](Command* command) {
    const auto failure = std::make_shared<std::string>("none");
    command->AddFlag({"failure", "NAME", "How to fail.", "broken"}, ReadString(failure.get()));
    return [failure]() -> absl::Status {
      if (*failure == "broken") return absl::InternalError("the brush broke");
      if (*failure == "interrupted") return absl::CancelledError("stopped");
      if (*failure == "damaged") return absl::InvalidArgumentError("paint.can: not a can of paint");
      return *failure == "refused" ? WrongUsageError("no such wall") : absl::OkStatus();
    };
  };
  const Program program = {
      {"painter", "paints", "", "painter paint"}, {{{"paint", "paints a wall", "", "painter paint"}, add}}, describe};
  std::ostringstream out, errors;
  const int status = RunProgram(program, arguments, out, errors);
  return {status, out.str(), errors.str()};
}

TEST(ProgramTest, TheExitStatusTellsAMistakeAFailureAndAnInterruptionApart) {
  EXPECT_EQ(RunPainter({"paint"}).status, 0);
  EXPECT_EQ(RunPainter({"paint", "--failure=broken"}).status, 1);
  EXPECT_EQ(RunPainter({"paint", "--failure=damaged"}).status, 1) << "what the file holds is no flag";
  EXPECT_EQ(RunPainter({"paint", "--failure=refused"}).status, 2);
  EXPECT_EQ(RunPainter({"paint", "--colour"}).status, 2);
  EXPECT_EQ(RunPainter({"paint", "--failure=interrupted"}).status, 130);
}

TEST(ProgramTest, AMistakePointsToTheHelpAndAFailureDoesNot) {
  EXPECT_EQ(RunPainter({"paint", "--colour"}).errors,
            "painter: unknown flag --colour\n`painter paint --help` lists the flags\n");
  EXPECT_EQ(RunPainter({"paint", "--failure=refused"}).errors,
            "painter: no such wall\n`painter paint --help` lists the flags\n");
  EXPECT_EQ(RunPainter({"paint", "--failure=broken"}).errors, "painter: the brush broke\n");
}

TEST(ProgramTest, AFailureReadsAsTheProgramDescribesIt) {
  const Outcome run = RunPainter({"paint", "--failure=broken"}, [](const absl::Status& failure) {
    return "sadly, " + std::string(failure.message());
  });
  EXPECT_EQ(run.errors, "painter: sadly, the brush broke\n");
}

TEST(ProgramTest, HelpIsWhatWasAskedForAndGoesToTheOutput) {
  for (const std::string_view word : {"--help", "-h", "help"}) {
    const Outcome run = RunPainter({word});
    EXPECT_EQ(run.status, 0) << word;
    EXPECT_THAT(run.out, HasSubstr("painter paint  paints a wall")) << word;
    EXPECT_EQ(run.errors, "") << word;
  }
  const Outcome run = RunPainter({"paint", "--failure=broken", "--help"});
  EXPECT_EQ(run.status, 0) << "and nothing is run";
  EXPECT_THAT(run.out, StartsWith("painter paint: paints a wall\n"));
}

TEST(ProgramTest, TheVersionIsThatOfTheProgram) {
  EXPECT_THAT(RunPainter({"--version"}).out, MatchesRegex("painter [0-9]+\\.[0-9]+\\.[0-9]+\n"));
  EXPECT_EQ(RunPainter({"paint", "--version"}).out, RunPainter({"--version"}).out);
}

TEST(ProgramTest, AnUnknownSubcommandOrNoneIsAMistakeWithTheHelp) {
  EXPECT_EQ(RunPainter({"wash"}).status, 2);
  EXPECT_THAT(RunPainter({"wash"}).errors, StartsWith("painter: unknown subcommand 'wash'\n\npainter: paints\n"));
  EXPECT_EQ(RunPainter({}).status, 2);
  EXPECT_THAT(RunPainter({}).errors, StartsWith("painter: a subcommand is missing\n\npainter: paints\n"));
}

}  // namespace
}  // namespace videodiffcr
