// Folders of random weights for shape benchmarks: that they load, and that what runs on them stays tame.
#include "bench/shape_model.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/randn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "model/load/model_folder.h"
#include "tests/system/read_file.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

// The 1.3B preset, made small where size is all that matters.
ModelConfig SmallConfig() {
  ModelConfig config = *MakeShapeConfig("wan2.1-t2v-1.3b", *LoadModelConfig("models/tiny"));
  config.transformer.dim = 128;
  config.transformer.num_heads = 1;
  config.transformer.ffn_dim = 256;
  config.transformer.latent_height = 4;
  config.transformer.latent_width = 8;
  return config;
}

class ShapeModelTest : public ::testing::Test {
 protected:
  ~ShapeModelTest() override { std::filesystem::remove_all(root_); }
  std::string Folder(const std::string& name) const { return root_ + "/" + name; }

 private:
  const std::string root_ = ::testing::TempDir() + "shape_model_test_" + std::to_string(getpid());
};

TEST_F(ShapeModelTest, LoadsAndDecodesToCalmGrey) {
  const at::NoGradGuard no_gradients;
  ASSERT_TRUE(WriteShapeModel(SmallConfig(), 1, "models/tiny", Folder("a")).ok());
  absl::StatusOr<ModelParts> model = LoadModelFolder(Folder("a"), {});
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->config.retention.tables.size(), 3u);
  EXPECT_NEAR(model->transformer.blocks[3].ffn_in.weight.std().item<double>(), 1 / std::sqrt(128.0), 0.01);
  EXPECT_EQ(model->transformer.blocks[3].self_attn.norm_q.min().item<float>(), 1);

  DecoderState state = model->decoder->NewState();
  const absl::StatusOr<at::Tensor> pixels = model->decoder->Decode(at::randn({3, 16, 4, 8}), state);
  ASSERT_TRUE(pixels.ok()) << pixels.status();
  EXPECT_NEAR(pixels->mean().item<double>(), 0.5, 0.1);
  EXPECT_LT(pixels->std().item<double>(), 0.1);
  EXPECT_GT(pixels->std().item<double>(), 0.001);
}

TEST_F(ShapeModelTest, TheSeedDecidesEveryByte) {
  ASSERT_TRUE(WriteShapeModel(SmallConfig(), 1, "models/tiny", Folder("a")).ok());
  ASSERT_TRUE(WriteShapeModel(SmallConfig(), 1, "models/tiny", Folder("b")).ok());
  ASSERT_TRUE(WriteShapeModel(SmallConfig(), 2, "models/tiny", Folder("c")).ok());
  for (const char* file : {"/transformer.safetensors", "/routers.safetensors", "/decoder.safetensors"}) {
    EXPECT_TRUE(ReadFile(Folder("a") + file) == ReadFile(Folder("b") + file)) << file;
    EXPECT_FALSE(ReadFile(Folder("a") + file) == ReadFile(Folder("c") + file)) << file;
  }
}

TEST_F(ShapeModelTest, AnotherWindowSharesTheFiles) {
  ModelConfig config = SmallConfig();
  ASSERT_TRUE(WriteShapeModel(config, 1, "models/tiny", Folder("a")).ok());
  config.transformer.window_frames = 12;
  config.transformer.sink_frames = 3;
  ASSERT_TRUE(LinkShapeModel(config, Folder("a"), Folder("b")).ok());
  EXPECT_TRUE(
      std::filesystem::equivalent(Folder("a") + "/transformer.safetensors", Folder("b") + "/transformer.safetensors"));
  const absl::StatusOr<ModelParts> model = LoadModelFolder(Folder("b"), {});
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->config.transformer.window_frames, 12);
}

TEST_F(ShapeModelTest, OtherStepsShareTheFilesAndHaveTablesOfTheirOwn) {
  ModelConfig config = SmallConfig();
  ASSERT_TRUE(WriteShapeModel(config, 1, "models/tiny", Folder("a")).ok());
  for (const std::vector<int>& steps : {std::vector<int>{1000, 500}, {1000}}) {
    SetDenoiseSteps(steps, &config);
    const std::string folder = Folder(std::to_string(steps.size()) + "_steps");
    ASSERT_TRUE(LinkShapeModel(config, Folder("a"), folder).ok());
    const absl::StatusOr<ModelParts> model = LoadModelFolder(folder, {});
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_EQ(model->config.sampling.denoise_steps.size(), steps.size());
    EXPECT_EQ(model->config.retention.tables[2].tenths[0], std::vector<int>(steps.size() + 1, 7));
  }
}

TEST_F(ShapeModelTest, AFrameWisePresetIsAFrameWiseShape) {
  const ModelConfig config = *MakeShapeConfig("causal-forcing-frame-wise-1-step", *LoadModelConfig("models/tiny"));
  EXPECT_TRUE(config.Validate().ok()) << config.Validate();
  EXPECT_EQ(config.transformer.chunk_frames, 1);
  EXPECT_EQ(config.first_chunk_frames(), 1);
  EXPECT_EQ(config.later_chunk_frames(), 4);
  EXPECT_EQ(config.sampling.denoise_steps.size(), 1);
  EXPECT_EQ(config.retention.tables[0].tenths[0].size(), 2);
}

TEST_F(ShapeModelTest, KeepsItsHandsOffAFolderThatIsInUse) {
  const absl::Status status = WriteShapeModel(SmallConfig(), 1, "models/tiny", "models/tiny");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("not empty"));
}

}  // namespace
}  // namespace videodiffcr
