#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/load/load_command.h"
#include "tests/command_line/broken_examples.h"
#include "tests/command_line/run_subcommand.h"

namespace videodiffcr {
namespace {

// In a shell an unquoted --require cpr>=0.99 writes to a file that is called "=0.99".
TEST(LoadHelpTest, ItsExamplesCanBeCopied) {
  EXPECT_THAT(BrokenExamples(HelpOf(LoadSubcommand())), ::testing::IsEmpty());
}

}  // namespace
}  // namespace videodiffcr
