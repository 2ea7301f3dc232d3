// From a dense model folder to one with budgets, and that one before viewers: the programs, one after the other.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/server_process.h"
#include "tests/process/process.h"
#include "tests/system/read_file.h"

namespace videodiffcr {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// The tiny model as a converted one is: no routers, no tables.
std::string DenseFolder() {
  const std::string folder = TempPath("dense");
  std::filesystem::remove_all(folder);
  std::filesystem::copy(SourcePath("models/tiny"), folder);
  std::filesystem::remove(folder + "/routers.safetensors");
  nlohmann::json config = nlohmann::json::parse(ReadFile(folder + "/config.json"));
  config.erase("retention");
  std::ofstream(folder + "/config.json") << config;
  return folder;
}

// A file as VidProM's are, with two broken lines.
std::string PromptFile() {
  const std::string path = TempPath("prompts.csv");
  std::ofstream(path) << "uuid,prompt,time\n"
                         "1,a large red circle moves right fast on a navy checkered background,2023\n"
                         "2,\"a small yellow star, it bounces\nfast on a black plain background\",2023\n"
                         "broken\n"
                         "3,a blue square moves up slowly,2023\n"
                         "4,\"a green triangle orbits\" twice,2023\n"
                         "5,a white circle stays still on a gray striped background,2023\n";
  return path;
}

// With `more` behind its flags, of which --prompts and --min-chunks may be others.
std::vector<std::string> Train(const std::string& dense, const std::string& pruned,
                               const std::vector<std::string>& more, const std::string& prompts = PromptFile(),
                               const std::string& least_chunks = "1") {
  std::vector<std::string> words = {BinaryPath("videodiffcr-train"),
                                    "routers",
                                    "--model",
                                    dense,
                                    "--prompts",
                                    prompts,
                                    "--device",
                                    "cpu",
                                    "--output",
                                    pruned,
                                    "--run",
                                    TempPath("run"),
                                    "--threads",
                                    "1",
                                    "--batch",
                                    "1",
                                    "--steps",
                                    "30",
                                    "--min-chunks",
                                    least_chunks,
                                    "--max-chunks",
                                    "2",
                                    "--held-out",
                                    "2",
                                    "--measure-every",
                                    "15"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST(RoutersTest, ADenseFolderBecomesAServedOneWithBudgetsInTwoPieces) {
  const std::string dense = DenseFolder(), pruned = TempPath("pruned"), run = TempPath("run");
  const Finished first = RunProgram(Train(dense, pruned, {"--max-steps", "12"}));
  ASSERT_EQ(first.status, 0) << first.output;
  EXPECT_THAT(first.output, AllOf(HasSubstr("prompts.csv: 2 lines skipped"), HasSubstr("prompts.csv:5: 1 fields"),
                                  HasSubstr("encoded 4 of 4 prompts"), HasSubstr("routers: paused")));
  EXPECT_FALSE(std::filesystem::exists(pruned));
  const Finished rest = RunProgram(Train(dense, pruned, {}));
  ASSERT_EQ(rest.status, 0) << rest.output;
  EXPECT_THAT(rest.output,
              AllOf(HasSubstr("goes on at step 12"), Not(HasSubstr("encoded")), HasSubstr("routers: done")));

  // It learned something, and says so.
  const JudgedVideo picture = ProbeFile(run + "/held_out.png");
  EXPECT_EQ(picture.codec, "png");
  const std::string csv = ReadFile(run + "/held_out.csv");
  double at_first = 0, at_last = 0;
  std::istringstream lines(csv);
  std::string line;
  for (std::getline(lines, line); std::getline(lines, line);) {
    const double overlap = std::stod(line.substr(line.rfind(',') + 1));
    if (line.starts_with("0,")) at_first += overlap / 6;
    if (line.starts_with("30,")) at_last += overlap / 6;
  }
  EXPECT_GT(at_last, 0.6) << csv;
  EXPECT_GT(at_last, at_first + 0.05) << csv;

  const ServerProcess server({"--model-folder=" + pruned});
  const Finished info = RunProgram({BinaryPath("videodiffcr"), "info", "--server", server.address()});
  EXPECT_EQ(info.status, 0) << info.output;
  for (const char* budget : {"nominal 0.90", "nominal 0.80", "nominal 0.70", "nominal 0.60", "nominal 0.50"}) {
    EXPECT_THAT(info.output, HasSubstr(budget));
  }
  const std::string video = TempPath("pruned.mp4");
  const Finished made = RunProgram(Generate(server, {"--prompt", "a large red circle moves right fast", "--budget",
                                                     "0.5", "--chunks", "2", "--seed", "5", "--output", video}));
  ASSERT_EQ(made.status, 0) << made.output;
  EXPECT_THAT(made.output, HasSubstr("nominal 0.500"));
  EXPECT_EQ(ProbeFile(video).frames.size(), 21u);
}

TEST(RoutersTest, WhatIsWrongWithFlagsOrFilesIsNamed) {
  const std::string dense = DenseFolder(), pruned = TempPath("pruned2");
  const auto output = [&](const std::vector<std::string>& more, const std::string& prompts = PromptFile(),
                          const std::string& least_chunks = "1") {
    const Finished finished = RunProgram(Train(dense, pruned, more, prompts, least_chunks));
    EXPECT_NE(finished.status, 0);
    return finished.output;
  };
  EXPECT_THAT(output({"--prompt-column", "caption"}),
              HasSubstr("no column \"caption\"; there are: uuid, prompt, time"));
  EXPECT_THAT(output({}, "/no/such.csv"), HasSubstr("/no/such.csv"));
  EXPECT_THAT(output({"--target", "1"}), HasSubstr("--target 1"));
  EXPECT_THAT(output({"--tables", "/no/such.json"}), HasSubstr("--tables /no/such.json"));
  EXPECT_THAT(output({}, PromptFile(), "3"), HasSubstr("--min-chunks 3"));
  EXPECT_FALSE(std::filesystem::exists(pruned));
}

}  // namespace
}  // namespace videodiffcr
