// The served model on a GPU, through the seam that the scheduler sees.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "model/kernels/frame_conversion.h"
#include "model/serving/causal_video_model.h"

namespace videodiffcr {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<VideoModel> LoadTiny(const std::string& device, const std::string& precision,
                                     bool decode_graph = true) {
  CausalVideoModelOptions options;
  options.model_folder = "models/tiny";
  options.device = device;
  options.precision = precision;
  options.gpu_sessions = 3;
  options.decode_graph = decode_graph;
  absl::StatusOr<std::unique_ptr<VideoModel>> model = CreateCausalVideoModel(options);
  EXPECT_TRUE(model.ok()) << model.status();
  return *std::move(model);
}

// `chunks` chunks of each session, all in one plan per step.
std::vector<std::vector<FrameChunk>> Generate(VideoModel& model, const std::vector<SessionId>& sessions, int chunks,
                                              RetentionTenths budget) {
  std::vector<std::vector<FrameChunk>> frames(sessions.size());
  const auto run = [&](StepKind kind, int chunk, int step) {
    StepPlan plan;
    for (const SessionId session : sessions) {
      PlannedStep planned;
      planned.session = session;
      planned.kind = kind;
      planned.chunk = chunk;
      planned.step = step;
      planned.budget = budget;
      planned.scene_start = chunk == 0;
      planned.prompt =
          std::make_shared<const std::string>("a large red circle moves right fast on a navy plain background");
      plan.steps.push_back(planned);
    }
    return model.Run(plan);
  };
  for (const SessionId session : sessions) EXPECT_TRUE(model.BeginSession(session, 42).ok());
  run(StepKind::kText, 0, 0);
  for (int chunk = 0; chunk < chunks; ++chunk) {
    for (int step = 0; step < model.info().denoise_steps; ++step) {
      std::vector<StepOutcome> outcomes = run(StepKind::kDenoise, chunk, step);
      for (size_t i = 0; i < outcomes.size(); ++i) {
        EXPECT_TRUE(outcomes[i].status.ok()) << outcomes[i].status;
        if (outcomes[i].latents == nullptr) continue;
        absl::StatusOr<FrameChunk> decoded = model.Decode(std::move(outcomes[i].latents));
        EXPECT_TRUE(decoded.ok()) << decoded.status();
        frames[i].push_back(*std::move(decoded));
      }
    }
    run(StepKind::kContext, chunk, 0);
  }
  for (const SessionId session : sessions) model.EndSession(session);
  return frames;
}

// What the GPU delivers, of a chunk that the CPU delivers.
FrameChunk ToYuv420p(const FrameChunk& rgb) {
  std::vector<float> pixels(rgb.pixels.begin(), rgb.pixels.end());
  for (float& value : pixels) value /= 255.0f;
  FrameChunk chunk = rgb;
  chunk.format = PixelFormat::kYuv420p;
  chunk.pixels.resize(rgb.pixels.size() / 2);
  kernels::FrameConversionCall call;
  call.frames = rgb.frame_count;
  call.height = rgb.height;
  call.width = rgb.width;
  call.pixels = pixels.data();
  call.frame_stride = int64_t{3} * rgb.height * rgb.width;
  call.colour_stride = 1;
  call.row_stride = int64_t{3} * rgb.width;
  call.column_stride = 3;
  call.bytes = chunk.pixels.data();
  kernels::PlainToYuv420p(call);
  return chunk;
}

double MeanDifference(const FrameChunk& a, const FrameChunk& b) {
  double sum = 0;
  EXPECT_EQ(a.pixels.size(), b.pixels.size());
  for (size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(int{a.pixels[i]} - int{b.pixels[i]});
  return sum / static_cast<double>(a.pixels.size());
}

// Frames of the CPU are rounded twice, to 8-bit RGB and to YUV, those of the GPU once. The first rounding moves a luma
// value by 0.17 (root mean square: 0.29 per colour, their weights, 219/255), so every eighth one rounds elsewhere;
// noise in all pixels makes that a mean difference of 0.11 to 0.13. A pass at the wrong place makes it 5 and more.
constexpr double kRoundingTwice = 0.15;

TEST(GpuVideoModelTest, Fp32MakesTheVideoThatTheCpuMakes) {
  const auto cpu = LoadTiny("cpu", ""), gpu = LoadTiny("cuda", "fp32");
  for (const RetentionTenths budget : {10, 7}) {
    const auto want = Generate(*cpu, {1}, 5, budget), got = Generate(*gpu, {1}, 5, budget);
    for (int chunk = 0; chunk < 5; ++chunk) {
      EXPECT_LE(MeanDifference(ToYuv420p(want[0][chunk]), got[0][chunk]), kRoundingTwice)
          << "chunk " << chunk << ", budget " << budget;
    }
  }
}

TEST(GpuVideoModelTest, TheSameSeedGivesTheSameBytesWhenAlone) {
  const auto model = LoadTiny("cuda", "bf16");
  const auto first = Generate(*model, {1}, 4, 8), second = Generate(*model, {2}, 4, 8);
  for (int chunk = 0; chunk < 4; ++chunk) EXPECT_EQ(first[0][chunk].pixels, second[0][chunk].pixels);
}

TEST(GpuVideoModelTest, DecodingAsOneGraphChangesNoByte) {
  const auto graph = LoadTiny("cuda", "bf16"), plain = LoadTiny("cuda", "bf16", /*decode_graph=*/false);
  for (const std::vector<SessionId>& sessions : {std::vector<SessionId>{1, 2}, {3}}) {
    const auto want = Generate(*plain, sessions, 4, 10), got = Generate(*graph, sessions, 4, 10);
    for (size_t i = 0; i < sessions.size(); ++i) {
      for (int chunk = 0; chunk < 4; ++chunk) EXPECT_EQ(want[i][chunk].pixels, got[i][chunk].pixels) << i << chunk;
    }
  }
}

TEST(GpuVideoModelTest, SessionsInOnePlanMakeVideosLikeTheirOwn) {
  const auto model = LoadTiny("cuda", "fp32");
  const auto alone = Generate(*model, {1}, 4, 10), among = Generate(*model, {2, 3, 4}, 4, 10);
  for (int chunk = 0; chunk < 4; ++chunk) {
    for (const auto& session : among) EXPECT_LE(MeanDifference(alone[0][chunk], session[chunk]), 0.1);
  }
}

TEST(GpuVideoModelTest, ASlotIsRefusedWhenAllAreTakenAndFreeAgainAfterASessionEnds) {
  const auto model = LoadTiny("cuda", "bf16");
  for (SessionId session = 1; session <= 3; ++session) ASSERT_TRUE(model->BeginSession(session, 1).ok());
  const absl::Status refused = model->BeginSession(4, 1);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("all 3 slots"));
  model->EndSession(2);
  EXPECT_TRUE(model->BeginSession(4, 1).ok());
}

TEST(GpuVideoModelTest, AWrongPrecisionIsNamed) {
  CausalVideoModelOptions options;
  options.model_folder = "models/tiny";
  options.device = "cuda";
  options.precision = "fp4";
  EXPECT_THAT(std::string(CreateCausalVideoModel(options).status().message()), HasSubstr("fp4"));
}

}  // namespace
}  // namespace videodiffcr
