#include "client/generate_options.h"

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "command_line/command.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<GenerateOptions> ParseGenerateOptions(const std::vector<std::string_view>& arguments) {
  GenerateOptions options;
  Command command({"generate"});
  AddGenerateFlags(&options, &command);
  const absl::StatusOr<ParsedCommand> parsed = command.Parse(arguments);
  if (!parsed.ok()) return parsed.status();
  return options;
}

std::string ErrorOf(const std::vector<std::string_view>& arguments) {
  const auto options = ParseGenerateOptions(arguments);
  EXPECT_FALSE(options.ok());
  return std::string(options.status().message());
}

TEST(GenerateOptionsTest, ReadsEveryFlagInBothForms) {
  const auto options = ParseGenerateOptions({"--prompt",
                                             "a red circle",
                                             "--chunks=12",
                                             "--seed",
                                             "18446744073709551615",
                                             "--budget",
                                             "0.7",
                                             "--switch",
                                             "4:a: b",
                                             "--switch-budget=6:0.8",
                                             "--switch",
                                             "6:c",
                                             "--playout",
                                             "1.5",
                                             "--output",
                                             "o.mp4",
                                             "--contact-sheet",
                                             "o.png",
                                             "--first-fragment-frames=2",
                                             "--server",
                                             "[::1]:99"});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->prompt, "a red circle");
  EXPECT_EQ(options->chunks, 12);
  EXPECT_EQ(options->seed, 18446744073709551615u);
  EXPECT_EQ(options->budget, 0.7);
  EXPECT_EQ(options->changes.at(4).prompt, "a: b");
  EXPECT_EQ(options->changes.at(6).prompt, "c");
  EXPECT_EQ(options->changes.at(6).retention_target, 0.8);
  EXPECT_EQ(options->playout_seconds, 1.5);
  EXPECT_EQ(options->contact_sheet, "o.png");
  EXPECT_EQ(options->first_fragment_frames, 2);
  EXPECT_EQ(options->server, "[::1]:99");
}

TEST(GenerateOptionsTest, OneFrameComesEarlyToBePlayedAndNoneOtherwiseUnlessItIsAskedFor) {
  const auto asked_for = [](const std::vector<std::string_view>& arguments) {
    return ToSessionConfig(*ParseGenerateOptions(arguments)).output().first_fragment_frames();
  };
  EXPECT_EQ(asked_for({"--prompt", "a"}), 0);
  EXPECT_EQ(asked_for({"--prompt", "a", "--play"}), 1);
  EXPECT_EQ(asked_for({"--prompt", "a", "--play", "--first-fragment-frames", "0"}), 0);
  EXPECT_EQ(asked_for({"--prompt", "a", "--first-fragment-frames", "8"}), 8);
}

TEST(GenerateOptionsTest, AWrongValueIsNamedWithItsFlagAndWhatItMustBe) {
  EXPECT_EQ(ErrorOf({"--prompt", "a", "--chunks", "many"}),
            "--chunks is 'many'; it must be a whole number from 0 to 1000000");
  EXPECT_EQ(ErrorOf({"--prompt", "a", "--budget", "nan"}), "--budget is 'nan'; it must be a number from 0 to 1");
  EXPECT_EQ(ErrorOf({"--prompt", "a", "--seed", "-1"}),
            "--seed is '-1'; it must be a whole number from 0 to 18446744073709551615");
  EXPECT_THAT(ErrorOf({"--prompt", "a", "--switch", "0:b"}), HasSubstr("--switch is '0:b'; it must be CHUNK:PROMPT"));
  EXPECT_THAT(ErrorOf({"--prompt", "a", "--switch-budget", "6:2"}),
              HasSubstr("--switch-budget is '6:2'; it has a budget"));
  EXPECT_THAT(ErrorOf({"--prompt", "a", "--server", "localhost"}),
              HasSubstr("--server is 'localhost'; it must be HOST:PORT"));
  EXPECT_THAT(ErrorOf({"--prompt", "a", "--playout", "soon"}), HasSubstr("--playout is 'soon'"));
}

TEST(GenerateOptionsTest, WhatCannotWorkTogetherIsSaidBeforeAnyServerIsAsked) {
  EXPECT_THAT(ErrorOf({}), HasSubstr("--prompt is missing"));
  EXPECT_THAT(ErrorOf({"--prompt", "a", "--output", "a.avi"}), HasSubstr("--output is 'a.avi'"));
  EXPECT_THAT(ErrorOf({"--prompt", "a", "--output", "a.yuv", "--contact-sheet", "a.png"}),
              HasSubstr("--contact-sheet"));
  EXPECT_THAT(ErrorOf({"--prompt", "a", "--chunks", "4", "--switch", "4:b"}), HasSubstr("--switch names chunk 4"));
  EXPECT_THAT(ErrorOf({"--prompt", "a", "--prompt", "b"}), HasSubstr("--prompt is given twice"));
  EXPECT_THAT(ErrorOf({"--prompt", "a", "--switch", "2:b", "--switch", "2:c"}), HasSubstr("has a new prompt already"));
  EXPECT_THAT(ErrorOf({"--promt", "a"}), HasSubstr("unknown flag --promt"));
  EXPECT_THAT(ErrorOf({"--prompt"}), HasSubstr("--prompt needs a value"));
  EXPECT_THAT(ErrorOf({"circle"}), HasSubstr("unexpected argument 'circle'"));
}

TEST(GenerateOptionsTest, TheEndingOfTheOutputDecidesCodecAndContainer) {
  const auto form = [](std::string_view output) {
    return ToSessionConfig(*ParseGenerateOptions({"--prompt", "a", "--output", output})).output();
  };
  EXPECT_EQ(form("a.mp4").container(), v1::CONTAINER_FRAGMENTED_MP4);
  EXPECT_EQ(form("a.h264").container(), v1::CONTAINER_ANNEX_B);
  EXPECT_EQ(form("a.rgb").codec(), v1::CODEC_RAW_RGB24);
  EXPECT_EQ(form("a.yuv").codec(), v1::CODEC_RAW_YUV420P);
  EXPECT_EQ(form("-").container(), v1::CONTAINER_FRAGMENTED_MP4);
}

TEST(GenerateOptionsTest, TheFirstMessageHoldsWhatWasAskedFor) {
  const v1::SessionConfig config = ToSessionConfig(
      *ParseGenerateOptions({"--prompt", "a", "--chunks", "3", "--seed", "5", "--budget", "0.7", "--playout", "1.5"}));
  EXPECT_EQ(config.prompt(), "a");
  EXPECT_EQ(config.length_chunks(), 3);
  EXPECT_EQ(config.seed(), 5u);
  EXPECT_EQ(config.retention().target(), 0.7);
  EXPECT_EQ(config.playout().start_buffer().seconds(), 1);
  EXPECT_EQ(config.playout().start_buffer().nanos(), 500'000'000);
  EXPECT_FALSE(ToSessionConfig(*ParseGenerateOptions({"--prompt", "a", "--playout", "off"})).has_playout());
  EXPECT_TRUE(ToSessionConfig(*ParseGenerateOptions({"--prompt", "a"})).has_playout());
}

TEST(GenerateOptionsTest, TheEndsOfEveryRangeAreInIt) {
  for (const std::vector<std::string_view>& flags : std::vector<std::vector<std::string_view>>{
           {"--chunks", "0", "--switch", "1000:b"},
           {"--chunks", "1000000"},
           {"--chunks", "2", "--switch", "1:b"},
           {"--budget", "0"},
           {"--budget", "1"},
           {"--playout", "0"},
           {"--playout", "60"},
           {"--server", "h:1"},
           {"--server", "h:65535"},
       }) {
    std::vector<std::string_view> arguments = {"--prompt", "a"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    EXPECT_TRUE(ParseGenerateOptions(arguments).ok()) << flags[0] << " " << flags[1];
  }
  for (const std::vector<std::string_view>& flags : std::vector<std::vector<std::string_view>>{
           {"--chunks", "-1"},
           {"--chunks", "1000001"},
           {"--budget", "1.001"},
           {"--playout", "-0.1"},
           {"--playout", "60.1"},
           {"--server", ":50051"},
           {"--server", "50051"},
           {"--server", "h:"},
           {"--server", "h:0"},
           {"--server", "h:65536"},
           {"--switch", "4:"},
           {"--switch", "4"},
           {"--switch", ":b"},
           {"--contact-sheet", "sheet.jpg"},
       }) {
    EXPECT_THAT(ErrorOf({"--prompt", "a", flags[0], flags[1]}), HasSubstr(std::string(flags[0]) + " is '"));
  }
}

TEST(GenerateOptionsTest, TheHelpListsEveryFlagWithWhatItDoesAndItsDefault) {
  GenerateOptions defaults;
  Command command({"generate"});
  AddGenerateFlags(&defaults, &command);
  for (const char* line :
       {"  --prompt TEXT\n      What the video shows.", "  --chunks N\n", "Default: 8.", "  --seed N\n",
        "  --budget SHARE\n", "  --switch CHUNK:PROMPT\n", "  --switch-budget CHUNK:SHARE\n", "  --playout SECONDS\n",
        "  --output PATH\n", "Default: video.mp4.", "  --contact-sheet PATH\n", "  --server HOST:PORT,...\n",
        "Default: localhost:50051."}) {
    EXPECT_THAT(command.Help(), HasSubstr(line));
  }
}

TEST(GenerateOptionsTest, TheFirstMessageHoldsCreditsUpToTheFirstChangeAndNoneWithoutChanges) {
  EXPECT_FALSE(ToSessionConfig(*ParseGenerateOptions({"--prompt", "a"})).has_initial_chunk_credits());
  const v1::SessionConfig config = ToSessionConfig(*ParseGenerateOptions({"--prompt", "a", "--switch", "3:b"}));
  EXPECT_EQ(config.initial_chunk_credits(), 3);
}

}  // namespace
}  // namespace videodiffcr
