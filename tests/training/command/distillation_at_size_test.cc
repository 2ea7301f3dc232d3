// Distillation as models of any size get it: prompts of a file, and a folder each for student, teacher and fake score.
// All on the tiny model, by the command's own flags.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "model/load/create_video_model.h"
#include "model/weights/safetensors_reader.h"
#include "nlohmann/json.hpp"
#include "tests/command_line/run_subcommand.h"
#include "tests/system/read_file.h"
#include "tests/system/temporary_folder.h"
#include "tests/training/shallow_model.h"
#include "tests/training/tiny_model.h"
#include "training/command/train_command.h"
#include "training/evaluation/clip_generator.h"

namespace videodiffcr::training {
namespace {

using ::testing::HasSubstr;

// The bytes of all tensors of a safetensors file, without the settings that stand in its header.
std::string Values(const std::string& path) {
  const std::string file = ReadFile(path);
  uint64_t header = 0;
  if (file.size() < sizeof header) return "";
  std::memcpy(&header, file.data(), sizeof header);
  return file.substr(sizeof header + header);
}

class DistillationAtSizeTest : public ::testing::Test {
 protected:
  DistillationAtSizeTest() {
    folder_.Write("prompts.csv",
                  "id,prompt\n1,a large red circle moves right fast\n2,a small blue star\n"
                  "broken\n3,\"a green square, bouncing\"\n");
  }

  std::string File(const std::string& name) const { return folder_.Path(name); }

  // Two blocks of tiny: their number is of no matter here. With another value of one of its transformer's sizes.
  std::string Tiny(const std::string& name, const std::string& size = "", int value = 0) const {
    const std::string folder = File(name);
    const absl::Status written = WriteShallowModel(TinyModel(), 2, folder);
    EXPECT_TRUE(written.ok()) << written;
    if (size.empty()) return folder;
    nlohmann::json config = nlohmann::json::parse(ReadFile(folder + "/config.json"));
    config["transformer"][size] = value;
    std::ofstream(folder + "/config.json") << config;
    return folder;
  }

  using Flags = std::map<std::string, std::string>;

  // Four steps into the folder NAME, by these flags and others; a value "" takes a flag away.
  absl::Status Train(const std::string& name, Flags flags) const {
    flags.merge(Flags{{"--output", File(name)},
                      {"--run", File(name + ".run")},
                      {"--prompts", File("prompts.csv")},
                      {"--threads", "1"},
                      {"--steps", "4"},
                      {"--batch", "2"},
                      {"--target", "0.7"},
                      {"--critic-only-steps", "1"},
                      {"--warmup-steps", "1"},
                      {"--learning-rate", "0.001"}});
    std::vector<std::string> words;
    for (const auto& [flag, value] : flags) {
      if (!value.empty()) words.insert(words.end(), {flag, value});
    }
    for (const Subcommand& command : StageSubcommands()) {
      if (command.text.name == std::string("videodiffcr")) return RunSubcommand(command, {words.begin(), words.end()});
    }
    return absl::NotFoundError("videodiffcr");
  }

  std::string FirstLoss(const std::string& name) const {
    std::istringstream lines(ReadFile(File(name + ".run/loss.csv")));
    std::string line;
    std::getline(lines, line);
    std::getline(lines, line);
    return line;
  }

  // Cached text rows of a prompt.
  int TextFilesOf(const std::string& run, const std::string& prompt) const {
    int files = 0;
    for (const auto& file : std::filesystem::directory_iterator(File(run + "/text"))) {
      const auto reader = SafetensorsReader::Open(file.path());
      if (reader.ok() && reader->metadata().at("prompt") == prompt) ++files;
    }
    return files;
  }

  const TemporaryFolder folder_;
};

TEST_F(DistillationAtSizeTest, ThreeFoldersAndPromptsOfAFileMakeAFolderThatServes) {
  const std::string student = Tiny("student"), teacher = Tiny("teacher"), fake = Tiny("fake");
  const Flags flags = {
      {"--model", student}, {"--teacher", teacher}, {"--fake-score", fake}, {"--score-attention", "bidirectional"}};
  ASSERT_TRUE(Train("whole", flags).ok());
  const auto served = CreateVideoModel({File("whole"), "cpu", 1});
  ASSERT_TRUE(served.ok()) << served.status();
  EXPECT_EQ((*served)->info().budgets.size(), 2u);
  const auto clips = GenerateClips(**served, {{{{0, "a blue star"}}, 5, 7, 1}});
  ASSERT_TRUE(clips.ok()) << clips.status();
  EXPECT_FALSE(Values(File("whole/transformer.safetensors")) == Values(student + "/transformer.safetensors"));

  // In pieces it ends in the same bits.
  Flags piece = flags;
  piece["--max-steps"] = "3";
  ASSERT_TRUE(Train("pieces", piece).ok());
  EXPECT_FALSE(std::filesystem::exists(File("pieces")));
  ASSERT_TRUE(Train("pieces", flags).ok());
  for (const char* file : {"transformer.safetensors", "routers.safetensors", "config.json"}) {
    EXPECT_TRUE(ReadFile(File("pieces/") + file) == ReadFile(File("whole/") + file)) << file;
  }

  // Each folder has a part in it: with what was trained in place of one, the first loss of the fake score is another.
  Flags other = flags;
  other["--fake-score"] = File("whole");
  other["--max-steps"] = "1";
  ASSERT_TRUE(Train("other_fake", other).ok());
  EXPECT_NE(FirstLoss("other_fake"), FirstLoss("whole"));
  other = flags;
  other["--teacher"] = File("whole");
  ASSERT_TRUE(Train("other_teacher", other).ok());
  EXPECT_EQ(FirstLoss("other_teacher"), FirstLoss("whole"));  // before the student moved
  EXPECT_FALSE(Values(File("other_teacher/transformer.safetensors")) == Values(File("whole/transformer.safetensors")));
}

TEST_F(DistillationAtSizeTest, AFolderWithoutRoutersGetsDrawnOnesAndCausalScoresWillDo) {
  const std::string dense = Tiny("dense");
  std::filesystem::remove(dense + "/routers.safetensors");
  nlohmann::json config = nlohmann::json::parse(ReadFile(dense + "/config.json"));
  config.erase("retention");
  std::ofstream(dense + "/config.json") << config;
  EXPECT_THAT(Train("routed", {{"--model", dense}}).message(), HasSubstr("dense/config.json: no routers"));
  ASSERT_TRUE(Train("drawn", {{"--model", dense}, {"--fresh-routers", "yes"}, {"--recompute-blocks", "yes"}}).ok());
  EXPECT_TRUE(CreateVideoModel({File("drawn"), "cpu", 1}).ok());
}

TEST_F(DistillationAtSizeTest, ANegativePromptIsEncodedOnceAndLeadsTheTeacherElsewhere) {
  const std::string student = Tiny("student");
  const auto weights = [&](const std::string& name, const Flags& more) {
    Flags flags = {{"--model", student}, {"--steps", "3"}, {"--batch", "1"}};
    flags.insert(more.begin(), more.end());
    EXPECT_TRUE(Train(name, flags).ok());
    return Values(File(name + "/transformer.safetensors"));
  };
  // The first of the student's two updates is the routers' alone. Bytes that differ are not worth a message.
  const std::string without = weights("without", {});
  EXPECT_FALSE(weights("blurred", {{"--negative-prompt", "a blurred \u5f62"}}) == without);
  EXPECT_EQ(TextFilesOf("blurred.run", "a blurred \u5f62"), 1);
  EXPECT_EQ(TextFilesOf("blurred.run", ""), 0);
  EXPECT_EQ(TextFilesOf("without.run", ""), 1);
  // Guidance of nothing leads nowhere.
  EXPECT_TRUE(weights("unguided", {{"--guidance", "0"}}) ==
              weights("unguided_blurred", {{"--guidance", "0"}, {"--negative-prompt", "a blurred \u5f62"}}));

  const absl::Status other =
      Train("blurred", {{"--model", student}, {"--steps", "3"}, {"--batch", "1"}, {"--negative-prompt", "grey"}});
  EXPECT_THAT(other.message(), HasSubstr("negative prompt"));
}

TEST_F(DistillationAtSizeTest, MeasuringLeavesNeitherCheckpointNorResult) {
  const std::string student = Tiny("student");
  ::testing::internal::CaptureStderr();
  const absl::Status trained = Train("measured", {{"--model", student}, {"--timed-steps", "2"}});
  const std::string words = ::testing::internal::GetCapturedStderr();
  ASSERT_TRUE(trained.ok()) << trained;
  EXPECT_THAT(words, ::testing::ContainsRegex("step 1, exit step [0-3]: rollout [0-9.]+ s, scores [0-9.]+ s"));
  EXPECT_THAT(words, HasSubstr("mean without the first step: rollout "));
  EXPECT_THAT(words, HasSubstr("measured; neither checkpoint nor result was written"));
  EXPECT_FALSE(std::filesystem::exists(File("measured")));
  EXPECT_FALSE(std::filesystem::exists(File("measured.run/checkpoint.safetensors")));
}

TEST_F(DistillationAtSizeTest, AWrongFolderOrFlagIsNamed) {
  const std::string student = Tiny("student");
  const auto error = [&](Flags flags) {
    flags.merge(Flags{{"--model", student}});
    const absl::Status status = Train("wrong", flags);
    EXPECT_FALSE(status.ok());
    return std::string(status.message());
  };
  EXPECT_THAT(error({{"--prompts", "/no/such.csv"}}), HasSubstr("/no/such.csv"));
  EXPECT_THAT(error({{"--prompt-column", "caption"}}), HasSubstr("no column \"caption\""));
  EXPECT_THAT(error({{"--teacher", "/no/teacher"}}), HasSubstr("--teacher: /no/teacher"));
  EXPECT_THAT(error({{"--fake-score", "/no/score"}}), HasSubstr("--fake-score: /no/score"));
  EXPECT_THAT(error({{"--fake-score", Tiny("longer", "text_len", 80)}}),
              HasSubstr("--fake-score " + File("longer") + "/config.json: text_len is 80, the model's 32"));
  EXPECT_THAT(error({{"--teacher", Tiny("shorter", "chunk_frames", 1)}}),
              HasSubstr("--teacher " + File("shorter") + "/config.json: chunk_frames is 1, the model's 3"));
  EXPECT_THAT(error({{"--score-attention", "sideways"}}), HasSubstr("must be causal or bidirectional"));
  EXPECT_THAT(error({{"--score-attention", "bidirectional"}, {"--prompts", ""}}),
              HasSubstr("--score-attention bidirectional"));
  EXPECT_THAT(error({{"--negative-prompt", "a \xff"}}), HasSubstr("--negative-prompt: "));
  EXPECT_THAT(error({{"--negative-prompt", " \t "}}), HasSubstr("--negative-prompt: nothing to see"));
  EXPECT_THAT(error({{"--negative-prompt", "grey"}, {"--prompts", ""}}), HasSubstr("--negative-prompt: needs"));
  EXPECT_THAT(error({{"--most-chunks", "9"}}), HasSubstr("--most-chunks: of scenes"));
  EXPECT_THAT(error({{"--unknown-words", "0.1"}}), HasSubstr("--unknown-words: of scenes"));
  EXPECT_THAT(error({{"--teacher-blocks", "host"}}), HasSubstr("--teacher-blocks host: needs a GPU"));
  EXPECT_THAT(error({{"--teacher-blocks", "disk"}}), HasSubstr("must be device or host"));
  EXPECT_THAT(error({{"--router", "linear"}}), HasSubstr("--router linear"));
  EXPECT_THAT(error({{"--model", Tiny("uneven", "window_frames", 13)}}),
              HasSubstr("uneven/config.json: window_frames 13"));
  EXPECT_FALSE(std::filesystem::exists(File("wrong")));
  EXPECT_FALSE(std::filesystem::exists(File("wrong.run/checkpoint.safetensors")));
}

}  // namespace
}  // namespace videodiffcr::training
