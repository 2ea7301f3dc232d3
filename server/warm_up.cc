#include "server/warm_up.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/statusor.h"
#include "server/media/encoder.h"

namespace videodiffcr {
namespace {

constexpr SessionId kWarmUpSession = -1;  // the scheduler numbers from 1

// Runs one step; its latents when it has some.
absl::StatusOr<std::unique_ptr<LatentChunk>> RunStep(VideoModel* model, PlannedStep step) {
  StepPlan plan;
  plan.steps.push_back(std::move(step));
  std::vector<StepOutcome> outcomes = model->Run(plan);
  if (outcomes.size() != 1)
    return absl::InternalError("the model answered a plan of one step with another number of outcomes");
  if (!outcomes[0].status.ok()) return outcomes[0].status;
  return std::move(outcomes[0].latents);
}

absl::StatusOr<FrameChunk> GenerateChunk(VideoModel* model, int64_t chunk) {
  std::unique_ptr<LatentChunk> latents;
  for (int step = 0; step < model->info().denoise_steps; ++step) {
    PlannedStep planned{.session = kWarmUpSession, .kind = StepKind::kDenoise, .chunk = chunk, .step = step};
    planned.scene_start = chunk == 0 && step == 0;
    absl::StatusOr<std::unique_ptr<LatentChunk>> outcome = RunStep(model, std::move(planned));
    if (!outcome.ok()) return outcome.status();
    latents = *std::move(outcome);
  }
  if (latents == nullptr) return absl::InternalError("the model gave no latents after the last denoising pass");
  absl::StatusOr<FrameChunk> frames = model->Decode(std::move(latents));
  if (!frames.ok()) return frames.status();
  const auto context = RunStep(model, {.session = kWarmUpSession, .kind = StepKind::kContext, .chunk = chunk});
  if (!context.ok()) return context.status();
  return frames;
}

// Of what a call gets that asks for nothing else. Null for a model whose frames have odd sides: such calls are refused.
absl::StatusOr<std::unique_ptr<ChunkEncoder>> CreateUsualEncoder(const ModelInfo& info) {
  if (info.width % 2 != 0 || info.height % 2 != 0) return nullptr;
  EncoderConfig config;
  config.width = info.width;
  config.height = info.height;
  config.frames_per_second = info.frames_per_second;
  return CreateChunkEncoder(config);
}

absl::Status RunSession(VideoModel* model, int chunks) {
  if (absl::Status status = model->BeginSession(kWarmUpSession, /*seed=*/1); !status.ok()) return status;
  const absl::Cleanup end = [model] { model->EndSession(kWarmUpSession); };
  const std::vector<std::string>& prompts = model->info().example_prompts;
  PlannedStep text{.session = kWarmUpSession, .kind = StepKind::kText};
  text.prompt = std::make_shared<const std::string>(prompts.empty() ? "warm up" : prompts.front());
  if (absl::Status status = RunStep(model, std::move(text)).status(); !status.ok()) return status;
  const absl::StatusOr<std::unique_ptr<ChunkEncoder>> encoder = CreateUsualEncoder(model->info());
  if (!encoder.ok()) return encoder.status();
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const absl::StatusOr<FrameChunk> frames = GenerateChunk(model, chunk);
    if (!frames.ok()) return frames.status();
    if (*encoder == nullptr) continue;
    if (absl::Status encoded = (*encoder)->Encode(*frames).status(); !encoded.ok()) return encoded;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WarmUp(VideoModel* model, int chunks) {
  if (chunks == 0) return absl::OkStatus();
  absl::Status status = RunSession(model, chunks);
  // Again: what the first session gave back lies elsewhere now, and its pages would be fetched by the first request
  // (3.5 ms of the tiny model's 75 on two processors).
  if (status.ok()) status = RunSession(model, 1);
  return status;
}

}  // namespace videodiffcr
