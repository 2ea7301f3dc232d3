#include "client/view_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "client/generate_command.h"
#include "client/health_command.h"
#include "client/info_command.h"
#include "client/top_command.h"
#include "tests/command_line/broken_examples.h"
#include "tests/command_line/run_subcommand.h"
#include "tests/system/temporary_variable.h"

namespace videodiffcr {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ViewCommandTest, WithoutAPlaceForTemporaryFilesItSaysSoAndStartsNothing) {
  const TemporaryVariable where("TMPDIR", "/nonexistent");
  const absl::Status status = RunSubcommand(ViewSubcommand(), {"--no-open", "--server", "127.0.0.1:1"});
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("with TMPDIR"));
}

TEST(ViewCommandTest, APortFileThatCannotBeWrittenIsNamedBeforeAnythingIsStarted) {
  const absl::Status status =
      RunSubcommand(ViewSubcommand(), {"--no-open", "--server", "127.0.0.1:1", "--port-file", "/nowhere/port"});
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("/nowhere/port"), HasSubstr("with --port-file")));
}

TEST(ClientHelpTest, ItsExamplesCanBeCopied) {
  for (const Subcommand& subcommand :
       {GenerateSubcommand(), ViewSubcommand(), InfoSubcommand(), TopSubcommand(), HealthSubcommand()}) {
    EXPECT_THAT(BrokenExamples(HelpOf(subcommand)), IsEmpty()) << subcommand.text.name;
  }
}

}  // namespace
}  // namespace videodiffcr
