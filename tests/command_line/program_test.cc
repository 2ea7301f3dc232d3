#include "command_line/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace videodiffcr {
namespace {

TEST(ProgramTest, AnAnswerThatDoesNotArriveIsAFailure) {
  std::ostringstream out, errors;
  EXPECT_EQ(WriteAnswer("painter", {"how to paint\n"}, out, errors), 0);
  EXPECT_EQ(out.str(), "how to paint\n");
  EXPECT_EQ(errors.str(), "");
  std::ofstream full("/dev/full");
  EXPECT_EQ(WriteAnswer("painter", {"how to paint\n"}, full, errors), 1);
  EXPECT_EQ(errors.str(), "painter: standard output cannot be written\n");
}

TEST(ProgramTest, AWrongCommandLineHasItsOwnStatusAndPointsToTheHelp) {
  std::ostringstream errors;
  EXPECT_EQ(RefuseCommandLine("painter", "painter wall", absl::InvalidArgumentError("unknown flag --speed"), errors),
            2);
  EXPECT_EQ(errors.str(), "painter: unknown flag --speed\n`painter wall --help` lists the flags\n");
}

}  // namespace
}  // namespace videodiffcr
