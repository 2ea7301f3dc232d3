// Denoising steps and frames per chunk are the model folder's: the embedded model told otherwise by its config.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/config/model_config.h"
#include "model/drive/clip_run.h"
#include "model/load/create_video_model.h"

namespace videodiffcr {
namespace {

using ::testing::ElementsAre;

// models/tiny with another config.json. A router mixes the frames of a chunk of three, so other chunks are dense.
class StepCountsTest : public ::testing::Test {
 protected:
  StepCountsTest() : folder_(::testing::TempDir() + "step_counts_test_" + std::to_string(getpid())) {
    std::filesystem::copy("models/tiny", folder_, std::filesystem::copy_options::recursive);
    config_ = *LoadModelConfig("models/tiny");
  }
  ~StepCountsTest() override { std::filesystem::remove_all(folder_); }

  void SetSteps(std::vector<double> steps) {
    config_.sampling.denoise_steps = std::move(steps);
    RetentionConfig& retention = config_.retention;
    retention.step_delta_tenths.assign(config_.sampling.denoise_steps.size(), 0);
    for (RetentionTable& table : retention.tables) {
      std::vector<int> layers;
      for (const std::vector<int>& row : table.tenths) layers.push_back(row.back());
      table = MakeRetentionTable(table.nominal, layers, retention.step_delta_tenths);
    }
  }
  std::unique_ptr<VideoModel> Load() {
    std::ofstream(folder_ + "/config.json") << FormatModelConfig(config_);
    absl::StatusOr<std::unique_ptr<VideoModel>> model = CreateVideoModel({folder_, "cpu", 2});
    EXPECT_TRUE(model.ok()) << model.status();
    return *std::move(model);
  }
  // Frames of three chunks from a scene's start, at the budget.
  std::vector<int> FrameCounts(VideoModel& model, RetentionTenths budget) {
    const std::unique_ptr<ClipRun> run = ClipRun::Begin(model, /*session=*/1, /*seed=*/5).value();
    auto prompt = std::make_shared<const std::string>(model.info().example_prompts.front());
    std::vector<int> frames;
    for (int64_t chunk = 0; chunk < 3; ++chunk) {
      run->StartChunk(
          {.chunk = chunk, .budget = budget, .prompt = std::exchange(prompt, nullptr), .scene_start = chunk == 0});
      const absl::Status status = RunChunks(model, {run.get()}, [&](std::vector<std::unique_ptr<LatentChunk>> latents) {
        const absl::StatusOr<FrameChunk> decoded = model.Decode(*latents[0]);
        if (decoded.ok()) frames.push_back(decoded->frame_count);
        return decoded.status();
      });
      EXPECT_TRUE(status.ok()) << status;
    }
    return frames;
  }

  const std::string folder_;
  ModelConfig config_;
};

TEST_F(StepCountsTest, TwoOneAndEightStepsAtEveryBudget) {
  for (const std::vector<double>& steps :
       {std::vector<double>{1000, 500}, {1000}, {1000, 875, 750, 625, 500, 375, 250, 125}}) {
    SetSteps(steps);
    const std::unique_ptr<VideoModel> model = Load();
    EXPECT_EQ(model->info().denoise_steps, static_cast<int>(steps.size()));
    EXPECT_THAT(FrameCounts(*model, kDenseTenths), ElementsAre(9, 12, 12));
    EXPECT_THAT(FrameCounts(*model, 7), ElementsAre(9, 12, 12));
  }
}

TEST_F(StepCountsTest, ChunksOfOneLatentFrameAreOneFrameAndThenFour) {
  config_.transformer.chunk_frames = 1;
  config_.retention = {};
  SetSteps({1000, 500});
  const std::unique_ptr<VideoModel> model = Load();
  EXPECT_EQ(model->info().first_chunk_frames, 1);
  EXPECT_EQ(model->info().chunk_frames, 4);
  EXPECT_THAT(FrameCounts(*model, kDenseTenths), ElementsAre(1, 4, 4));
}

}  // namespace
}  // namespace videodiffcr
