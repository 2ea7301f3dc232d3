#include "training/classifier/attribute_classifier.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "model/plain/decoder/pixel_shuffle_taehv.h"
#include "training/scenes/scene_renderer.h"

namespace videodiffcr::training {
namespace {

SafetensorsReader OpenFile(const std::string& path) {
  return SafetensorsReader::Open(std::string(std::getenv("VIDEODIFFCR_SOURCE_DIR")) + "/" + path).value();
}

at::Tensor RenderClip(const Scene& scene) {
  const SceneRenderer renderer(scene);
  at::Tensor clip = at::empty({kJudgedFrames, 3, kSceneHeight, kSceneWidth});
  for (int64_t frame = 0; frame < kJudgedFrames; ++frame) {
    renderer.Render(frame, absl::MakeSpan(clip.mutable_data_ptr<float>() + frame * kFrameValues, kFrameValues));
  }
  return clip;
}

TEST(AttributeClassifierTest, ReadsTheReferenceClipAsItsPromptSays) {
  const c10::NoGradGuard no_gradients;
  const ClassifierWeights classifier = LoadClassifier(OpenFile("models/tiny/classifier.safetensors")).value();
  const PixelShuffleDecoderWeights decoder =
      LoadPixelShuffleDecoder(OpenFile("tests/golden/tiny/autoencoder.safetensors")).value();
  const SafetensorsReader golden = OpenFile("tests/golden/tiny/rollout.safetensors");
  // Four chunks under the first prompt: 12 latent frames.
  const at::Tensor latents = CopyToTensor(golden.Find("out.latents").value()).to(at::kFloat).narrow(0, 0, 12);
  std::vector<at::Tensor> memories;
  const at::Tensor pixels = DecodePixelShuffleTaehv(decoder, latents.unsqueeze(0), &memories);
  const std::vector<AttributeValues> read =
      ReadAttributes(classifier, ReadFrames(pixels.narrow(1, 3, kJudgedFrames).clamp(0, 1)));
  ASSERT_EQ(read.size(), 1u);
  const std::vector<std::string> expected = {"circle", "red", "large", "right", "fast", "navy", "checkered"};
  for (int i = 0; i < kAttributeCount; ++i) {
    EXPECT_EQ(ValueName(static_cast<Attribute>(i), read[0][i]), expected[i]);
  }
}

TEST(AttributeClassifierTest, ReadsNearlyEveryRenderedSceneRight) {
  const ClassifierWeights classifier = LoadClassifier(OpenFile("models/tiny/classifier.safetensors")).value();
  SceneOptions options;
  options.two_objects = options.prompt_switch = 0;
  std::vector<at::Tensor> clips;
  std::vector<AttributeValues> truth;
  for (uint64_t index = 0; index < 32; ++index) {
    RandomStream random(21, DrawPurpose::kEvaluation, index);
    const Scene scene = SampleScene(options, random);
    clips.push_back(RenderClip(scene));
    truth.push_back(scene.segments[0].attributes());
  }
  const std::vector<AttributeValues> read = ReadAttributes(classifier, ReadFrames(at::stack(clips)));
  int wrong = 0;
  for (size_t clip = 0; clip < truth.size(); ++clip) {
    for (int i = 0; i < kAttributeCount; ++i) {
      const bool asked = i != kSpeed || truth[clip][kMotion] != kStill;
      wrong += asked && read[clip][i] != truth[clip][i];
    }
  }
  EXPECT_LE(wrong, 1) << "of " << 32 * kAttributeCount;
}

TEST(AttributeClassifierTest, RefusesAFileOfOtherWeights) {
  const auto wrong = LoadClassifier(OpenFile("models/tiny/routers.safetensors"));
  ASSERT_FALSE(wrong.ok());
  EXPECT_NE(std::string(wrong.status().message()).find("routers.safetensors"), std::string::npos) << wrong.status();
}

}  // namespace
}  // namespace videodiffcr::training
