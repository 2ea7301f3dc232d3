#include "server/warm_up.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/statusor.h"

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

absl::Status GenerateChunk(VideoModel* model, int64_t chunk) {
  std::unique_ptr<LatentChunk> latents;
  for (int step = 0; step < model->info().denoise_steps; ++step) {
    PlannedStep planned{.session = kWarmUpSession, .kind = StepKind::kDenoise, .chunk = chunk, .step = step};
    planned.scene_start = chunk == 0 && step == 0;
    absl::StatusOr<std::unique_ptr<LatentChunk>> outcome = RunStep(model, std::move(planned));
    if (!outcome.ok()) return outcome.status();
    latents = *std::move(outcome);
  }
  if (latents == nullptr) return absl::InternalError("the model gave no latents after the last denoising pass");
  if (absl::StatusOr<FrameChunk> frames = model->Decode(std::move(latents)); !frames.ok()) return frames.status();
  return RunStep(model, {.session = kWarmUpSession, .kind = StepKind::kContext, .chunk = chunk}).status();
}

}  // namespace

absl::Status WarmUp(VideoModel* model, int chunks) {
  if (chunks == 0) return absl::OkStatus();
  if (absl::Status status = model->BeginSession(kWarmUpSession, /*seed=*/1); !status.ok()) return status;
  const absl::Cleanup end = [model] { model->EndSession(kWarmUpSession); };
  const std::vector<std::string>& prompts = model->info().example_prompts;
  PlannedStep text{.session = kWarmUpSession, .kind = StepKind::kText};
  text.prompt = std::make_shared<const std::string>(prompts.empty() ? "warm up" : prompts.front());
  if (absl::Status status = RunStep(model, std::move(text)).status(); !status.ok()) return status;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    if (absl::Status status = GenerateChunk(model, chunk); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace videodiffcr
