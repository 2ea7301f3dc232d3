#include "client/prompts_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/system/temporary_folder.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(PromptsFileTest, EachLineIsAPromptExceptEmptyOnesAndComments) {
  const TemporaryFolder folder;
  const auto prompts = ReadPrompts(folder.Write("prompts", "a red circle\r\n\n# later\n  a blue star  \nlast"));
  ASSERT_TRUE(prompts.ok()) << prompts.status();
  EXPECT_THAT(*prompts, ElementsAre("a red circle", "a blue star", "last"));
}

TEST(PromptsFileTest, WhatIsNoFileOfPromptsIsRefusedWithItsName) {
  const TemporaryFolder folder;
  EXPECT_THAT(std::string(ReadPrompts(folder.Path("none")).status().message()), HasSubstr("--prompts"));
  EXPECT_EQ(ReadPrompts(folder.Write("empty", "# nothing\n")).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(ReadPrompts(folder.Write("long", "a\n" + std::string(70'000, 'x'))).status().message()),
              HasSubstr("line 2"));
  std::string many;
  for (int i = 0; i < 1001; ++i) many += "a\n";
  EXPECT_THAT(std::string(ReadPrompts(folder.Write("many", many)).status().message()), HasSubstr("line 1001"));
}

TEST(PromptsFileTest, APipeOrADeviceHoldsNobodyUp) {
  const TemporaryFolder folder;
  ASSERT_EQ(mkfifo(folder.Path("pipe").c_str(), 0600), 0);
  for (const std::string& path : {folder.Path("pipe"), std::string("/dev/zero")}) {
    EXPECT_THAT(std::string(ReadPrompts(path).status().message()), HasSubstr("is not a regular file"));
  }
}

TEST(PromptsFileTest, FilesAreNumberedInOneWidth) {
  EXPECT_EQ(NumberedPath("video.mp4", 3, 9), "video-3.mp4");
  EXPECT_EQ(NumberedPath("video.mp4", 3, 10), "video-03.mp4");
  EXPECT_EQ(NumberedPath("a.b/video", 1, 1), "a.b/video-1");
  EXPECT_EQ(NumberedPath(".hidden", 1, 1), ".hidden-1");
}

}  // namespace
}  // namespace videodiffcr
