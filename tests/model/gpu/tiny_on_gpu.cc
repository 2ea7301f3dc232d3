#include "tests/model/gpu/tiny_on_gpu.h"

#include <gtest/gtest.h>

#include <utility>

namespace videodiffcr {

VideoModelOptions TinyOptions(const std::string& device, const std::string& precision) {
  VideoModelOptions options;
  options.model_folder = "models/tiny";
  options.device = device;
  options.precision = precision;
  options.gpu_sessions = 3;
  return options;
}

std::unique_ptr<VideoModel> Load(const VideoModelOptions& options) {
  absl::StatusOr<std::unique_ptr<VideoModel>> model = CreateVideoModel(options);
  EXPECT_TRUE(model.ok()) << model.status();
  return *std::move(model);
}

PlannedStep StepOf(SessionId session, StepKind kind, int chunk, int step, RetentionTenths budget) {
  PlannedStep planned;
  planned.session = session;
  planned.kind = kind;
  planned.chunk = chunk;
  planned.step = step;
  planned.budget = budget;
  planned.scene_start = chunk == 0;
  planned.prompt =
      std::make_shared<const std::string>("a large red circle moves right fast on a navy plain background");
  return planned;
}

std::unique_ptr<LatentChunk> FirstLatents(VideoModel& model, SessionId session) {
  EXPECT_TRUE(model.BeginSession(session, 42).ok());
  model.Run({{StepOf(session, StepKind::kText, 0, 0)}});
  std::vector<StepOutcome> outcomes;
  for (int step = 0; step < model.info().denoise_steps; ++step) {
    outcomes = model.Run({{StepOf(session, StepKind::kDenoise, 0, step)}});
    EXPECT_TRUE(outcomes[0].status.ok()) << outcomes[0].status;
  }
  return std::move(outcomes[0].latents);
}

std::vector<Video> Generate(VideoModel& model, std::vector<Video> videos, int chunks) {
  const auto run = [&](StepKind kind, int chunk, int step) {
    StepPlan plan;
    for (const Video& video : videos) plan.steps.push_back(StepOf(video.session, kind, chunk, step, video.budget));
    return model.Run(plan);
  };
  for (const Video& video : videos) EXPECT_TRUE(model.BeginSession(video.session, 42).ok());
  run(StepKind::kText, 0, 0);
  for (int chunk = 0; chunk < chunks; ++chunk) {
    for (int step = 0; step < model.info().denoise_steps; ++step) {
      std::vector<StepOutcome> outcomes = run(StepKind::kDenoise, chunk, step);
      for (size_t i = 0; i < outcomes.size(); ++i) {
        EXPECT_TRUE(outcomes[i].status.ok()) << outcomes[i].status;
        if (step == 0) videos[i].past_keys.emplace_back(outcomes[i].past_keys, outcomes[i].past_keys_whole);
        if (outcomes[i].latents == nullptr) continue;
        absl::StatusOr<FrameChunk> decoded = model.Decode(*outcomes[i].latents);
        EXPECT_TRUE(decoded.ok()) << decoded.status();
        videos[i].chunks.push_back(*std::move(decoded));
      }
    }
    run(StepKind::kContext, chunk, 0);
  }
  for (const Video& video : videos) model.EndSession(video.session);
  return videos;
}

}  // namespace videodiffcr
