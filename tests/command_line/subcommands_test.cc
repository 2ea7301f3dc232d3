#include "command_line/subcommands.h"

#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Help() { return "how to paint\n"; }

// Fails as its first argument says.
absl::Status Paint(const std::vector<std::string_view>& arguments) {
  if (arguments.empty()) return absl::OkStatus();
  if (arguments[0] == "--interrupted") return absl::CancelledError("stopped");
  if (arguments[0] == "--broken") return absl::InternalError("the brush broke");
  return absl::InvalidArgumentError("no such flag");
}

constexpr Subcommand kSubcommands[] = {{"paint", "paints a wall", &Help, &Paint}};

struct Outcome {
  int status = 0;
  std::string out;
  std::string errors;
};

Outcome RunPainter(const std::vector<std::string_view>& arguments,
                   std::string (*describe)(const absl::Status&) = nullptr) {
  std::ostringstream out, errors;
  const int status = RunSubcommand({"painter", "paints", kSubcommands, describe}, arguments, out, errors);
  return {status, out.str(), errors.str()};
}

TEST(SubcommandsTest, TheExitStatusTellsAMistakeAFailureAndAnInterruptionApart) {
  EXPECT_EQ(RunPainter({"paint"}).status, 0);
  EXPECT_EQ(RunPainter({"paint", "--broken"}).status, 1);
  EXPECT_EQ(RunPainter({"paint", "--colour"}).status, 2);
  EXPECT_EQ(RunPainter({"paint", "--interrupted"}).status, 130);
}

TEST(SubcommandsTest, AMistakePointsToTheHelpAndAFailureDoesNot) {
  EXPECT_EQ(RunPainter({"paint", "--colour"}).errors,
            "painter: no such flag\n`painter paint --help` lists the flags\n");
  EXPECT_EQ(RunPainter({"paint", "--broken"}).errors, "painter: the brush broke\n");
}

TEST(SubcommandsTest, AFailureReadsAsTheProgramDescribesIt) {
  const Outcome run = RunPainter(
      {"paint", "--broken"}, [](const absl::Status& failure) { return "sadly, " + std::string(failure.message()); });
  EXPECT_EQ(run.errors, "painter: sadly, the brush broke\n");
}

TEST(SubcommandsTest, HelpIsWhatWasAskedForAndGoesToTheOutput) {
  for (const std::string_view word : {"--help", "-h", "help"}) {
    const Outcome run = RunPainter({word});
    EXPECT_EQ(run.status, 0) << word;
    EXPECT_THAT(run.out, HasSubstr("painter paint  paints a wall")) << word;
    EXPECT_EQ(run.errors, "") << word;
  }
  EXPECT_EQ(RunPainter({"paint", "--broken", "--help"}).out, "how to paint\n") << "and nothing is run";
}

TEST(SubcommandsTest, AnUnknownSubcommandOrNoneIsAMistakeWithTheUsage) {
  EXPECT_EQ(RunPainter({"wash"}).status, 2);
  EXPECT_THAT(RunPainter({"wash"}).errors, StartsWith("painter: unknown subcommand 'wash'\n\npainter: paints\n"));
  EXPECT_EQ(RunPainter({}).status, 2);
  EXPECT_THAT(RunPainter({}).errors, StartsWith("painter: paints\n"));
}

}  // namespace
}  // namespace videodiffcr
